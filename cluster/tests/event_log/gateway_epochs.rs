//! Who of several holders of a gateway shard may publish, also after Redis has lost who it was.

use super::*;

#[tokio::test]
async fn a_wiped_redis_takes_nothing_from_anybody_until_an_epoch_is_raised_again() {
    let log = Log::new().await;
    let next = log.publisher.raise_gateway_epoch(GATEWAY).await.expect("the epoch is raised");
    assert!(next > log.epoch);
    log.redis.wipe();
    for shard in [SHARD, OTHER] {
        log.log.set_incarnation(&owner(shard, 1), 2).await.expect("an incarnation begins");
    }
    // A former holder that has not heard of its end comes first, and does not get back in.
    for epoch in [log.epoch, next] {
        for shard in [SHARD, OTHER] {
            let refused = log.publisher.publish(GATEWAY, epoch, &events(shard, 0..1)).await;
            assert!(matches!(refused, Err(Error::EpochLost(GATEWAY))), "{refused:?}");
        }
    }
    let eras = log.publisher.eras().await.expect("the eras are told");
    let raised = log.publisher.raise_gateway_epoch_to(GATEWAY, next, &eras).await.expect("it answers");
    assert_eq!(raised, Raised::Stands);
    published(&log.publisher.publish(GATEWAY, next, &events(SHARD, 0..1)).await.expect("it goes on")[0]);
    let old = log.publisher.publish(GATEWAY, log.epoch, &events(SHARD, 0..1)).await;
    assert!(matches!(old, Err(Error::Superseded(_))), "{old:?}");
}

#[tokio::test]
async fn an_epoch_is_not_raised_by_who_asked_postgres_before_redis_was_wiped() {
    let log = Log::new().await;
    let eras = log.publisher.eras().await.expect("the eras are told");
    assert_eq!(log.publisher.eras().await.expect("the eras are told"), eras, "it has lost nothing");
    log.redis.wipe();
    log.log.set_incarnation(&owner(SHARD, 1), 2).await.expect("an incarnation begins");
    // Now Postgres may have given it to another, who has been here already and was wiped out.
    let late = log.publisher.raise_gateway_epoch_to(GATEWAY, log.epoch, &eras).await.expect("it answers");
    assert_eq!(late, Raised::EraOver);
    let refused = log.publisher.publish(GATEWAY, log.epoch, &events(SHARD, 0..1)).await;
    assert!(matches!(refused, Err(Error::EpochLost(_))), "{refused:?}");
    let eras = log.publisher.eras().await.expect("the eras are told");
    let now = log.publisher.raise_gateway_epoch_to(GATEWAY, log.epoch, &eras).await.expect("it answers");
    assert_eq!(now, Raised::Stands);
    let below = log.publisher.raise_gateway_epoch_to(GATEWAY, log.epoch - 1, &eras).await;
    assert_eq!(below.expect("it answers"), Raised::Below(log.epoch));
}

#[tokio::test]
async fn an_epoch_that_a_failover_took_back_counts_for_nobody() {
    let log = Log::new().await;
    let key = log.redis.keys.gateway_epoch(Keys::group(SHARD), GATEWAY);
    // As another server has it: a lower one, and one of before.
    for (stands, epoch) in [(5, log.epoch), (log.epoch, log.epoch)] {
        let stands = format!("{stands}@1-abcdef");
        redis::cmd("SET")
            .arg(&key)
            .arg(stands)
            .exec_async(&mut log.redis.connection().await)
            .await
            .expect("set");
        let refused = log.publisher.publish(GATEWAY, epoch, &events(SHARD, 0..1)).await;
        assert!(matches!(refused, Err(Error::EpochLost(_))), "{refused:?}");
        let eras = log.publisher.eras().await.expect("the eras are told");
        let raised = log.publisher.raise_gateway_epoch_to(GATEWAY, epoch, &eras).await.expect("it answers");
        assert_eq!(raised, Raised::Stands);
        published(&log.publish(&events(SHARD, 0..1)).await[0]);
    }
}

#[tokio::test]
async fn two_proxies_that_take_over_at_once_do_not_both_hold_the_gateway_shard() {
    let log = Log::new().await;
    for _ in 0..20 {
        let other = log.publisher.clone();
        let racing = tokio::spawn(async move { other.raise_gateway_epoch(GATEWAY).await });
        let one = log.publisher.raise_gateway_epoch(GATEWAY).await.expect("the epoch is raised");
        let other = racing.await.expect("no panic").expect("the epoch is raised");
        assert_ne!(one, other);
        let loser = log.publisher.publish(GATEWAY, one.min(other), &[event(SHARD, 1), event(OTHER, 1)]).await;
        assert!(matches!(loser, Err(Error::Superseded(_))));
        let winner =
            log.publisher.publish(GATEWAY, one.max(other), &[event(SHARD, 1), event(OTHER, 1)]).await;
        winner.expect("the later one holds it");
    }
}

#[tokio::test]
async fn a_superseded_proxy_publishes_nothing() {
    let log = Log::new().await;
    let next = log.publisher.raise_gateway_epoch(GATEWAY).await.expect("the epoch is raised");
    assert!(next > log.epoch);
    for shard in [SHARD, OTHER] {
        let refused = log.publisher.publish(GATEWAY, log.epoch, &[event(shard, 1)]).await;
        assert!(matches!(refused, Err(Error::Superseded(GATEWAY))), "{refused:?}");
    }
    // Another gateway shard's epoch is another matter.
    let neighbour = GatewayShard::new(1, 2);
    let epoch = log.publisher.raise_gateway_epoch(neighbour).await.expect("the epoch is raised");
    let outcomes = log.publisher.publish(neighbour, epoch, &[event(SHARD, 2)]).await.expect("it publishes");
    assert_eq!(published(&outcomes[0]), StreamId::new(1, 1), "the superseded proxy published something");
    log.publisher.publish(GATEWAY, next, &[event(SHARD, 3)]).await.expect("the new holder publishes");
}
