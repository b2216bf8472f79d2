//! What a run showed: lost, doubled and out-of-order answers, and how long answers took.
//!
//! Computed from the transcript and the list of what was asked, without asking the bot.

use crate::ids::{ChannelId, MessageId};
use crate::matching::{Answer, Matcher, QuestionId};
use crate::members::Asked;
use crate::transcript::Entry;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Something said twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Index of the question.
    pub asked: usize,
    /// The message.
    pub first: MessageId,
    /// The message that says it again.
    pub second: MessageId,
    /// What they have in common.
    pub why: Likeness,
}

/// What makes two messages the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same text.
    SameContent,
    /// Both are the final part of an answer to one question.
    TwoFinalParts,
}

/// Two questions of one thread whose answers came in the other order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutOfOrder {
    /// The thread.
    pub thread: ChannelId,
    /// Index of the question asked first.
    pub earlier: usize,
    /// Index of the question asked later but answered first.
    pub later: usize,
}

/// Time from a question to its first visible answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Index of the question.
    pub asked: usize,
    /// When it was asked, in Unix milliseconds.
    pub at_ms: u64,
    /// Milliseconds to the first answer.
    pub ms: u64,
}

/// The result. Indices are positions in the list of what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Questions asked.
    pub questions: usize,
    /// Questions with an answer in time.
    pub answered: usize,
    /// Questions without an answer within the deadline.
    pub lost: Vec<usize>,
    /// Of the lost, those answered after the deadline.
    pub late: Vec<usize>,
    /// Answers given twice.
    pub duplicates: Vec<Duplicate>,
    /// Answers given in another order than their questions.
    pub out_of_order: Vec<OutOfOrder>,
    /// One sample for each answered question, in the order asked.
    pub latencies: Vec<Latency>,
    /// The bot's messages that answer nothing that was asked or pressed.
    pub strays: Vec<MessageId>,
    /// Interactions that ended in "the application did not respond".
    pub interactions_failed: usize,
}

impl Report {
    /// The `q`-quantile (0 to 1) of the latencies in milliseconds, over the samples `keep` accepts.
    pub fn latency_ms(&self, q: f64, keep: impl Fn(&Latency) -> bool) -> Option<u64> {
        let mut samples: Vec<u64> =
            self.latencies.iter().filter(|sample| keep(sample)).map(|s| s.ms).collect();
        samples.sort_unstable();
        quantile(&samples, q)
    }
}

/// The nearest-rank quantile of sorted samples.
pub fn quantile(sorted: &[u64], q: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (q.clamp(0.0, 1.0) * sorted.len() as f64).ceil();
    // Truncation is what is meant: the rank is a whole number between 0 and the length.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = rank as usize;
    sorted.get(rank.saturating_sub(1).min(last)).copied()
}

/// Judges a run. `is_final` tells the last part of an answer, of which each question may have one.
pub fn report(
    entries: &[Arc<Entry>],
    asked: &[Asked],
    deadline: Duration,
    is_final: impl Fn(&Answer) -> bool,
) -> Report {
    let matcher = Matcher::of(entries.iter().map(|entry| &**entry));
    let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    let mut report = Report {
        questions: asked.len(),
        interactions_failed: matcher.failed().len(),
        strays: strays(&matcher, asked),
        out_of_order: out_of_order(&matcher, asked),
        ..Report::default()
    };
    for (index, question) in asked.iter().enumerate() {
        let answers = matcher.answers(question.id);
        match answers.iter().map(|answer| answer.at_ms).min() {
            None => report.lost.push(index),
            Some(at_ms) => {
                let ms = at_ms.saturating_sub(question.at_ms);
                report.latencies.push(Latency { asked: index, at_ms: question.at_ms, ms });
                if ms > deadline_ms {
                    report.lost.push(index);
                    report.late.push(index);
                } else {
                    report.answered += 1;
                }
            }
        }
        report.duplicates.extend(duplicates(index, answers, &is_final));
    }
    report
}

fn duplicates(asked: usize, answers: &[Answer], is_final: &impl Fn(&Answer) -> bool) -> Vec<Duplicate> {
    let mut found = Vec::new();
    for (at, second) in answers.iter().enumerate() {
        let before = &answers[..at];
        let same = before.iter().find(|first| !second.content.is_empty() && first.content == second.content);
        let finals = || before.iter().find(|first| is_final(first) && is_final(second));
        if let Some(first) = same {
            found.push(Duplicate {
                asked,
                first: first.message,
                second: second.message,
                why: Likeness::SameContent,
            });
        } else if let Some(first) = finals() {
            let why = Likeness::TwoFinalParts;
            found.push(Duplicate { asked, first: first.message, second: second.message, why });
        }
    }
    found
}

fn out_of_order(matcher: &Matcher, asked: &[Asked]) -> Vec<OutOfOrder> {
    let mut threads: BTreeMap<ChannelId, Vec<usize>> = BTreeMap::new();
    for (index, question) in asked.iter().enumerate() {
        let thread = match question.follow_up_of {
            Some(_) => Some(question.channel),
            None => matcher.thread(question.id),
        };
        if let Some(thread) = thread {
            threads.entry(thread).or_default().push(index);
        }
    }
    let mut found = Vec::new();
    for (thread, mut questions) in threads {
        // Within a thread, ids are in the order Discord took the questions in; the root has the lowest.
        questions.sort_by_key(|index| order_of(asked[*index].id));
        let mut latest: Option<(MessageId, usize)> = None;
        for index in questions {
            let Some(first) = matcher.answers(asked[index].id).iter().map(|answer| answer.message).min()
            else {
                continue;
            };
            match latest {
                Some((answered, later)) if answered > first => {
                    found.push(OutOfOrder { thread, earlier: later, later: index });
                }
                _ => latest = Some((first, index)),
            }
        }
    }
    found
}

fn order_of(question: QuestionId) -> u64 {
    match question {
        QuestionId::Message(id) => id.get(),
        QuestionId::Interaction(id) => id.get(),
    }
}

fn strays(matcher: &Matcher, asked: &[Asked]) -> Vec<MessageId> {
    let known: HashSet<QuestionId> = asked
        .iter()
        .flat_map(|question| {
            [Some(question.id), question.pressed.map(|p| QuestionId::Interaction(p.interaction))]
        })
        .flatten()
        .collect();
    let unasked = matcher.answered().filter(|(id, _)| !known.contains(id)).flat_map(|(_, answers)| answers);
    let mut strays: Vec<MessageId> = unasked.chain(matcher.strays()).map(|answer| answer.message).collect();
    strays.sort_unstable();
    strays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_by_nearest_rank() {
        let samples: Vec<u64> = (1..=100).collect();
        assert_eq!(quantile(&samples, 0.5), Some(50));
        assert_eq!(quantile(&samples, 0.99), Some(99));
        assert_eq!(quantile(&samples, 1.0), Some(100));
        assert_eq!(quantile(&[7], 0.0), Some(7));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
