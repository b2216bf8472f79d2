//! Servers that move, tried on both stores: what the statements of a move answer, what they wait for, and what
//! `cluster::consumer` makes of it. For the real Postgres they are the worker's own files of SQL and `worker::moving`.

use std::collections::BTreeSet;

use bytes::Bytes;
use helpline_cluster::consumer::{HeldStep, Item, State, Step};
use helpline_cluster::event_log::Entry;
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{MoveId, ServerId, ShardId, StreamId};

use super::{OTHER, Refused, SERVER, SHARD, Store, begun, postgres, simulated};

/// A third shard.
pub const THIRD: ShardId = ShardId(5);
/// A second server.
pub const NEIGHBOUR: ServerId = ServerId(81_384_788_765_712_385);

/// What the contract is about. Transactions are of one shard's owner; so is what they ask for.
pub trait Moves: Store {
    /// None: the server has an open move, or lives there already.
    fn plan_move(&self, server: ServerId, to: ShardId) -> impl Future<Output = Option<MoveId>>;
    /// How far a move has come.
    fn state(&self, id: MoveId) -> impl Future<Output = State>;
    /// What the owner does with an entry.
    fn step(&self, tx: &mut Self::Tx, server: ServerId, item: Item) -> impl Future<Output = Step>;
    /// What the owner does with what is held of a server.
    fn held_step(&self, tx: &mut Self::Tx, server: ServerId) -> impl Future<Output = HeldStep>;
    /// False: it does not live here, or is not on its way there.
    fn leave(&self, tx: &mut Self::Tx, server: ServerId, to: ShardId) -> impl Future<Output = bool>;
    fn hold(
        &self,
        tx: &mut Self::Tx,
        server: ServerId,
        shard: ShardId,
        event: u64,
    ) -> impl Future<Output = ()>;
    /// The events that wait for the owner's shard, in order.
    fn next_held(&self, tx: &mut Self::Tx, server: ServerId) -> impl Future<Output = Vec<u64>>;
    /// Those of [`Moves::next_held`] are applied.
    fn forget_held(&self, tx: &mut Self::Tx, server: ServerId) -> impl Future<Output = ()>;
    fn pass_on(&self, tx: &mut Self::Tx, server: ServerId, to: ShardId) -> impl Future<Output = ()>;
    fn finish(&self, tx: &mut Self::Tx, server: ServerId, moved_in: &[MoveId]) -> impl Future<Output = ()>;
    fn arrivals(&self, shard: ShardId) -> impl Future<Output = BTreeSet<ServerId>>;
    /// The servers whose channels are read for a gap of the shard's stream, or of all streams.
    fn read_for_gap(&self, shard: Option<ShardId>) -> impl Future<Output = BTreeSet<ServerId>>;
}

/// The entry of an event, whose origin tells it.
pub fn entry(server: ServerId, event: u64) -> Entry {
    Entry {
        id: StreamId::new(1, event),
        origin: format!("session:{event}"),
        kind: "MESSAGE_CREATE".to_owned(),
        server: Some(server),
        received_at_ms: 0,
        payload: Bytes::from(crate::discord::payload(event, 5)),
    }
}

/// The event of [`entry`].
pub fn event(origin: &str) -> u64 {
    origin.rsplit_once(':').and_then(|(_, event)| event.parse().ok()).expect("an origin of ours")
}

/// The server lives on SHARD and is to move to OTHER; and the fences of both.
async fn planned<S: Moves>(store: &S) -> (MoveId, Fence, Fence) {
    let old = begun(store).await;
    let new = store.claim(OTHER).await;
    let id = store.plan_move(SERVER, OTHER).await.expect("it may be planned");
    (id, old, new)
}

async fn tx<S: Store>(store: &S, fence: &Fence) -> S::Tx {
    store.begin(fence).await.expect("the owner begins")
}

async fn committed<S: Store>(store: &S, tx: S::Tx) {
    store.commit(tx).await.expect("the owner commits");
}

