//! `helpline.gaps` and `helpline.gap_channels`, after `src/proxy/gaps.rs` and migration 11: what is to be read again.
//!
//! A gap that is repaired is removed here; nothing is given up, because reading is repeated until it succeeds.

use std::collections::BTreeMap;

use helpline::proxy::gaps::Missed;
use helpline_cluster::ids::{GatewayShard, ServerId, ShardId};

use super::{Store, Tables};

/// Clocks differ, and what is read twice is applied once.
const SLACK_MS: u64 = 30_000;

#[derive(Clone, Debug)]
pub struct GapRow {
    pub gateway: GatewayShard,
    /// None: of every server of the gateway shard.
    pub shard: Option<ShardId>,
    pub from_ms: u64,
    /// Still to be read.
    pub channels: BTreeMap<u64, ServerId>,
    threads_listed: bool,
}

impl GapRow {
    fn is_of(&self, tables: &Tables, server: ServerId) -> bool {
        let Some(shard) = self.shard else { return self.gateway.carries(server) };
        // What was missed of a shard may be of a server that is on its way there, or has left since.
        let open = tables.moves.values().chain(&tables.past_moves);
        let moves = open.filter(|moving| moving.server == server);
        let lives_on = tables.server_shards.get(&server).copied();
        let mut shards = lives_on.into_iter().chain(moves.flat_map(|moving| [moving.from, moving.to]));
        self.gateway.carries(server) && shards.any(|of| of == shard)
    }

    fn threads(&self, tables: &Tables) -> BTreeMap<u64, ServerId> {
        let known = tables.threads.keys().filter(|(server, _)| self.is_of(tables, *server));
        known.map(|(server, thread)| (thread.0, *server)).collect()
    }
}

impl Store {
    /// open_gap: support channels and the threads of conversations.
    pub fn open_gap(&self, gateway: GatewayShard, missed: &Missed) -> (u64, Vec<u64>) {
        let id = self.new_id();
        self.change(|tables| {
            let mut gap = GapRow {
                gateway,
                shard: missed.shard,
                from_ms: missed.from_ms.unwrap_or(0).saturating_sub(SLACK_MS),
                channels: BTreeMap::new(),
                threads_listed: false,
            };
            let servers = tables.server_shards.keys().filter(|server| gap.is_of(tables, **server));
            let support: Vec<_> = servers.map(|server| (server.get(), *server)).collect();
            gap.channels = gap.threads(tables);
            gap.channels.extend(support);
            let channels = gap.channels.keys().copied().collect();
            tables.gaps.insert(id, gap);
            (id, channels)
        })
    }

    pub fn unrepaired(&self, gateway: GatewayShard) -> Vec<u64> {
        let tables = self.tables();
        tables.gaps.iter().filter(|(_, gap)| gap.gateway == gateway).map(|(id, _)| *id).collect()
    }

    /// What is still to be read of a gap.
    pub fn channels_of_gap(&self, id: u64) -> Vec<u64> {
        let tables = self.tables();
        tables.gaps.get(&id).into_iter().flat_map(|gap| gap.channels.keys().copied()).collect()
    }

    /// list_new_threads, once, and what is left to be read.
    pub fn left_of_gap(&self, id: u64) -> Option<GapRow> {
        self.change(|tables| {
            let gap = tables.gaps.get(&id)?;
            let new = if gap.threads_listed { BTreeMap::new() } else { gap.threads(tables) };
            let gap = tables.gaps.get_mut(&id)?;
            gap.threads_listed = true;
            gap.channels.extend(new);
            Some(gap.clone())
        })
    }

    /// channel_repaired.sql, and the end of the gap with its last channel.
    pub fn repaired(&self, id: u64, channel: u64) {
        self.change(|tables| {
            if let Some(gap) = tables.gaps.get_mut(&id) {
                gap.channels.remove(&channel);
            }
        });
    }

    pub fn finish_gap(&self, id: u64) {
        self.change(|tables| tables.gaps.retain(|of, gap| *of != id || !gap.channels.is_empty()));
    }
}
