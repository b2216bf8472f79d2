use bytes::Bytes;

use super::super::backlog::{Arrival, Backlog};
use super::super::routes::Route;
use super::*;
use helpline_cluster::ids::ServerId;

const SHARD: ShardId = ShardId(3);
const OTHER: ShardId = ShardId(4);

/// Entries as the backlog makes them, with these sequences.
fn entries(sequences: impl IntoIterator<Item = u64>) -> Vec<Entry> {
    let mut backlog = Backlog::new(Bounds::default());
    backlog.start_session("s", 0);
    for sequence in sequences {
        let arrival = Arrival {
            sequence,
            kind: "MESSAGE_CREATE".to_owned(),
            server: Some(ServerId(sequence)),
            received_at_ms: sequence * 1_000,
            payload: Bytes::from_static(b"{}"),
            if_listening: true,
            written: Vec::new(),
            sent_at_ms: None,
        };
        backlog.push(arrival, Some(Route { shard: SHARD, listening: true }));
    }
    backlog.batch(1_000, tokio::time::Instant::now()).into_iter().map(|(_, entry)| entry).collect()
}

fn id(incarnation: u64, seq: u64) -> StreamId {
    StreamId::new(incarnation, seq)
}

/// One entry after the other, with ids from 1.
fn keep(retained: &mut Retained, shard: ShardId, incarnation: u64, sequences: std::ops::Range<u64>) {
    for (seq, entry) in (1..).zip(entries(sequences)) {
        retained.keep(shard, id(incarnation, seq), entry);
    }
}

fn sequences(lost: &Lost) -> Vec<u64> {
    lost.again.iter().map(|entry| entry.sequence).collect()
}

fn retained(entries: usize) -> Retained {
    Retained::new(Bounds { entries, bytes: 1_000_000 })
}

#[test]
fn what_the_durable_cursor_has_passed_is_forgotten_and_the_rest_comes_back_in_order() {
    let mut retained = retained(100);
    keep(&mut retained, SHARD, 5, 11..21);
    assert!(retained.durable(SHARD, id(5, 4)).is_none());
    assert_eq!(retained.len(), 6);
    let lost =
        retained.durable(SHARD, id(6, 0)).expect("a higher incarnation means that the stream was lost");
    assert_eq!(sequences(&lost), (15..21).collect::<Vec<_>>());
    assert_eq!(lost.given_up, None);
    assert_eq!(retained.incarnation(SHARD), Some(6));
    assert!(retained.is_empty() && retained.bytes() == 0);
}

#[test]
fn a_cursor_of_an_earlier_incarnation_passes_nothing() {
    let mut retained = retained(100);
    keep(&mut retained, SHARD, 6, 1..4);
    assert!(retained.durable(SHARD, id(5, 99)).is_none());
    assert_eq!(retained.len(), 3);
}

#[test]
fn the_other_streams_keep_what_they_have() {
    let mut retained = retained(100);
    keep(&mut retained, SHARD, 5, 1..4);
    keep(&mut retained, OTHER, 2, 4..9);
    assert_eq!(sequences(&retained.begun_anew(SHARD, 6)), [1, 2, 3]);
    assert_eq!(retained.len(), 5);
    assert_eq!(sequences(&retained.begun_anew(OTHER, 3)), [4, 5, 6, 7, 8]);
}

#[test]
fn beyond_its_bounds_the_oldest_of_all_streams_go_and_are_counted() {
    let mut retained = retained(4);
    keep(&mut retained, SHARD, 5, 1..3);
    keep(&mut retained, OTHER, 5, 3..7);
    assert_eq!((retained.len(), retained.take_dropped(), retained.take_dropped()), (4, 2, 0));
    let lost = retained.begun_anew(SHARD, 6);
    assert!(lost.again.is_empty());
    let given_up = lost.given_up.expect("two were dropped and not durable");
    assert_eq!((given_up.shard, given_up.entries), (SHARD, 2));
    assert_eq!((given_up.from_ms, given_up.to_ms), (1_000, 2_000));
    assert_eq!(given_up.interactions, 0);
    assert_eq!(retained.begun_anew(OTHER, 6).given_up, None);
}

#[test]
fn what_was_dropped_and_became_durable_is_not_given_up() {
    let mut retained = retained(2);
    keep(&mut retained, SHARD, 5, 1..6);
    retained.durable(SHARD, id(5, 2));
    assert!(retained.begun_anew(SHARD, 6).given_up.is_some(), "the third was dropped and is not durable");
    keep(&mut retained, SHARD, 6, 1..6);
    retained.durable(SHARD, id(6, 3));
    assert_eq!(retained.begun_anew(SHARD, 7).given_up, None);
}

#[test]
fn bytes_are_a_bound_as_well() {
    let one = entries(1..2)[0].bytes();
    let mut retained = Retained::new(Bounds { entries: 100, bytes: 3 * one });
    keep(&mut retained, SHARD, 5, 1..9);
    assert_eq!((retained.len(), retained.bytes()), (3, 3 * one));
    assert_eq!(sequences(&retained.begun_anew(SHARD, 6)), [6, 7, 8]);
}
