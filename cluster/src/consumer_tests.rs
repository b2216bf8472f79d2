#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const A: ShardId = ShardId(1);
const B: ShardId = ShardId(2);
const C: ShardId = ShardId(3);
const M: MoveId = MoveId(70);
const OLDER: MoveId = MoveId(69);

fn moving(state: State) -> Option<Move> {
    Some(Move { id: M, server: ServerId(9), from: A, to: B, state })
}

fn place(lives_on: ShardId, moving: Option<Move>, waiting: bool) -> Place {
    Place { lives_on: Some(lives_on), moving, waiting }
}

#[test]
fn an_event_is_applied_where_its_server_lives_and_nowhere_else() {
    assert_eq!(step(A, Item::Event, &place(A, None, false)), Step::Apply);
    assert_eq!(step(C, Item::Event, &place(A, None, false)), Step::HandOn(A));
    // On its way out the old shard goes on until the marker.
    assert_eq!(step(A, Item::Event, &place(A, moving(State::Planned), false)), Step::Apply);
    assert_eq!(step(A, Item::Event, &place(B, moving(State::Left), false)), Step::HandOn(B));
    let nowhere = Place { lives_on: None, moving: None, waiting: false };
    assert_eq!(step(A, Item::Event, &nowhere), Step::Refuse);
}

#[test]
fn the_new_shard_holds_events_until_the_server_has_left_the_old_one_and_those_behind_held_ones() {
    assert_eq!(step(B, Item::Event, &place(A, moving(State::Planned), false)), Step::Hold);
    assert_eq!(held_step(B, &place(A, moving(State::Planned), true)), HeldStep::Wait);
    assert_eq!(step(B, Item::Event, &place(B, moving(State::Left), true)), Step::Hold);
    assert_eq!(held_step(B, &place(B, moving(State::Left), true)), HeldStep::Apply);
    assert_eq!(step(B, Item::Event, &place(B, moving(State::Left), false)), Step::Apply);
}

#[test]
fn a_server_leaves_once_by_the_marker_of_its_open_move_after_what_is_held_of_it() {
    let out = Item::MovedOut(M);
    assert_eq!(step(A, out, &place(A, moving(State::Planned), false)), Step::Leave { to: B });
    assert_eq!(step(A, out, &place(A, moving(State::Planned), true)), Step::HeldFirst);
    assert_eq!(step(A, out, &place(B, moving(State::Left), false)), Step::Ignore);
    assert_eq!(step(A, out, &place(B, None, false)), Step::Ignore);
    assert_eq!(step(B, out, &place(A, moving(State::Planned), false)), Step::Ignore, "not from here");
    let older = Item::MovedOut(OLDER);
    assert_eq!(
        step(A, older, &place(A, moving(State::Planned), false)),
        Step::Ignore,
        "another move's marker"
    );
}

#[test]
fn moved_in_is_acknowledged_by_the_new_shard_alone_and_early_too() {
    for state in [State::Planned, State::Left] {
        assert_eq!(step(B, Item::MovedIn(M), &place(A, moving(state), false)), Step::Arrive);
        assert_eq!(step(A, Item::MovedIn(M), &place(A, moving(state), false)), Step::Ignore);
        assert_eq!(step(B, Item::MovedIn(OLDER), &place(A, moving(state), false)), Step::Ignore);
    }
    let left = moving(State::Left).unwrap();
    assert!(is_done(&left, true, false));
    assert!(!is_done(&left, false, false) && !is_done(&left, true, true));
    assert!(!is_done(&moving(State::Planned).unwrap(), true, false));
}

#[test]
fn what_is_held_for_a_shard_that_the_server_has_left_is_passed_on() {
    assert_eq!(held_step(C, &place(A, moving(State::Planned), true)), HeldStep::PassOn(A));
    assert_eq!(held_step(C, &place(B, moving(State::Left), true)), HeldStep::PassOn(B));
    assert_eq!(held_step(A, &Place { lives_on: None, moving: None, waiting: true }), HeldStep::Refuse);
}

#[test]
fn markers_survive_their_text_form_and_a_broken_one_is_told_apart_from_an_event() {
    let payload = Item::payload(MoveId(u64::MAX));
    assert_eq!(Item::read(MOVED_OUT, payload.as_bytes()), Ok(Item::MovedOut(MoveId(u64::MAX))));
    assert_eq!(Item::read(MOVED_IN, payload.as_bytes()), Ok(Item::MovedIn(MoveId(u64::MAX))));
    assert_eq!(Item::read("MESSAGE_CREATE", b"{}"), Ok(Item::Event));
    for broken in [&b"7"[..], b"\"\"", b"\"x\"", b"\xff"] {
        assert_eq!(Item::read(MOVED_OUT, broken), Err(BadMarker));
    }
}

#[test]
fn the_log_is_trimmed_below_the_durable_cursor_of_a_minute_ago_alone() {
    let mut durable = DurableCursor::default();
    let id = |seq| StreamId::new(1, seq);
    for second in 0..=90 {
        durable.committed(Duration::from_secs(second), id(second));
        // Within the second nothing more is remembered.
        durable.committed(Duration::from_millis(second * 1_000 + 500), id(1_000 + second));
    }
    assert_eq!(durable.trim_below(Duration::from_secs(59)), None);
    assert_eq!(durable.trim_below(Duration::from_secs(90)), Some(id(30)));
    assert_eq!(durable.trim_below(Duration::from_secs(90)), None, "nothing new");
    durable.forget();
    assert_eq!(durable.trim_below(Duration::from_secs(900)), None, "ids of a lost log are not trimmed by");
}
