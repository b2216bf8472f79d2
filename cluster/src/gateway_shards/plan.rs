//! Which proxy is to hold which gateway shard. Pure; every proxy computes it for itself from the same rows.
//!
//! Promises: each set is spread so that two proxies differ by one gateway shard at the most; nothing moves that does
//! not have to; the same rows give the same plan whatever their order, and a plan carried out gives itself again.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{GatewayShard, ProxyId};

/// One gateway shard as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub gateway: GatewayShard,
    /// Its holder, who may be dead.
    pub owner: Option<ProxyId>,
    /// It is about to go: it stays with its holder and counts to nobody's share.
    pub closing: bool,
}

/// A holder for each gateway shard, among the proxies given; none when there is no proxy.
pub fn plan(proxies: &[ProxyId], rows: &[Row]) -> BTreeMap<GatewayShard, ProxyId> {
    let proxies: BTreeSet<ProxyId> = proxies.iter().copied().collect();
    let mut plan = BTreeMap::new();
    if proxies.is_empty() {
        return plan;
    }
    let mut sets: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for row in rows {
        sets.entry(row.gateway.total).or_default().push(*row);
    }
    for mut set in sets.into_values() {
        set.sort_unstable_by_key(|row| row.gateway);
        spread(&proxies, &set, &mut plan);
    }
    plan
}

/// Each set by itself, so that nothing moves when an old set goes.
fn spread(proxies: &BTreeSet<ProxyId>, set: &[Row], plan: &mut BTreeMap<GatewayShard, ProxyId>) {
    let living = |row: &Row| row.owner.filter(|owner| proxies.contains(owner));
    let (closing, open): (Vec<&Row>, Vec<&Row>) = set.iter().partition(|row| row.closing);
    let mut held: BTreeMap<ProxyId, Vec<GatewayShard>> =
        proxies.iter().map(|proxy| (*proxy, Vec::new())).collect();
    let mut orphans = Vec::new();
    for row in &open {
        match living(row) {
            Some(owner) => held.entry(owner).or_default().push(row.gateway),
            None => orphans.push(row.gateway),
        }
    }
    let (share, more) = (open.len() / proxies.len(), open.len() % proxies.len());
    // One more than the share for those who hold most already.
    let mut by_held: Vec<ProxyId> = proxies.iter().copied().collect();
    by_held.sort_by_key(|proxy| (std::cmp::Reverse(held[proxy].len()), *proxy));
    let room: BTreeMap<ProxyId, usize> = by_held
        .iter()
        .enumerate()
        .map(|(place, proxy)| (*proxy, share + usize::from(place < more)))
        .collect();
    for (proxy, gateways) in &mut held {
        let kept = gateways.len().min(room[proxy]);
        orphans.extend(gateways.split_off(kept));
        plan.extend(gateways.iter().map(|gateway| (*gateway, *proxy)));
    }
    orphans.sort_unstable();
    let mut orphans = orphans.into_iter();
    // Those with least go first, so that a dead proxy's gateway shards are resumed by several at a time.
    for proxy in by_held.iter().rev() {
        let missing = room[proxy] - held[proxy].len();
        plan.extend(orphans.by_ref().take(missing).map(|gateway| (gateway, *proxy)));
    }
    for (row, fallback) in closing.iter().zip(by_held.iter().cycle()) {
        plan.insert(row.gateway, living(row).unwrap_or(*fallback));
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
