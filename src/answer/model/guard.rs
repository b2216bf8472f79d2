//! What a chat model wrote, made fit to be shown, or refused. Pure. Written as if the model obeyed every text that it was
//! given: nothing here trusts the prompt.

use std::collections::{BTreeMap, HashSet};

use super::{grounds::Grounds, links};
use crate::answer::extract::quote::{self, harmless};
use crate::answer::prompt::{Prompt, RULES, Source, is_unseen, visible};
use crate::answer::{AnswerRequest, Citation, MAX_TEXT_CHARS};

/// Why a text is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It repeats what only the model was to read.
    Leak,
    /// It cites nothing that was shown to the model.
    Uncited,
    /// It says nothing that rests on what it cites.
    Unfounded,
    /// It is no short question.
    NoQuestion,
}

/// Longest question back to the member, in characters.
const MAX_QUESTION_CHARS: usize = 400;
/// Words in a row that tell a repetition from chance.
const RUN: usize = 6;

/// What the model was told and nobody else is to read.
#[derive(Debug)]
pub struct Secrets {
    fence: String,
    runs: HashSet<Vec<String>>,
    /// Codes: one of them is enough.
    codes: HashSet<String>,
    /// Words in capitals, as capitals.
    shouted: HashSet<String>,
}

impl Secrets {
    /// What stands in the sources too is no secret.
    pub fn of(prompt: &Prompt, request: &AnswerRequest, sources: &[Source]) -> Self {
        let public: Vec<&str> = shown(sources).collect();
        let public_runs: HashSet<Vec<String>> = public.iter().flat_map(|text| runs(text)).collect();
        let mut secret_runs: HashSet<Vec<String>> =
            runs(RULES).into_iter().chain(runs(&request.system_prompt)).collect();
        secret_runs.retain(|run| !public_runs.contains(run));
        let without_public = |words: fn(&str) -> HashSet<String>| {
            let public: HashSet<String> = public.iter().flat_map(|text| words(text)).collect();
            words(&request.system_prompt).difference(&public).cloned().collect()
        };
        Self {
            fence: prompt.fence.clone(),
            runs: secret_runs,
            codes: without_public(codes),
            shouted: without_public(shouted),
        }
    }

    fn are_in(&self, text: &str) -> bool {
        let squeezed: String =
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        squeezed.contains(&self.fence)
            || runs(text).iter().any(|run| self.runs.contains(run))
            || self.codes.iter().any(|code| squeezed.contains(code))
            || !shouted(text).is_disjoint(&self.shouted)
    }
}

