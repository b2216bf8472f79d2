//! Which sessions an event reaches: found by gateway shard within each total in use.
//!
//! Sessions with different totals live side by side, as when a bot changes its number of gateway shards
//! without a pause, and several sessions may share a gateway shard.
//! <https://discord.com/developers/docs/events/gateway#sharding>

use super::session::Session;
use crate::ids::GuildId;
use crate::world::gateway_shard;
use std::sync::Arc;

#[derive(Debug)]
struct Total {
    total: u32,
    /// Sorted by gateway shard.
    shards: Vec<(u32, Vec<Arc<Session>>)>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Routes {
    totals: Vec<Total>,
}

impl Routes {
    pub(super) fn add(&mut self, session: Arc<Session>) {
        let at = self.totals.iter().position(|one| one.total == session.total).unwrap_or_else(|| {
            self.totals.push(Total { total: session.total, shards: Vec::new() });
            self.totals.len() - 1
        });
        let shards = &mut self.totals[at].shards;
        match shards.binary_search_by_key(&session.shard, |(shard, _)| *shard) {
            Ok(at) => shards[at].1.push(session),
            Err(at) => shards.insert(at, (session.shard, vec![session])),
        }
    }

    /// Calls `reach` for each session that gets events of this server, or those without one.
    pub(super) fn each(&self, guild: Option<GuildId>, mut reach: impl FnMut(&Session)) {
        for one in &self.totals {
            let shard = guild.map_or(0, |guild| gateway_shard(guild, one.total));
            if let Ok(at) = one.shards.binary_search_by_key(&shard, |(shard, _)| *shard) {
                one.shards[at].1.iter().for_each(|session| reach(session));
            }
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.totals.iter().flat_map(|one| &one.shards).flat_map(|(_, sessions)| sessions)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Session) -> bool) {
        for one in &mut self.totals {
            for (_, sessions) in &mut one.shards {
                sessions.retain(|session| keep(session));
            }
            one.shards.retain(|(_, sessions)| !sessions.is_empty());
        }
        self.totals.retain(|one| !one.shards.is_empty());
    }
}
