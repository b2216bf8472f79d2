//! Judges a show from what the members saw.

use std::collections::HashSet;
use std::sync::Arc;

use helpline::answer::extract::unsure_text;
use helpline::deliver::render::sources_line;
use helpline::texts::Lang;
use helpline_sim::matching::Answer;
use helpline_sim::report::{Latency, Report, quantile, report};
use helpline_sim::{Counters, Entry, Kind};
use serde::Serialize;

use crate::observe::Takeover;
use crate::options::Options;
use crate::show::Played;

/// How long after a kill answers may take longer than otherwise.
const AFTER_KILL_MS: u64 = 2_000;

#[derive(Debug, Serialize)]
pub struct Quantiles {
    pub p50: Option<u64>,
    pub p99: Option<u64>,
    pub max: Option<u64>,
}

/// The last line of `--json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub questions: usize,
    pub answered: usize,
    /// Questions that a document answers.
    pub answerable: usize,
    pub cited_expected: usize,
    pub handed_over: usize,
    pub unsure: usize,
    pub unanswerable: usize,
    pub unanswerable_unsure: usize,
    pub lost: usize,
    pub duplicates: usize,
    pub out_of_order: usize,
    /// From the question to its first visible answer.
    pub answer_ms: Quantiles,
    /// The same without questions that waited during the two seconds after a kill.
    pub answer_ms_undisturbed: Quantiles,
    /// From the use of a command or button to the first reply, the one that Discord gives 3 s for.
    pub acknowledged_ms: Quantiles,
    pub acknowledged: usize,
    pub takeovers: Vec<Takeover>,
    pub servers: u32,
    pub shards: u32,
    pub workers: u32,
    /// Answers to nothing that was asked, as Discord saw them.
    pub strays: usize,
    pub interactions_failed: usize,
    pub identifies: u64,
    pub resumes: u64,
    pub rest_requests: u64,
    pub rest_429: u64,
    pub nonce_replays: u64,
}

impl Summary {
    pub fn of(options: &Options, played: Played, entries: &[Arc<Entry>], counters: &Counters) -> Self {
        let Played { asked, takeovers } = played;
        let judged = report(entries, &asked, options.patience, is_final);
        let expected: Vec<Option<&str>> = asked.iter().map(|asked| asked.tag["expect"].as_str()).collect();
        let finals: Vec<Vec<&Answer>> = asked
            .iter()
            .map(|asked| asked.answers.iter().filter(|answer| is_final(answer)).collect())
            .collect();
        let cites = |index: usize| {
            expected[index]
                .is_some_and(|title| finals[index].iter().any(|answer| cites(&answer.content, title)))
        };
        let acknowledged = Acknowledged::of(entries);
        let unsure = |index: usize| finals[index].iter().any(|answer| is_unsure(&answer.content));
        let count = |counts: &dyn Fn(usize) -> bool| (0..asked.len()).filter(|index| counts(*index)).count();
        Self {
            questions: asked.len(),
            answered: judged.answered,
            answerable: count(&|index| expected[index].is_some()),
            cited_expected: count(&cites),
            handed_over: handed_over(entries),
            unsure: count(&unsure),
            unanswerable: count(&|index| expected[index].is_none()),
            unanswerable_unsure: count(&|index| expected[index].is_none() && unsure(index)),
            lost: judged.lost.len(),
            duplicates: judged.duplicates.len(),
            out_of_order: judged.out_of_order.len(),
            answer_ms: quantiles(&judged, |_| true),
            answer_ms_undisturbed: quantiles(&judged, |latency| undisturbed(latency, &takeovers)),
            acknowledged_ms: acknowledged.quantiles(),
            acknowledged: acknowledged.0.len(),
            takeovers,
            servers: options.servers,
            shards: options.shards,
            workers: options.workers,
            strays: judged.strays.len(),
            interactions_failed: judged.interactions_failed,
            identifies: counters.identifies,
            resumes: counters.resumes,
            rest_requests: counters.rest_requests,
            rest_429: counters.rest_429,
            nonce_replays: counters.nonce_replays,
        }
    }

    /// Nothing was lost, nothing said twice, nothing in the wrong order.
    pub fn is_good(&self) -> bool {
        self.questions > 0 && self.lost == 0 && self.duplicates == 0 && self.out_of_order == 0
    }

