//! Gateway sessions in real Redis: what the next proxy finds, and who may still change it.

use helpline_cluster::gateway_session::{Error, Session, SessionStore};
use helpline_cluster::ids::GatewayShard;

mod support;

use support::TestRedis;

const GATEWAY: GatewayShard = GatewayShard::new(1, 4);

fn session(id: &str, sequence: u64) -> Session {
    Session {
        session_id: id.to_owned(),
        resume_url: "wss://gateway-us-east1-b.discord.gg".to_owned(),
        sequence,
        user_id: 81_384_788_765_712_385,
        application_id: 81_384_788_765_712_387,
        missed_since_ms: None,
    }
}

async fn store(redis: &TestRedis) -> SessionStore {
    SessionStore::new(&redis.link, redis.keys.clone())
}

fn superseded<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Superseded(GATEWAY)))
}

#[tokio::test]
async fn the_next_proxy_finds_the_session_as_it_was_left() {
    let redis = TestRedis::new();
    let first = store(&redis).await.for_epoch(1);
    assert_eq!(first.load(GATEWAY).await.expect("it loads"), None);
    first.save(GATEWAY, &session("one", 10)).await.expect("it saves");
    assert!(first.save_sequence(GATEWAY, "one", 42).await.expect("it saves"));

    let next = store(&redis).await.for_epoch(2);
    assert_eq!(next.load(GATEWAY).await.expect("it loads"), Some(session("one", 42)));
    assert_eq!(next.load(GatewayShard::new(1, 5)).await.expect("it loads"), None, "another gateway shard's");
    next.forget(GATEWAY).await.expect("it forgets");
    assert_eq!(next.load(GATEWAY).await.expect("it loads"), None);
}

#[tokio::test]
async fn a_sequence_never_goes_back_nor_into_another_session() {
    let redis = TestRedis::new();
    let store = store(&redis).await.for_epoch(1);
    store.save(GATEWAY, &session("one", 10)).await.expect("it saves");
    assert!(store.save_sequence(GATEWAY, "one", 20).await.expect("it saves"));
    assert!(store.save_sequence(GATEWAY, "one", 15).await.expect("a late one is no error"));
    assert!(!store.save_sequence(GATEWAY, "two", 99).await.expect("it answers"));
    assert_eq!(store.load(GATEWAY).await.expect("it loads"), Some(session("one", 20)));
}

#[tokio::test]
async fn a_lost_session_is_noticed_by_whoever_saves_its_sequence() {
    let redis = TestRedis::new();
    let store = store(&redis).await.for_epoch(1);
    store.save(GATEWAY, &session("one", 10)).await.expect("it saves");
    redis.wipe();
    assert!(!store.save_sequence(GATEWAY, "one", 11).await.expect("it answers"));
    assert_eq!(store.load(GATEWAY).await.expect("it loads"), None);
}

#[tokio::test]
async fn a_superseded_proxy_changes_nothing_once_the_next_has_loaded() {
    let redis = TestRedis::new();
    let (old, new) = (store(&redis).await.for_epoch(7), store(&redis).await.for_epoch(8));
    old.save(GATEWAY, &session("one", 10)).await.expect("it saves");
    new.load(GATEWAY).await.expect("it loads");
    assert!(superseded(&old.save_sequence(GATEWAY, "one", 11).await));
    assert!(superseded(&old.save(GATEWAY, &session("old", 1)).await));
    assert!(superseded(&old.forget(GATEWAY).await));
    assert!(superseded(&old.load(GATEWAY).await));
    new.forget(GATEWAY).await.expect("it forgets");
    assert!(
        superseded(&old.save(GATEWAY, &session("old", 1)).await),
        "forgetting let the old proxy in again"
    );
    new.save(GATEWAY, &session("two", 3)).await.expect("it saves");
    assert_eq!(new.load(GATEWAY).await.expect("it loads"), Some(session("two", 3)));
}
