//! Where a planned handoff spends its time, read from the workers' own lines about it (`claims::steps`). Pure, but for the
//! reading of the logs.

use std::collections::HashMap;
use std::path::Path;

use helpline_cluster::claims::steps::Step;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::measures::{Pause, Samples};

/// What the workers have to log.
pub const LOG: &str = "info,handoff=debug";

/// What lies between two steps of a handoff, in their order.
const PARTS: [(&str, Step, Step); 8] = [
    ("told until the transaction in hand has ended", Step::Told, Step::Ended),
    ("until the lanes have ended", Step::Ended, Step::Quiet),
    ("until the release is committed", Step::Quiet, Step::Released),
    ("until the next owner has claimed", Step::Released, Step::Claimed),
    ("until the epoch stands in Redis and the cursor is read", Step::Claimed, Step::Ready),
    ("until the loop has begun", Step::Ready, Step::Begun),
    ("until the first events are read, once they are asked", Step::Begun, Step::Read),
    ("until the first transaction is committed", Step::Read, Step::Applied),
];

/// When an ownership (shard and epoch) came to which step, in Unix microseconds.
#[derive(Debug, Default)]
pub struct Steps(HashMap<(i32, i64), Vec<(Step, i64)>>);

impl Steps {
    /// Of all workers whose logs are there, since that moment: the logs of an earlier run may stand before it.
    pub fn read(logs: &Path, since_us: i64) -> Self {
        let mut steps = Self::default();
        for log in std::fs::read_dir(logs).expect("the logs are listed").flatten() {
            if log.file_name().to_string_lossy().starts_with("worker") {
                let text = std::fs::read(log.path()).expect("a log is read");
                String::from_utf8_lossy(&text).lines().for_each(|line| steps.add(line));
            }
        }
        steps.0.values_mut().for_each(|of| of.retain(|(_, at)| *at >= since_us));
        steps.0.retain(|_, of| !of.is_empty());
        steps
    }

    /// `2026-11-24T10:00:00.123456Z DEBUG handoff: shard 3 at epoch 7: claimed`
    fn add(&mut self, line: &str) {
        let read = || {
            let (head, said) = line.split_once(" handoff: ")?;
            let at = OffsetDateTime::parse(head.split_whitespace().next()?, &Rfc3339).ok()?;
            let (whose, step) = said.trim().split_once(": ")?;
            let (shard, epoch) = whose.strip_prefix("shard ")?.split_once(" at epoch ")?;
            let step = ALL.into_iter().find(|known| known.name() == step)?;
            let at_us = i64::try_from(at.unix_timestamp_nanos() / 1_000).ok()?;
            Some(((shard.parse().ok()?, epoch.parse().ok()?), (step, at_us)))
        };
        if let Some((ownership, step)) = read() {
            self.0.entry(ownership).or_default().push(step);
        }
    }

    fn at(&self, ownership: (i32, i64), step: Step) -> Option<i64> {
        let steps = self.0.get(&ownership)?;
        steps.iter().find(|(known, _)| *known == step).map(|(_, at)| *at)
    }

    /// The ownership that followed upon one.
    fn next(&self, (shard, epoch): (i32, i64)) -> Option<(i32, i64)> {
        let later = self.0.keys().filter(|(other, later)| *other == shard && *later > epoch);
        later.min_by_key(|(_, epoch)| *epoch).copied()
    }
}

const ALL: [Step; 10] = [
    Step::Told,
    Step::Ended,
    Step::Quiet,
    Step::Released,
    Step::Claimed,
    Step::Ready,
    Step::Begun,
    Step::Read,
    Step::Tried,
    Step::Applied,
];

/// The parts of many handoffs.
#[derive(Debug, Default)]
pub struct Parts {
    told: Samples,
    parts: [Samples; PARTS.len()],
    /// What the handoff itself took: from being told until the next owner's loop has begun.
    between: Samples,
    /// From the end of the one loop to the beginning of the other.
    out_of_service: Samples,
    /// The pause of each handoff with how it came about.
    stories: Vec<(i64, String)>,
}

