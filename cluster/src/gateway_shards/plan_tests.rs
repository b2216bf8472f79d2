//! Properties of the plan of gateway shards.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn proxy(n: u32) -> ProxyId {
    ProxyId(Uuid::from_u128(u128::from(n)))
}

/// Gateway shards of two sets, with owners of whom some are not among the living (numbers 0 to 7).
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let owners = |total: u32| {
        prop::collection::vec((prop::option::of(0..12_u32), prop::bool::weighted(0.1)), total as usize)
    };
    let set = move |total: u32| {
        owners(total).prop_map(move |owners| {
            let row = |(id, (owner, closing)): (u32, (Option<u32>, bool))| Row {
                gateway: GatewayShard::new(id, total),
                owner: owner.map(proxy),
                closing,
            };
            (0..total).zip(owners).map(row).collect::<Vec<_>>()
        })
    };
    (1..40_u32).prop_flat_map(move |total| {
        (set(total), set(total * 2)).prop_map(|(mut one, two)| {
            one.extend(two);
            one
        })
    })
}

fn living(count: u32) -> Vec<ProxyId> {
    (0..count).map(proxy).collect()
}

fn carried_out(rows: &[Row], plan: &BTreeMap<GatewayShard, ProxyId>) -> Vec<Row> {
    rows.iter().map(|row| Row { owner: plan.get(&row.gateway).copied(), ..*row }).collect()
}

fn counts(proxies: &[ProxyId], rows: &[Row], total: u32) -> Vec<usize> {
    let open = |row: &&Row| row.gateway.total == total && !row.closing;
    let of = |proxy: &ProxyId| rows.iter().filter(open).filter(|row| row.owner == Some(*proxy)).count();
    proxies.iter().map(of).collect()
}

proptest! {
    #[test]
    fn every_gateway_shard_gets_a_living_proxy_and_shares_differ_by_one(rows in rows(), count in 1..8_u32) {
        let proxies = living(count);
        let plan = plan(&proxies, &rows);
        prop_assert_eq!(plan.len(), rows.len());
        prop_assert!(plan.values().all(|proxy| proxies.contains(proxy)));
        let after = carried_out(&rows, &plan);
        for total in rows.iter().map(|row| row.gateway.total).collect::<BTreeSet<_>>() {
            let counts = counts(&proxies, &after, total);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{counts:?}");
        }
    }

    #[test]
    fn nothing_moves_that_does_not_have_to(rows in rows(), count in 1..8_u32) {
        let proxies = living(count);
        let plan = plan(&proxies, &rows);
        for total in rows.iter().map(|row| row.gateway.total).collect::<BTreeSet<_>>() {
            let open: Vec<&Row> = rows.iter().filter(|row| row.gateway.total == total && !row.closing).collect();
            let share = open.len() / proxies.len();
            let more = open.len() % proxies.len();
            // The least that has to leave living proxies: what exceeds the best choice of shares.
            let mut held = counts(&proxies, &rows, total);
            held.sort_unstable_by(|a, b| b.cmp(a));
            let least: usize = held
                .iter()
                .enumerate()
                .map(|(place, held)| held.saturating_sub(share + usize::from(place < more)))
                .sum();
            let moved = open.iter().filter(|row| {
                row.owner.is_some_and(|owner| proxies.contains(&owner) && plan[&row.gateway] != owner)
            });
            prop_assert_eq!(moved.count(), least);
        }
        for row in rows.iter().filter(|row| row.closing) {
            if let Some(owner) = row.owner.filter(|owner| proxies.contains(owner)) {
                prop_assert_eq!(plan[&row.gateway], owner, "what closes stays where it is");
            }
        }
    }

    #[test]
    fn a_plan_carried_out_gives_itself_again_whatever_the_order(rows in rows(), count in 1..8_u32) {
        let proxies = living(count);
        let first = plan(&proxies, &rows);
        let mut turned: Vec<Row> = rows.clone();
        turned.reverse();
        let backwards: Vec<ProxyId> = proxies.iter().rev().copied().collect();
        prop_assert_eq!(&first, &plan(&backwards, &turned));
        prop_assert_eq!(&first, &plan(&proxies, &carried_out(&rows, &first)));
    }

    #[test]
    fn when_a_proxy_dies_the_others_keep_what_they_have(total in 1..60_u32, count in 2..8_u32, dead in 0..8_u32) {
        let proxies = living(count);
        let rows: Vec<Row> = (0..total)
            .map(|id| Row { gateway: GatewayShard::new(id, total), owner: None, closing: false })
            .collect();
        let before = carried_out(&rows, &plan(&proxies, &rows));
        let left: Vec<ProxyId> = proxies.iter().copied().filter(|proxy| proxy.0.as_u128() != u128::from(dead)).collect();
        let after = plan(&left, &before);
        for row in &before {
            let owner = row.owner.expect("planned");
            prop_assert!(!left.contains(&owner) || after[&row.gateway] == owner);
        }
    }
}

#[test]
fn without_a_proxy_nobody_holds_anything() {
    let row = Row { gateway: GatewayShard::new(0, 1), owner: None, closing: false };
    assert!(plan(&[], &[row]).is_empty());
}