/// What the owner would do with an entry now.
async fn step<S: Moves>(store: &S, fence: &Fence, item: Item) -> Step {
    let mut open = tx(store, fence).await;
    let step = store.step(&mut open, SERVER, item).await;
    store.rollback(open).await;
    step
}

async fn held<S: Moves>(store: &S, fence: &Fence) -> Vec<u64> {
    let mut open = tx(store, fence).await;
    let held = store.next_held(&mut open, SERVER).await;
    store.rollback(open).await;
    held
}

async fn hold<S: Moves>(store: &S, fence: &Fence, shard: ShardId, events: &[u64]) {
    let mut open = tx(store, fence).await;
    for event in events {
        store.hold(&mut open, SERVER, shard, *event).await;
    }
    committed(store, open).await;
}

async fn left<S: Moves>(store: &S, old: &Fence) {
    let mut open = tx(store, old).await;
    assert!(store.leave(&mut open, SERVER, OTHER).await, "the server does not leave");
    committed(store, open).await;
}

async fn a_server_has_one_open_move_and_none_to_where_it_lives<S: Moves>(store: S) {
    begun(&store).await;
    assert_eq!(store.plan_move(SERVER, SHARD).await, None, "it lives there");
    assert_eq!(store.plan_move(ServerId(7), OTHER).await, None, "nobody knows it");
    let id = store.plan_move(SERVER, OTHER).await.expect("it may be planned");
    assert_eq!(store.plan_move(SERVER, OTHER).await, None);
    assert_eq!(store.plan_move(SERVER, THIRD).await, None);
    assert_eq!(store.state(id).await, State::Planned);
}

async fn a_server_leaves_by_the_marker_and_lives_on_its_new_shard_from_the_commit_on<S: Moves>(store: S) {
    let (id, old, new) = planned(&store).await;
    assert_eq!(step(&store, &old, Item::Event).await, Step::Apply, "the old shard goes on");
    assert_eq!(step(&store, &new, Item::Event).await, Step::Hold, "it came early");
    assert_eq!(step(&store, &old, Item::MovedOut(id)).await, Step::Leave { to: OTHER });
    let mut leaving = tx(&store, &old).await;
    assert!(store.leave(&mut leaving, SERVER, OTHER).await);
    assert_eq!(step(&store, &new, Item::Event).await, Step::Hold, "it has not committed");
    committed(&store, leaving).await;
    assert_eq!(store.state(id).await, State::Left);
    assert_eq!(step(&store, &old, Item::Event).await, Step::HandOn(OTHER), "it came late");
    assert_eq!(step(&store, &old, Item::MovedOut(id)).await, Step::Ignore, "it has had its effect");
    assert_eq!(step(&store, &new, Item::Event).await, Step::Apply);
    assert_eq!(store.arrivals(OTHER).await, [SERVER].into());
    assert_eq!(store.arrivals(SHARD).await, [].into());
}

async fn what_left_and_was_rolled_back_is_still_there<S: Moves>(store: S) {
    let (id, old, new) = planned(&store).await;
    let mut leaving = tx(&store, &old).await;
    assert!(store.leave(&mut leaving, SERVER, OTHER).await);
    store.rollback(leaving).await;
    assert_eq!(store.state(id).await, State::Planned);
    assert_eq!(step(&store, &old, Item::Event).await, Step::Apply);
    assert_eq!(step(&store, &new, Item::Event).await, Step::Hold);
}

async fn a_server_leaves_once_and_only_as_planned<S: Moves>(store: S) {
    let (_, old, new) = planned(&store).await;
    let mut open = tx(&store, &new).await;
    assert!(!store.leave(&mut open, SERVER, THIRD).await, "it left from where it does not live");
    store.rollback(open).await;
    left(&store, &old).await;
    let mut open = tx(&store, &old).await;
    assert!(!store.leave(&mut open, SERVER, OTHER).await, "it left twice");
    store.rollback(open).await;
}