    /// For people.
    pub fn text(&self) -> String {
        let ms = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        let mut text = format!(
            "\n  {} questions asked on {} servers, {} answered, {} handed over to a human\n  \
             {} of {} answerable ones cite the expected document\n  \
             {} of {} unanswerable ones were answered with \"I could not find\" ({} in all)\n  \
             lost {}   said twice {}   out of order {}\n  \
             answers after {} (p50), {} (p99); outside the two seconds after a kill {} (p99)\n",
            self.questions,
            self.servers,
            self.answered,
            self.handed_over,
            self.cited_expected,
            self.answerable,
            self.unanswerable_unsure,
            self.unanswerable,
            self.unsure,
            self.lost,
            self.duplicates,
            self.out_of_order,
            ms(self.answer_ms.p50),
            ms(self.answer_ms.p99),
            ms(self.answer_ms_undisturbed.p99),
        );
        for takeover in &self.takeovers {
            let gap =
                takeover.gap_ms.map_or_else(|| "not within 15 s".to_owned(), |gap| format!("after {gap} ms"));
            text.push_str(&match takeover.shards {
                0 => format!("  {}: {} answers in flight, resumed {gap}\n", takeover.cause, takeover.jobs_in_flight),
                shards => format!(
                    "  {}: {} answers in flight, {shards} shards; the first event was applied by another worker {gap}\n",
                    takeover.cause, takeover.jobs_in_flight
                ),
            });
        }
        text.push_str(match self.is_good() {
            true => "  Nothing was lost, and nothing was said twice.",
            false => "  THIS WENT WRONG: something was lost, said twice or out of order.",
        });
        text
    }
}

/// How long interactions waited for their first reply, in order.
struct Acknowledged(Vec<u64>);

impl Acknowledged {
    fn of(entries: &[Arc<Entry>]) -> Self {
        let mut after: Vec<u64> = entries
            .iter()
            .filter_map(|entry| match entry.kind {
                Kind::InteractionAcked { after_ms, .. } => Some(after_ms),
                _ => None,
            })
            .collect();
        after.sort_unstable();
        Self(after)
    }

    fn quantiles(&self) -> Quantiles {
        let at = |q| quantile(&self.0, q);
        Quantiles { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

fn quantiles(judged: &Report, keep: impl Fn(&Latency) -> bool) -> Quantiles {
    Quantiles {
        p50: judged.latency_ms(0.5, &keep),
        p99: judged.latency_ms(0.99, &keep),
        max: judged.latency_ms(1.0, &keep),
    }
}

/// The time it waited does not touch the two seconds after any kill.
fn undisturbed(latency: &Latency, takeovers: &[Takeover]) -> bool {
    let (from, to) = (latency.at_ms, latency.at_ms + latency.ms);
    takeovers.iter().all(|takeover| to < takeover.at_ms || from > takeover.at_ms + AFTER_KILL_MS)
}

/// The last part of an answer.
fn is_final(answer: &Answer) -> bool {
    is_unsure(&answer.content) || answer.content.contains(&sources_line(Lang::En))
}

fn is_unsure(content: &str) -> bool {
    // An answer that could no longer be given as a reply to the interaction opens with the member's mention.
    content.contains(&unsure_text(Lang::En))
}

fn cites(content: &str, title: &str) -> bool {
    let Some((_, sources)) = content.rsplit_once(&sources_line(Lang::En)) else { return false };
    sources.split(" · ").any(|source| {
        let named = source.split_once("] ").map_or(source, |(_, named)| named);
        named == title || named.strip_prefix(title).is_some_and(|rest| rest.starts_with(" ›"))
    })
}

/// Conversations in which the bot pinged a role.
pub fn handed_over(entries: &[Arc<Entry>]) -> usize {
    let threads = entries.iter().filter_map(|entry| match &entry.kind {
        Kind::BotMessage(message) if !message.pinged.roles.is_empty() => Some(message.channel),
        _ => None,
    });
    threads.collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_is_read_by_its_whole_title() {
        let content = "Text.\n\n-# Sources: [1] Plans › Prices · [2] Backups";
        assert!(cites(content, "Plans") && cites(content, "Backups"));
        assert!(!cites(content, "Plan") && !cites(content, "Prices") && !cites("Backups", "Backups"));
    }
}