fn shown(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().flat_map(|source| {
        [source.text.as_str(), source.citation.title.as_str(), source.citation.heading.as_str()]
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn runs(text: &str) -> Vec<Vec<String>> {
    words(text).windows(RUN).map(<[String]>::to_vec).collect()
}

/// Words of letters and digits, squeezed as [`Secrets::are_in`] squeezes a text.
fn codes(text: &str) -> HashSet<String> {
    let parts = text.split(|c: char| c.is_whitespace() || "\"'`()[]{}<>".contains(c));
    let squeezed = parts.map(|part| part.chars().filter(|c| c.is_alphanumeric()).collect::<String>());
    let is_code = |part: &String| {
        part.chars().count() >= 5 && part.contains(char::is_numeric) && part.contains(char::is_alphabetic)
    };
    squeezed.filter(is_code).map(|code| code.to_lowercase()).collect()
}

fn shouted(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let shouts = |word: &&str| word.chars().count() >= 5 && word.chars().all(char::is_uppercase);
    words.filter(shouts).map(str::to_owned).collect()
}

/// An answer's text and what it cites, or why it is none. `named` are the numbers that stand beside the text.
pub fn answer(
    text: &str,
    named: &[usize],
    request: &AnswerRequest,
    sources: &[Source],
    secrets: &Secrets,
) -> Result<(String, Vec<Citation>), Refused> {
    let text = visible(text);
    if secrets.are_in(&text) {
        return Err(Refused::Leak);
    }
    let exists = |number: &usize| (1..=sources.len()).contains(number);
    let mut cited = Vec::new();
    marked(&text, &mut |number| cited.push(number));
    cited.extend(named);
    cited.retain(exists);
    if cited.is_empty() {
        return Err(Refused::Uncited);
    }
    let cited_sources = || cited.iter().map(|number| &sources[number - 1]);
    let passages: Vec<&str> =
        cited_sources().flat_map(|source| shown(std::slice::from_ref(source))).collect();
    let grounds = Grounds::of(passages.iter().copied()).and_exact_of(&request.question);
    let text = links::only(&without_subtext(&text), &links::of(passages.iter().copied()));
    let text = grounds.keep(&text).ok_or(Refused::Unfounded)?;
    let (mut text, citations) = renumbered(&text, &cited, sources);
    if !text.contains('[') {
        let marks: String = (1..=citations.len()).map(|number| format!("[{number}]")).collect();
        text = format!("{} {marks}", text.trim_end());
    }
    Ok((finish(&text), citations))
}

/// A question back to the member.
pub fn question(
    text: &str,
    request: &AnswerRequest,
    sources: &[Source],
    secrets: &Secrets,
) -> Result<String, Refused> {
    let text = visible(text);
    if secrets.are_in(&text) {
        return Err(Refused::Leak);
    }
    let asks = text.contains(['?', '？', '؟', ';']);
    let (short, plain) = (text.chars().count() <= MAX_QUESTION_CHARS, !text.contains("```"));
    // Whatever it asks, it asks with what the member or the documents have said.
    let said = request.history.iter().map(|turn| turn.text.as_str()).chain([request.question.as_str()]);
    let known = Grounds::of(shown(sources).chain(said)).has_all_exact_of(&text);
    let text = links::only(&without_subtext(&text), &HashSet::new());
    if !(asks && short && plain && known) || text.contains(links::REMOVED) {
        return Err(Refused::NoQuestion);
    }
    let mut bare = String::new();
    marks_replaced(&text, &mut bare, &mut |_| None);
    Ok(finish(&bare))
}

/// Small print is the sources line's, which delivery adds.
fn without_subtext(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_start_matches("-# ")).collect();
    lines.join("\n")
}

/// Calls with each number in `[1]`, `[1, 2]` and `【1】` outside code.
fn marked(text: &str, found: &mut impl FnMut(usize)) {
    marks_replaced(text, &mut String::new(), &mut |number| {
        found(number);
        None
    });
}

/// Writes the text with the numbers of its marks replaced; those without a replacement go.
fn marks_replaced(text: &str, out: &mut String, replace: &mut impl FnMut(usize) -> Option<usize>) {
    for (at, part) in text.split("```").enumerate() {
        if at > 0 {
            out.push_str("```");
        }
        if at % 2 == 1 {
            out.push_str(part);
            continue;
        }
        let mut rest = part;
        while let Some(open) = rest.find(['[', '【']) {
            let (before, from) = rest.split_at(open);
            out.push_str(before);
            let bracket = from.chars().next().map_or(1, char::len_utf8);
            let numbers =
                from.find([']', '】']).and_then(|close| Some((close, numbers(&from[bracket..close])?)));
            let Some((close, numbers)) = numbers else {
                out.push_str(&from[..bracket]);
                rest = &from[bracket..];
                continue;
            };
            rest = &from[close + from[close..].chars().next().map_or(1, char::len_utf8)..];
            let mut kept: Vec<usize> = numbers.into_iter().filter_map(&mut *replace).collect();
            kept.dedup();
            if kept.is_empty() && out.ends_with(' ') && !rest.starts_with(char::is_alphanumeric) {
                out.pop();
            }
            kept.iter().for_each(|number| out.push_str(&format!("[{number}]")));
        }
        out.push_str(rest);
    }
}

fn numbers(inside: &str) -> Option<Vec<usize>> {
    let inside = inside.split('†').next().unwrap_or(inside);
    inside
        .split([',', ';', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| part.trim_start_matches('^').parse().ok())
        .collect::<Option<Vec<usize>>>()
        .filter(|numbers| !numbers.is_empty())
}

/// The text with its sources numbered in the order in which it names them, and their citations in that order.
fn renumbered(text: &str, cited: &[usize], sources: &[Source]) -> (String, Vec<Citation>) {
    let mut order: BTreeMap<usize, usize> = BTreeMap::new();
    let mut citations = Vec::new();
    let mut cite = |number: usize| {
        let source = sources.get(number.checked_sub(1)?)?;
        let next = citations.len() + 1;
        Some(*order.entry(number).or_insert_with(|| {
            citations.push(cleaned(&source.citation));
            next
        }))
    };
    let mut out = String::with_capacity(text.len());
    marks_replaced(text, &mut out, &mut cite);
    if citations.is_empty() {
        // Its marks went with a sentence; what is left rests on the same sources.
        let mut left = cited.to_vec();
        left.sort_unstable();
        left.dedup();
        citations = left.iter().map(|number| cleaned(&sources[number - 1].citation)).collect();
    }
    (out, citations)
}

fn cleaned(citation: &Citation) -> Citation {
    let Citation { document_id, title, heading } = citation;
    Citation { document_id: *document_id, title: quote::title(title), heading: quote::title(heading) }
}

/// Mentions broken, code closed, gaps closed, and no longer than an answer may be.
fn finish(text: &str) -> String {
    let mut out = String::new();
    let mut blank = 0;
    for line in text.trim().lines() {
        blank = if line.trim().is_empty() { blank + 1 } else { 0 };
        if blank < 2 {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    let out = harmless(out.trim_end());
    // Room for what closes it.
    let limit = MAX_TEXT_CHARS - 8;
    let mut out = match out.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &out[..end]),
        None => out,
    };
    if out.matches("```").count() % 2 == 1 {
        out.push_str("\n```");
    }
    out
}

/// Whether a text that is shown has a character in it that nobody sees, but for what breaks a mention.
pub fn has_unseen(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let breaks = c == quote::WORD_JOINER && matches!(before, '@' | '<');
        before = c;
        is_unseen(c) && c != '\u{fe0f}' && !breaks
    })
}

#[cfg(test)]
mod tests;