async fn leaving_waits_for_who_writes_the_server_and_not_for_who_only_looks_at_it_from_elsewhere<S: Moves>(
    store: S,
) {
    let (_, old, new) = planned(&store).await;
    let mut writing = tx(&store, &old).await;
    assert_eq!(store.step(&mut writing, SERVER, Item::Event).await, Step::Apply);
    let mut looking = tx(&store, &new).await;
    assert_eq!(store.step(&mut looking, SERVER, Item::Event).await, Step::Hold);
    let mut leaving = tx(&store, &old).await;
    let mut leave = Box::pin(store.leave(&mut leaving, SERVER, OTHER));
    assert!(store.waits(leave.as_mut()).await, "it left under a transaction that writes its rows");
    committed(&store, writing).await;
    assert!(leave.await);
    committed(&store, leaving).await;
    // What was looked at before it left is held all the same, and what follows goes behind it.
    store.hold(&mut looking, SERVER, OTHER, 1).await;
    assert_eq!(store.step(&mut looking, SERVER, Item::Event).await, Step::Hold);
    committed(&store, looking).await;
    assert_eq!(held(&store, &new).await, [1]);
}

async fn who_waited_for_a_server_that_left_meanwhile_finds_it_elsewhere<S: Moves>(store: S) {
    let (_, old, _) = planned(&store).await;
    let mut leaving = tx(&store, &old).await;
    assert!(store.leave(&mut leaving, SERVER, OTHER).await);
    let mut late = tx(&store, &old).await;
    let mut asking = Box::pin(store.step(&mut late, SERVER, Item::Event));
    assert!(store.waits(asking.as_mut()).await, "the server was seen while it leaves");
    committed(&store, leaving).await;
    assert_eq!(asking.await, Step::HandOn(OTHER));
    assert_eq!(store.lock_server(&mut late, SERVER).await, Err(Refused::Elsewhere));
    store.rollback(late).await;
}

async fn what_is_held_waits_in_its_order_and_a_replay_takes_no_second_place<S: Moves>(store: S) {
    let (_, _, new) = planned(&store).await;
    hold(&store, &new, OTHER, &[5, 6]).await;
    hold(&store, &new, OTHER, &[6, 5, 7]).await;
    assert_eq!(held(&store, &new).await, [5, 6, 7]);
    let mut open = tx(&store, &new).await;
    store.hold(&mut open, SERVER, OTHER, 8).await;
    assert_eq!(store.next_held(&mut open, SERVER).await, [5, 6, 7, 8], "it sees what it holds itself");
    store.hold(&mut open, SERVER, OTHER, 8).await;
    assert_eq!(held(&store, &new).await, [5, 6, 7], "it has not committed");
    store.rollback(open).await;
    assert_eq!(held(&store, &new).await, [5, 6, 7]);
    assert_eq!(store.arrivals(OTHER).await, [SERVER].into());
    let mut open = tx(&store, &new).await;
    assert_eq!(store.next_held(&mut open, NEIGHBOUR).await, [0; 0], "of another server");
    store.rollback(open).await;
}

async fn what_is_held_waits_for_the_server_and_goes_before_what_comes_then<S: Moves>(store: S) {
    let (_, old, new) = planned(&store).await;
    hold(&store, &new, OTHER, &[5]).await;
    let mut open = tx(&store, &new).await;
    assert_eq!(store.held_step(&mut open, SERVER).await, HeldStep::Wait);
    store.rollback(open).await;
    left(&store, &old).await;
    assert_eq!(step(&store, &new, Item::Event).await, Step::Hold, "before it is what is held");
    let mut open = tx(&store, &new).await;
    assert_eq!(store.held_step(&mut open, SERVER).await, HeldStep::Apply);
    store.forget_held(&mut open, SERVER).await;
    assert_eq!(store.step(&mut open, SERVER, Item::Event).await, Step::Apply, "it sees that itself");
    committed(&store, open).await;
    assert_eq!(step(&store, &new, Item::Event).await, Step::Apply);
}

