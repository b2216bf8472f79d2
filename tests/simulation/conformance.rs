//! What the simulation takes for granted of Postgres, tried on both: the simulated store and a real Postgres driven
//! through `cluster::fence` and the product's own statements. A difference fails here before it could hide a bug there.

use std::future::Future;
use std::pin::Pin;

use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{ServerId, ShardId, StreamId};

/// Each behaviour as a test of either store.
macro_rules! on_both {
    ($($behaviour:ident),+ $(,)?) => {
        mod simulated_store {
            $(#[test]
            fn $behaviour() {
                super::simulated::run(super::$behaviour);
            })+
        }

        mod real_postgres {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(super::postgres::Real::new().await).await;
            })+
        }
    };
}

mod moves;
mod postgres;
mod simulated;

pub const SHARD: ShardId = ShardId(3);
pub const OTHER: ShardId = ShardId(4);
pub const SERVER: ServerId = ServerId(81_384_788_765_712_384);

/// Why a store refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Superseded,
    Elsewhere,
    /// The transaction was ended behind its client's back.
    Gone,
}

/// What the contract is about. Claims are of one worker after another, each of them declared dead before the next.
pub trait Store {
    type Tx;

    /// Claims as the next owner; waits for the transactions of the present one.
    fn claim(&self, shard: ShardId) -> impl Future<Output = Fence>;
    /// False: it was not the shard's fence any more.
    fn release(&self, fence: &Fence) -> impl Future<Output = bool>;
    fn begin(&self, fence: &Fence) -> impl Future<Output = Result<Self::Tx, Refused>>;
    fn lock_server(&self, tx: &mut Self::Tx, server: ServerId) -> impl Future<Output = Result<(), Refused>>;
    fn move_cursor(&self, tx: &mut Self::Tx, to: StreamId) -> impl Future<Output = bool>;
    fn remember(&self, tx: &mut Self::Tx, key: &str) -> impl Future<Output = bool>;
    fn commit(&self, tx: Self::Tx) -> impl Future<Output = Result<(), Refused>>;
    fn rollback(&self, tx: Self::Tx) -> impl Future<Output = ()>;
    fn cursor(&self, shard: ShardId) -> impl Future<Output = StreamId>;
    fn begin_incarnation(&self, shard: ShardId, incarnation: u64) -> impl Future<Output = ()>;
    /// Puts a server on a shard, waiting for those who write its rows.
    fn put_server(&self, server: ServerId, shard: ShardId) -> impl Future<Output = ()>;
    /// Drives the work until it is done (false) or is seen to wait for a lock (true).
    fn waits<F: Future>(&self, work: Pin<&mut F>) -> impl Future<Output = bool>;
}

async fn begun<S: Store>(store: &S) -> Fence {
    store.begin_incarnation(SHARD, 1).await;
    store.put_server(SERVER, SHARD).await;
    store.claim(SHARD).await
}

async fn a_claim_waits_for_the_open_transaction_of_the_owner_and_sees_what_it_wrote<S: Store>(store: S) {
    let old = begun(&store).await;
    let mut tx = store.begin(&old).await.expect("the owner begins");
    assert!(store.move_cursor(&mut tx, StreamId::new(1, 5)).await);
    let mut claim = Box::pin(store.claim(SHARD));
    assert!(
        store.waits(claim.as_mut()).await,
        "the shard was claimed under an open transaction of its owner"
    );
    store.commit(tx).await.expect("the owner commits");
    let new = claim.await;
    assert!(new.epoch > old.epoch && new.claim_token != old.claim_token);
    assert_eq!(store.cursor(SHARD).await, StreamId::new(1, 5));
}

async fn nothing_begins_under_a_superseded_fence<S: Store>(store: S) {
    let old = begun(&store).await;
    let new = store.claim(SHARD).await;
    assert_eq!(store.begin(&old).await.err(), Some(Refused::Superseded));
    let forged = Fence { claim_token: old.claim_token, ..new.clone() };
    assert_eq!(store.begin(&forged).await.err(), Some(Refused::Superseded), "the token is looked at too");
    let tx = store.begin(&new).await.expect("the new owner begins");
    store.commit(tx).await.expect("the new owner commits");
}

async fn two_transactions_of_one_owner_run_side_by_side<S: Store>(store: S) {
    let fence = begun(&store).await;
    let first = store.begin(&fence).await.expect("the first begins");
    let mut second = store.begin(&fence).await.expect("the second begins");
    assert!(store.lock_server(&mut second, SERVER).await.is_ok());
    store.commit(second).await.expect("the second commits");
    store.commit(first).await.expect("the first commits");
}

async fn a_server_that_lives_elsewhere_is_refused_and_the_transaction_goes_on<S: Store>(store: S) {
    let fence = begun(&store).await;
    store.put_server(SERVER, OTHER).await;
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    assert_eq!(store.lock_server(&mut tx, SERVER).await, Err(Refused::Elsewhere));
    assert_eq!(store.lock_server(&mut tx, ServerId(7)).await, Err(Refused::Elsewhere), "nobody knows it");
    assert!(store.move_cursor(&mut tx, StreamId::new(1, 1)).await);
    store.commit(tx).await.expect("the transaction stayed usable");
    assert_eq!(store.cursor(SHARD).await, StreamId::new(1, 1));
}

