//! Which questions of a conversation got no good answer, and which of several are about the same. Pure.

use std::collections::{HashMap, HashSet};

use helpline_cluster::ids::ServerId;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::answer::Action;
use crate::conversation::state::{Turn, last_question};
use crate::discord::{ChannelId, MessageId};

/// Questions are about the same when they share so much of their words (Dice's coefficient, weighted by how rare a word
/// is among all of them).
const ALIKE: f32 = 0.5;

/// A question that got no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Of its message or interaction: it says when it was asked.
    pub id: MessageId,
    pub text: String,
    /// The thread, or else the channel.
    pub place: ChannelId,
    pub why: Why,
}

/// What shows that a question got no good answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// The documents hold none.
    pub unsure: bool,
    /// Whoever asked said so.
    pub unhelpful: bool,
    /// A human was called.
    pub handed_over: bool,
}

/// Questions about the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Nil before [`Gap::of`].
    pub id: Uuid,
    /// Newest first; never none.
    pub questions: Vec<Question>,
}

impl Gap {
    /// The newest question stands for all.
    pub fn title(&self) -> &str {
        self.questions.first().map_or("", |question| &question.text)
    }

    /// With its id, which follows from its oldest question: the same for as long as that is there.
    pub fn of(self, server: ServerId) -> Self {
        let oldest = self.questions.last().map_or(0, |question| question.id.0);
        let digest = Sha256::digest(format!("gap/{}/{oldest}", server.get()).as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self { id: uuid::Builder::from_custom_bytes(bytes).into_uuid(), ..self }
    }

    /// How many were unsure, unhelpful and handed over; a question may be all three.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&Why) -> bool| self.questions.iter().filter(|question| is(&question.why)).count();
        (count(|why| why.unsure), count(|why| why.unhelpful), count(|why| why.handed_over))
    }
}

/// The questions of a conversation that got no good answer. `unhelpful`: those of which whoever asked said so.
pub fn unanswered(transcript: &[Turn], place: ChannelId, unhelpful: &[u64]) -> Vec<Question> {
    let mut whys: Vec<(String, Why)> = Vec::new();
    let mut note = |event: &str, set: fn(&mut Why)| match whys.iter_mut().find(|(known, _)| known == event) {
        Some((_, why)) => set(why),
        None => {
            let mut why = Why::default();
            set(&mut why);
            whys.push((event.to_owned(), why));
        }
    };
    for (at, turn) in transcript.iter().enumerate() {
        match turn {
            Turn::Assistant { answers, action: Action::Unsure, .. } => note(answers, |why| why.unsure = true),
            Turn::Forwarded { .. } => {
                if let Some((event, _)) = last_question(&transcript[..at]) {
                    note(event, |why| why.handed_over = true);
                }
            }
            _ => {}
        }
    }
    unhelpful.iter().for_each(|id| note(&id.to_string(), |why| why.unhelpful = true));
    let asked = |(event, why): (String, Why)| {
        let text = transcript.iter().find_map(|turn| match turn {
            Turn::Member { event_id, text, asked: true, .. } if *event_id == event => Some(text.clone()),
            _ => None,
        })?;
        Some(Question { id: MessageId(event.parse().ok()?), text, place, why })
    };
    whys.into_iter().filter_map(asked).collect()
}

/// Groups questions, newest first, by their lexemes; the largest group first, of equal ones that with the newest question.
pub fn group(questions: Vec<Question>, lexemes: &[Vec<String>]) -> Vec<Gap> {
    let sets: Vec<HashSet<&str>> =
        lexemes.iter().map(|lexemes| lexemes.iter().map(String::as_str).collect()).collect();
    let mut having: HashMap<&str, usize> = HashMap::new();
    sets.iter().flatten().for_each(|lexeme| *having.entry(lexeme).or_default() += 1);
    let all = sets.len() as f32;
    let weight = |lexeme: &str| (all / having.get(lexeme).copied().unwrap_or(1) as f32).ln_1p();
    let weight_of = |set: &HashSet<&str>| set.iter().map(|lexeme| weight(lexeme)).sum::<f32>();

    let none = HashSet::new();
    let mut groups: Vec<(usize, f32, Vec<Question>)> = Vec::new();
    // Groups by the words of the question that began them.
    let mut by_lexeme: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_text: HashMap<String, usize> = HashMap::new();
    for (at, question) in questions.into_iter().enumerate() {
        let set = sets.get(at).unwrap_or(&none);
        let own = weight_of(set);
        let mut shared: HashMap<usize, f32> = HashMap::new();
        for lexeme in set {
            for group in by_lexeme.get(lexeme).into_iter().flatten() {
                *shared.entry(*group).or_default() += weight(lexeme);
            }
        }
        let alike = |(group, shared): &(usize, f32)| 2.0 * shared / (own + groups[*group].1);
        let best = shared
            .into_iter()
            .max_by(|one, other| alike(one).total_cmp(&alike(other)).then(other.0.cmp(&one.0)));
        let key = question.text.trim().to_lowercase();
        let same = best.filter(|best| alike(best) >= ALIKE).map(|(group, _)| group);
        match same.or_else(|| by_text.get(&key).copied()) {
            Some(group) => groups[group].2.push(question),
            None => {
                let group = groups.len();
                set.iter().for_each(|lexeme| by_lexeme.entry(lexeme).or_default().push(group));
                by_text.insert(key, group);
                groups.push((at, own, vec![question]));
            }
        }
    }
    groups.sort_by_key(|(at, _, questions)| (std::cmp::Reverse(questions.len()), *at));
    groups.into_iter().map(|(_, _, questions)| Gap { id: Uuid::nil(), questions }).collect()
}

#[cfg(test)]
mod tests;
