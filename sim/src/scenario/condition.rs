//! Reads what can be expected or waited for.

use super::names::{Names, Sort};
use super::step::{Compare, Condition, Number, When};
use super::words::{ParseError, Words};
use crate::transcript::Counters;

/// `answer to q1 containing "…"`, `thread on q1`, `ack of s1`, `failure of s1`, or a number compared.
pub(super) fn read(words: &mut Words, names: &Names) -> Result<Condition, ParseError> {
    let what = words.one_of(&[
        "answer", "thread", "ack", "failure", "answers", "counter", "count", "sessions", "strays",
    ])?;
    let question = |words: &mut Words, preposition| {
        words.keyword(preposition)?;
        names.known(words, Sort::Question)
    };
    let number = match what {
        "answer" => {
            let to = question(words, "to")?;
            let containing = if words.take("containing") { Some(words.text("a part of it")?) } else { None };
            return Ok(Condition::Answer { to, containing });
        }
        "thread" => return Ok(Condition::Thread { on: question(words, "on")? }),
        "ack" => return Ok(Condition::Acknowledged(question(words, "of")?)),
        "failure" => return Ok(Condition::Failed(question(words, "of")?)),
        "answers" => Number::Answers(question(words, "to")?),
        "counter" => Number::Counter(counter(words)?),
        "count" => Number::Entries(kind(words)?),
        "sessions" => Number::Sessions,
        _ => Number::Strays,
    };
    let signs: Vec<&'static str> = Compare::NAMES.iter().map(|(name, _)| *name).collect();
    let sign = words.one_of(&signs)?;
    let compare = Compare::NAMES.iter().find(|(name, _)| *name == sign).map_or(Compare::Equal, |(_, of)| *of);
    Ok(Condition::Compared(number, compare, words.number("a whole number")?))
}

fn counter(words: &mut Words) -> Result<String, ParseError> {
    let name = words.next("the name of a counter")?;
    let all = serde_json::to_value(Counters::default()).unwrap_or_default();
    let known: Vec<&str> = all.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if known.contains(&name.text.as_str()) {
        return Ok(name.text);
    }
    Err(words.error(format!("there is no counter {:?}; there are {}", name.text, known.join(", "))))
}

/// Kinds of transcript entries, as they are called in JSON. A kind that is missing here cannot be counted, which
/// is told when the scenario is read.
const KINDS: [&str; 25] = [
    "member_message",
    "member_edit",
    "member_delete",
    "webhook_message",
    "reaction",
    "reaction_removed",
    "reactions_cleared",
    "pin",
    "interaction",
    "modal_shown",
    "choices_shown",
    "bot_message",
    "bot_edit",
    "bot_delete",
    "thread_started",
    "typing",
    "interaction_acked",
    "interaction_failed",
    "nonce_replay",
    "rate_limited",
    "faulted",
    "identified",
    "resumed",
    "disconnected",
    "token_reset",
];

fn kind(words: &mut Words) -> Result<String, ParseError> {
    let kind = words.next("a kind of transcript entry, such as bot_message")?;
    if KINDS.contains(&kind.text.as_str()) {
        return Ok(kind.text);
    }
    Err(words.error(format!("there are no entries {:?}; there are {}", kind.text, KINDS.join(", "))))
}

/// Nothing, `within 10s` or `for 2s`.
pub(super) fn when(words: &mut Words) -> Result<When, ParseError> {
    if words.take("within") {
        return Ok(When::Within(words.duration()?));
    }
    if words.take("for") {
        return Ok(When::For(words.duration()?));
    }
    Ok(When::Now)
}