impl Parts {
    /// `pauses`: of shards whose owner was told to end at `at_us`; `held`: all of his, with their epochs.
    pub fn add(&mut self, steps: &Steps, pauses: &[Pause], held: &HashMap<i32, i64>, at_us: i64) {
        for old in held.iter().map(|(shard, epoch)| (*shard, *epoch)) {
            let begun = steps.next(old).and_then(|next| steps.at(next, Step::Begun));
            if let Some((ended, begun)) = steps.at(old, Step::Ended).zip(begun) {
                self.out_of_service.add(begun - ended);
            }
        }
        for pause in pauses {
            let Some(old) = held.get(&pause.shard).map(|epoch| (pause.shard, *epoch)) else { continue };
            let Some(next) = steps.next(old) else { continue };
            let of = |step| match step {
                Step::Told | Step::Ended | Step::Quiet | Step::Released => steps.at(old, step),
                _ => steps.at(next, step),
            };
            let mut story = format!(
                "shard {}: {} ms; last applied {}, asked {}",
                pause.shard,
                pause.us() / 1_000,
                (pause.last_us - at_us) / 1_000,
                (pause.asked_us - at_us) / 1_000
            );
            for step in ALL {
                let at = of(step).map_or("?".to_owned(), |at| ((at - at_us) / 1_000).to_string());
                story += &format!(", {} {at}", step.name());
            }
            self.stories.push((pause.us(), story));
            if let (Some(told), Some(begun)) = (of(Step::Told), of(Step::Begun)) {
                self.told.add(told - at_us);
                self.between.add(begun - told);
            }
            for ((_, from, to), samples) in PARTS.into_iter().zip(&mut self.parts) {
                let (Some(from_us), Some(to_us)) = (of(from), of(to)) else { continue };
                // An event that was not asked yet is nobody's delay.
                let from_us = if to == Step::Read { from_us.max(pause.asked_us) } else { from_us };
                samples.add(to_us - from_us);
            }
        }
    }

    /// Each part by its name.
    pub fn rows(&self) -> Vec<(String, &Samples)> {
        let first = [
            ("signal until the owner is told to let go".to_owned(), &self.told),
            ("told until the next owner's loop has begun".to_owned(), &self.between),
        ];
        let parts = PARTS.iter().zip(&self.parts).map(|((what, ..), samples)| ((*what).to_owned(), samples));
        first.into_iter().chain(parts).collect()
    }

    /// For how long nobody could apply an event, whether or not one waited.
    pub const fn out_of_service(&self) -> &Samples {
        &self.out_of_service
    }

    /// How the longest pauses came about; milliseconds after the signal.
    pub fn longest(&self, most: usize) -> Vec<&str> {
        let mut stories: Vec<&(i64, String)> = self.stories.iter().collect();
        stories.sort_by_key(|(us, _)| std::cmp::Reverse(*us));
        stories.into_iter().take(most).map(|(_, story)| story.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ms: u32, said: &str) -> String {
        format!("2026-11-24T10:00:00.{ms:03}000Z DEBUG handoff: {said}")
    }

    #[test]
    fn the_parts_of_a_handoff_are_read_from_the_logs_of_both_owners() {
        let mut steps = Steps::default();
        for line in [
            line(10, "shard 3 at epoch 7: told"),
            line(14, "shard 3 at epoch 7: ended"),
            line(20, "shard 3 at epoch 7: quiet"),
            line(29, "shard 3 at epoch 7: released"),
            // The next owner may hear of the release before the old one does.
            line(28, "shard 3 at epoch 8: claimed"),
            line(40, "shard 3 at epoch 8: ready"),
            line(41, "shard 3 at epoch 8: begun"),
            line(80, "shard 3 at epoch 8: read"),
            line(99, "shard 4 at epoch 8: read"),
            "what else is logged, also without an end: handoff: ".to_owned(),
        ] {
            steps.add(&line);
        }
        let at = |ms: i64| 1_795_514_400_000_000 + ms * 1_000;
        let pause = Pause { shard: 3, last_us: at(0), asked_us: at(60), first_us: at(90) };
        let mut parts = Parts::default();
        parts.add(&steps, &[pause], &HashMap::from([(3, 7)]), at(0));
        let told: Vec<String> = parts.rows().iter().map(|(_, samples)| samples.told()).collect();
        let ms = |ms: u32| format!("{ms} / {ms} / {ms} ms");
        let none = || "none".to_owned();
        assert_eq!(told, [ms(10), ms(31), ms(4), ms(6), ms(9), ms(0), ms(12), ms(1), ms(20), none()]);
        assert_eq!(parts.out_of_service().told(), ms(27));
        let longest = parts.longest(5);
        assert!(longest[0].starts_with("shard 3: 30 ms; last applied 0, asked 60, told 10,"), "{longest:?}");
    }
}