async fn what_is_handed_on_while_others_are_applied_stays<S: Moves>(store: S) {
    let (_, old, new) = planned(&store).await;
    hold(&store, &new, OTHER, &[5]).await;
    left(&store, &old).await;
    let mut applying = tx(&store, &new).await;
    store.forget_held(&mut applying, SERVER).await;
    hold(&store, &old, OTHER, &[6]).await;
    committed(&store, applying).await;
    assert_eq!(held(&store, &new).await, [6]);
}

async fn what_is_passed_on_waits_behind_what_waits_there_and_once<S: Moves>(store: S) {
    let (_, old, new) = planned(&store).await;
    let third = store.claim(THIRD).await;
    hold(&store, &new, OTHER, &[5, 6, 7]).await;
    hold(&store, &third, THIRD, &[1, 6]).await;
    left(&store, &old).await;
    store.put_server(SERVER, THIRD).await;
    let mut open = tx(&store, &new).await;
    assert_eq!(store.held_step(&mut open, SERVER).await, HeldStep::PassOn(THIRD));
    store.pass_on(&mut open, SERVER, THIRD).await;
    committed(&store, open).await;
    assert_eq!(held(&store, &new).await, [0; 0]);
    assert_eq!(held(&store, &third).await, [1, 6, 5, 7]);
}

async fn held_events_go_before_a_server_leaves_again<S: Moves>(store: S) {
    let (id, old, new) = planned(&store).await;
    hold(&store, &new, OTHER, &[5]).await;
    left(&store, &old).await;
    let mut open = tx(&store, &new).await;
    store.forget_held(&mut open, SERVER).await;
    store.finish(&mut open, SERVER, &[id]).await;
    committed(&store, open).await;
    hold(&store, &new, OTHER, &[6]).await;
    let back = store.plan_move(SERVER, SHARD).await.expect("the move before it is done");
    assert_eq!(step(&store, &new, Item::MovedOut(back)).await, Step::HeldFirst);
    let mut open = tx(&store, &new).await;
    store.forget_held(&mut open, SERVER).await;
    assert_eq!(
        store.step(&mut open, SERVER, Item::MovedOut(back)).await,
        Step::Leave { to: SHARD },
        "it sees that itself"
    );
    store.rollback(open).await;
}

async fn a_move_is_done_when_the_server_has_left_moved_in_was_seen_and_nothing_is_held<S: Moves>(store: S) {
    let (id, old, new) = planned(&store).await;
    let finish = async |moved_in: &[MoveId]| {
        let mut open = tx(&store, &new).await;
        store.finish(&mut open, SERVER, moved_in).await;
        committed(&store, open).await;
        store.state(id).await
    };
    assert_eq!(step(&store, &new, Item::MovedIn(id)).await, Step::Arrive);
    assert_eq!(finish(&[id]).await, State::Planned, "it has not left");
    hold(&store, &new, OTHER, &[5]).await;
    left(&store, &old).await;
    assert_eq!(finish(&[id]).await, State::Left, "something is held");
    let mut open = tx(&store, &new).await;
    store.forget_held(&mut open, SERVER).await;
    committed(&store, open).await;
    assert_eq!(finish(&[]).await, State::Left, "moved in was not seen");
    assert_eq!(finish(&[MoveId(id.0 + 9)]).await, State::Left, "that of another move");
    let mut open = tx(&store, &old).await;
    store.finish(&mut open, SERVER, &[id]).await;
    committed(&store, open).await;
    assert_eq!(store.state(id).await, State::Left, "the old shard does not end it");
    assert_eq!(finish(&[id]).await, State::Done);
    assert_eq!(step(&store, &new, Item::MovedIn(id)).await, Step::Ignore, "it is over");
    assert_eq!(store.arrivals(OTHER).await, [].into());
}

