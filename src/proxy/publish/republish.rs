//! What becomes of a batch: kept once it is in its stream, put back when its stream turns out to be lost.

use std::collections::{HashMap, HashSet};

use helpline_cluster::event_log::Outcome as Answer;
use helpline_cluster::ids::ShardId;
use tokio::time::Instant;

use super::super::backlog::{Entry, Outcome};
use super::super::cursors::Cursors;
use super::super::gaps::{Cause, Missed};
use super::super::metrics;
use super::super::retained::{GivenUp, Lost};
use super::State;

impl State {
    /// The incarnations of the batch's streams.
    pub(super) fn known(&self, batch: &[(ShardId, Entry)]) -> HashMap<ShardId, u64> {
        let known = |shard: &ShardId| Some((*shard, self.retained.incarnation(*shard)?));
        batch.iter().filter_map(|(shard, _)| known(shard)).collect()
    }

    /// Takes what became of a batch; returns how many are in their stream.
    pub(super) fn settle(&mut self, batch: Vec<(ShardId, Entry)>, answers: &[Answer]) -> usize {
        let taken = |answer: &Answer| match answer {
            Answer::Published(_) => Outcome::Published,
            Answer::NoIncarnation | Answer::OtherIncarnation(_) | Answer::Full => Outcome::Refused,
        };
        let outcomes: Vec<Outcome> = answers.iter().map(taken).collect();
        self.backlog.settle(&batch, &outcomes, Instant::now());
        let mut published = 0;
        let mut shards = HashSet::new();
        for ((shard, entry), answer) in batch.into_iter().zip(answers) {
            match answer {
                Answer::Published(id) => {
                    published += 1;
                    self.retained.keep(shard, *id, entry);
                    shards.insert(shard);
                }
                // Lost: the sequence goes back at once, so that a proxy after this one loses nothing either.
                Answer::NoIncarnation => self.lost(shard, 0),
                Answer::OtherIncarnation(stands) => self.lost(shard, *stands),
                Answer::Full => {}
            }
        }
        // They may have been applied meanwhile, and the cursors stand still from now on.
        shards.into_iter().for_each(|shard| self.passed_by(shard));
        let dropped = self.retained.take_dropped();
        ::metrics::counter!(metrics::RETAINED_DROPPED).increment(dropped);
        published
    }

    /// Forgets what the shards' owners have durably applied, and publishes again what was lost.
    pub(super) fn passed(&mut self, cursors: Cursors) {
        self.cursors = cursors;
        let shards: Vec<ShardId> = self.cursors.keys().copied().collect();
        shards.into_iter().for_each(|shard| self.passed_by(shard));
    }

    fn passed_by(&mut self, shard: ShardId) {
        let cursor = self.cursors.get(&shard).copied();
        if let Some(lost) = cursor.and_then(|cursor| self.retained.durable(shard, cursor)) {
            self.put_back(shard, lost);
        }
    }

    /// The stream that is known does not stand. A lower incarnation is of a server that was cut off, which will be found
    /// out.
    fn lost(&mut self, shard: ShardId, stands: u64) {
        let Some(known) = self.retained.incarnation(shard) else { return };
        if stands == 0 || stands > known {
            let lost = self.retained.begun_anew(shard, stands);
            self.put_back(shard, lost);
        }
    }

    fn put_back(&mut self, shard: ShardId, lost: Lost) {
        let Lost { again, given_up } = lost;
        let count = again.len();
        if count > 0 {
            tracing::warn!("redis has lost the log of {shard}: {count} events are published again");
            ::metrics::counter!(metrics::REPUBLISHED).increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
        // The saved sequence is ahead of the streams now; it is saved anew, as a whole, since it goes back.
        self.session_changed |= self.backlog.put_back(shard, again) && self.session.is_some();
        let Some(given_up) = given_up else { return };
        tracing::error!(
            "redis has lost the log of {shard}: {} events were not kept any more and are missing",
            given_up.entries
        );
        ::metrics::counter!(metrics::GIVEN_UP).increment(given_up.entries);
        // A gap from here on: nothing else tells of them.
        let from_ms = Some(given_up.from_ms).filter(|ms| *ms > 0);
        let GivenUp { interactions, places, .. } = given_up;
        let cause = Cause::StreamLost;
        self.backlog.miss(Missed { cause, shard: Some(shard), from_ms, interactions, places });
    }
}
