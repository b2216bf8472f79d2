//! How far the owners of shards are behind their streams, for people who look: one read-only call for each slot group.

use std::sync::LazyLock;

use futures_util::future::try_join_all;
use redis::Script;

use super::{Error, EventLog};
use crate::ids::{ShardId, StreamId};
use crate::keys::{GROUPS, Keys};

static LAG: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/lag.lua")));

/// How a stream stands against a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Entries behind the cursor; none when it is of another incarnation than the stream, or Redis has no stream.
    pub entries: Option<u64>,
    /// When the proxy received the first of them (Unix time).
    pub waits_since_ms: Option<u64>,
}

impl EventLog {
    /// The lags of these shards, in their order.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn lags(&self, cursors: &[(ShardId, StreamId)]) -> Result<Vec<Lag>, Error> {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); GROUPS as usize];
        for (index, (shard, _)) in cursors.iter().enumerate() {
            groups[Keys::group(*shard) as usize].push(index);
        }
        let mut lags = vec![Lag { entries: None, waits_since_ms: None }; cursors.len()];
        let asked = groups.iter().filter(|group| !group.is_empty()).map(async |group| {
            let mut call = LAG.prepare_invoke();
            for index in group {
                let (shard, cursor) = cursors[*index];
                call.key(self.keys.stream(shard)).key(self.keys.incarnation(shard)).arg(cursor.to_string());
            }
            let answers: Vec<(String, String, String)> = call.invoke_async(&mut self.redis.clone()).await?;
            Ok::<_, Error>(
                group.iter().zip(answers).map(|(index, answer)| (*index, answer)).collect::<Vec<_>>(),
            )
        });
        for (index, (newest, received, stands)) in try_join_all(asked).await?.into_iter().flatten() {
            let cursor = cursors[index].1;
            let of_it = |id: &StreamId| id.incarnation == cursor.incarnation;
            // Nothing was published since it was begun.
            let empty = || (stands.parse() == Ok(cursor.incarnation)).then_some(cursor);
            let newest = if newest.is_empty() { empty() } else { newest.parse().ok() };
            let newest = newest.filter(of_it);
            lags[index] = Lag {
                entries: newest.map(|newest| newest.seq.saturating_sub(cursor.seq)),
                waits_since_ms: received.parse().ok(),
            };
        }
        Ok(lags)
    }
}