async fn the_last_held_event_and_the_end_of_its_move_are_one_transaction<S: Moves>(store: S) {
    let (id, old, new) = planned(&store).await;
    hold(&store, &new, OTHER, &[5]).await;
    left(&store, &old).await;
    let mut open = tx(&store, &new).await;
    store.forget_held(&mut open, SERVER).await;
    store.finish(&mut open, SERVER, &[id]).await;
    assert_eq!(store.state(id).await, State::Left);
    store.rollback(open).await;
    assert_eq!((store.state(id).await, held(&store, &new).await), (State::Left, vec![5]));
    let mut open = tx(&store, &new).await;
    store.forget_held(&mut open, SERVER).await;
    store.finish(&mut open, SERVER, &[id]).await;
    committed(&store, open).await;
    assert_eq!((store.state(id).await, held(&store, &new).await), (State::Done, vec![]));
}

async fn markers_of_other_shards_and_of_moves_that_are_over_mean_nothing<S: Moves>(store: S) {
    let (id, old, new) = planned(&store).await;
    let unknown = MoveId(id.0 + 9);
    for fence in [&old, &new] {
        for item in [Item::MovedOut(unknown), Item::MovedIn(unknown)] {
            assert_eq!(step(&store, fence, item).await, Step::Ignore);
        }
    }
    assert_eq!(step(&store, &new, Item::MovedOut(id)).await, Step::Ignore);
    assert_eq!(step(&store, &old, Item::MovedIn(id)).await, Step::Ignore);
}

async fn what_a_shard_missed_is_read_of_servers_that_come_and_of_those_that_have_left<S: Moves>(store: S) {
    let (id, old, new) = planned(&store).await;
    store.put_server(NEIGHBOUR, THIRD).await;
    assert_eq!(store.read_for_gap(None).await, [SERVER, NEIGHBOUR].into());
    for shard in [SHARD, OTHER] {
        assert_eq!(store.read_for_gap(Some(shard)).await, [SERVER].into(), "on its way");
    }
    left(&store, &old).await;
    let mut open = tx(&store, &new).await;
    store.finish(&mut open, SERVER, &[id]).await;
    committed(&store, open).await;
    assert_eq!(store.state(id).await, State::Done);
    assert_eq!(store.read_for_gap(Some(SHARD)).await, [SERVER].into(), "it has just left");
    assert_eq!(store.read_for_gap(Some(OTHER)).await, [SERVER].into());
    assert_eq!(store.read_for_gap(Some(THIRD)).await, [NEIGHBOUR].into());
}

async fn nothing_is_done_with_what_nobody_knows<S: Moves>(store: S) {
    let fence = begun(&store).await;
    let mut open = tx(&store, &fence).await;
    assert_eq!(store.step(&mut open, ServerId(7), Item::Event).await, Step::Refuse);
    assert_eq!(store.held_step(&mut open, ServerId(7)).await, HeldStep::Refuse);
    store.rollback(open).await;
}

on_both!(
    a_server_has_one_open_move_and_none_to_where_it_lives,
    a_server_leaves_by_the_marker_and_lives_on_its_new_shard_from_the_commit_on,
    what_left_and_was_rolled_back_is_still_there,
    a_server_leaves_once_and_only_as_planned,
    leaving_waits_for_who_writes_the_server_and_not_for_who_only_looks_at_it_from_elsewhere,
    who_waited_for_a_server_that_left_meanwhile_finds_it_elsewhere,
    what_is_held_waits_in_its_order_and_a_replay_takes_no_second_place,
    what_is_held_waits_for_the_server_and_goes_before_what_comes_then,
    what_is_handed_on_while_others_are_applied_stays,
    what_is_passed_on_waits_behind_what_waits_there_and_once,
    held_events_go_before_a_server_leaves_again,
    a_move_is_done_when_the_server_has_left_moved_in_was_seen_and_nothing_is_held,
    the_last_held_event_and_the_end_of_its_move_are_one_transaction,
    markers_of_other_shards_and_of_moves_that_are_over_mean_nothing,
    nothing_is_done_with_what_nobody_knows,
    what_a_shard_missed_is_read_of_servers_that_come_and_of_those_that_have_left,
);