async fn a_move_waits_for_the_transactions_that_write_the_server<S: Store>(store: S) {
    let fence = begun(&store).await;
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    store.lock_server(&mut tx, SERVER).await.expect("the server is here");
    let mut moving = Box::pin(store.put_server(SERVER, OTHER));
    assert!(store.waits(moving.as_mut()).await, "the server moved under a transaction that writes its rows");
    store.commit(tx).await.expect("the owner commits");
    moving.await;
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    assert_eq!(store.lock_server(&mut tx, SERVER).await, Err(Refused::Elsewhere));
    store.rollback(tx).await;
}

async fn the_cursor_goes_forward_only_and_in_its_incarnation_only<S: Store>(store: S) {
    let fence = begun(&store).await;
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    assert!(store.move_cursor(&mut tx, StreamId::new(1, 5)).await);
    for not in [StreamId::new(1, 5), StreamId::new(1, 4), StreamId::new(2, 9)] {
        assert!(!store.move_cursor(&mut tx, not).await, "the cursor moved to {not}");
    }
    store.commit(tx).await.expect("the owner commits");
    store.begin_incarnation(SHARD, 2).await;
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    assert!(!store.move_cursor(&mut tx, StreamId::new(1, 9)).await, "a given up incarnation went on");
    assert!(store.move_cursor(&mut tx, StreamId::new(2, 1)).await);
    store.commit(tx).await.expect("the owner commits");
    assert_eq!(store.cursor(SHARD).await, StreamId::new(2, 1));
}

async fn what_is_rolled_back_has_not_happened<S: Store>(store: S) {
    let fence = begun(&store).await;
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    assert!(store.move_cursor(&mut tx, StreamId::new(1, 5)).await);
    assert!(store.remember(&mut tx, "message:1").await);
    store.rollback(tx).await;
    assert_eq!(store.cursor(SHARD).await, StreamId::new(1, 0));
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    assert!(store.remember(&mut tx, "message:1").await, "a rolled back key was remembered");
    store.commit(tx).await.expect("the owner commits");
}

async fn an_event_key_is_new_once_in_all_shards<S: Store>(store: S) {
    let fence = begun(&store).await;
    let other = store.claim(OTHER).await;
    let mut tx = store.begin(&fence).await.expect("the owner begins");
    assert!(store.remember(&mut tx, "message:1").await);
    assert!(!store.remember(&mut tx, "message:1").await, "the transaction sees its own keys");
    store.commit(tx).await.expect("the owner commits");
    let mut tx = store.begin(&other).await.expect("the other owner begins");
    assert!(!store.remember(&mut tx, "message:1").await);
    store.rollback(tx).await;
}

async fn a_key_of_an_open_transaction_is_waited_for<S: Store>(store: S) {
    let fence = begun(&store).await;
    let other = store.claim(OTHER).await;
    for first_commits in [true, false] {
        let key = format!("message:{first_commits}");
        let mut first = store.begin(&fence).await.expect("the owner begins");
        assert!(store.remember(&mut first, &key).await);
        let mut second = store.begin(&other).await.expect("the other owner begins");
        let mut asking = Box::pin(store.remember(&mut second, &key));
        assert!(store.waits(asking.as_mut()).await, "the key of an open transaction was not waited for");
        match first_commits {
            true => store.commit(first).await.expect("the first commits"),
            false => store.rollback(first).await,
        }
        assert_eq!(asking.await, !first_commits);
        store.commit(second).await.expect("the second commits");
    }
}

async fn a_release_waits_for_the_owner_and_is_of_its_own_fence_only<S: Store>(store: S) {
    let old = begun(&store).await;
    let tx = store.begin(&old).await.expect("the owner begins");
    let mut releasing = Box::pin(store.release(&old));
    assert!(store.waits(releasing.as_mut()).await, "released under an open transaction");
    store.commit(tx).await.expect("the owner commits");
    assert!(releasing.await);
    assert_eq!(store.begin(&old).await.err(), Some(Refused::Superseded), "a released fence was begun under");
    assert!(!store.release(&old).await, "released twice");
    let new = store.claim(SHARD).await;
    assert!(!store.release(&old).await, "a former owner released the shard of the present one");
    assert!(store.release(&new).await);
}

on_both!(
    a_claim_waits_for_the_open_transaction_of_the_owner_and_sees_what_it_wrote,
    nothing_begins_under_a_superseded_fence,
    two_transactions_of_one_owner_run_side_by_side,
    a_server_that_lives_elsewhere_is_refused_and_the_transaction_goes_on,
    a_move_waits_for_the_transactions_that_write_the_server,
    the_cursor_goes_forward_only_and_in_its_incarnation_only,
    what_is_rolled_back_has_not_happened,
    an_event_key_is_new_once_in_all_shards,
    a_key_of_an_open_transaction_is_waited_for,
    a_release_waits_for_the_owner_and_is_of_its_own_fence_only,
);
