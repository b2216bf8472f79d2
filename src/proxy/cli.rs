//! `helpline gateway-shards`: what an operator sees of the gateway shards, and changes of their number.
//!
//! Speaks to the database alone: the running proxies carry the change out.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use helpline_cluster::gateway_shards::{Phase, Snapshot, store};
use sqlx::PgPool;

/// Prints the sets, and who holds what.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(pool: &PgPool) -> anyhow::Result<()> {
    let snapshot = store::look(pool).await.context("read the gateway shards")?;
    print!("{}", report(&snapshot));
    Ok(())
}

/// Lets a set of this size rise beside the one that serves.
///
/// # Errors
/// When there is nothing to change, or a change is under way.
pub async fn set(pool: &PgPool, total: u32) -> anyhow::Result<()> {
    let snapshot = store::look(pool).await.context("read the gateway shards")?;
    let Some(serving) = snapshot.sets.iter().find(|set| !set.rising) else {
        bail!("no proxy has ever run on this database: start one with GATEWAY_SHARDS={total}");
    };
    if let Some(rising) = snapshot.sets.iter().find(|set| set.rising) {
        bail!(
            "the number changes from {} to {} already: wait for it (helpline gateway-shards show), or give it up \
             (helpline gateway-shards abandon)",
            serving.total,
            rising.total
        );
    }
    if serving.total == total {
        println!("there are {total} gateway shards already");
        return Ok(());
    }
    if !store::rise(pool, total).await.context("write the new set")? {
        bail!("somebody else began a change at the same time: see helpline gateway-shards show");
    }
    println!(
        "{total} gateway shards come up beside the {} that serve; the proxies switch over as they get their sessions",
        serving.total
    );
    Ok(())
}

/// Gives a change up, as long as no old gateway shard has begun to close.
///
/// # Errors
/// When there is no such change.
pub async fn abandon(pool: &PgPool) -> anyhow::Result<()> {
    match store::abandon(pool, None).await.context("remove the new set")? {
        Some(total) => println!("the change to {total} gateway shards is given up; the old ones go on"),
        None => bail!("no change is under way that could still be given up"),
    }
    Ok(())
}

fn report(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    if snapshot.sets.is_empty() {
        text.push_str("no gateway shards yet: the first proxy begins them\n");
    }
    for set in &snapshot.sets {
        let of: Vec<_> = snapshot.gateways.iter().filter(|row| row.gateway.total == set.total).collect();
        let up = of.iter().filter(|row| row.up).count();
        let closing = of.iter().filter(|row| row.phase == Phase::Closing).count();
        let held = of.iter().filter(|row| row.phase == Phase::Held).count();
        let state = if set.rising { "rises" } else { "serves" };
        text.push_str(&format!(
            "the set of {} {state}: {} gateway shards, {up} with their session, {held} held back, {closing} closing\n",
            set.total,
            of.len()
        ));
    }
    let mut by_owner: BTreeMap<_, usize> =
        snapshot.proxies.iter().map(|(proxy, _)| (Some(*proxy), 0)).collect();
    for row in &snapshot.gateways {
        *by_owner.entry(row.owner).or_default() += 1;
    }
    for (owner, count) in by_owner {
        match owner {
            Some(proxy) => text.push_str(&format!("{proxy} holds {count}\n")),
            None => text.push_str(&format!("nobody holds {count}\n")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use helpline_cluster::gateway_shards::store::{Set, Standing};
    use helpline_cluster::ids::{GatewayShard, ProxyId};

    use super::*;

    #[test]
    fn the_report_names_sets_and_holders() {
        let proxy = ProxyId(uuid::Uuid::nil());
        let row = |id, total, phase, owner| Standing {
            gateway: GatewayShard::new(id, total),
            phase,
            up: owner == Some(proxy),
            owner,
        };
        let snapshot = Snapshot {
            proxies: vec![(proxy, false)],
            sets: vec![Set { total: 1, rising: false }, Set { total: 2, rising: true }],
            gateways: vec![
                row(0, 1, Phase::Serving, Some(proxy)),
                row(0, 2, Phase::Held, Some(proxy)),
                row(1, 2, Phase::Held, None),
            ],
        };
        let text = report(&snapshot);
        assert!(text.contains("the set of 1 serves: 1 gateway shards, 1 with their session"), "{text}");
        assert!(
            text.contains("the set of 2 rises: 2 gateway shards, 1 with their session, 2 held back"),
            "{text}"
        );
        assert!(text.contains("holds 2\n") && text.contains("nobody holds 1\n"), "{text}");
    }
}
