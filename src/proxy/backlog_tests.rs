use std::collections::HashSet;

use helpline_cluster::ids::MoveId;

use super::*;
use crate::discord::MessageId;
use crate::proxy::gaps::Cause;
use crate::proxy::markers::OpenMove;

const LISTENING: Option<Route> = Some(Route { shard: ShardId(3), listening: true });
const OTHER: Option<Route> = Some(Route { shard: ShardId(4), listening: true });
const DEAF: Option<Route> = Some(Route { shard: ShardId(3), listening: false });

fn backlog(entries: usize) -> Backlog {
    let mut backlog = Backlog::new(Bounds { entries, bytes: 1_000_000 });
    backlog.start_session("s", 1);
    backlog
}

fn arrival(sequence: u64) -> Arrival {
    Arrival {
        sequence,
        kind: "MESSAGE_CREATE".to_owned(),
        server: Some(ServerId(42)),
        received_at_ms: 5,
        payload: Bytes::from_static(b"{}"),
        if_listening: true,
        written: Vec::new(),
        sent_at_ms: None,
    }
}

fn settle(backlog: &mut Backlog, outcome: impl Fn(ShardId) -> Outcome) -> Vec<u64> {
    let now = Instant::now();
    let batch = backlog.batch(100, now);
    let outcomes: Vec<_> = batch.iter().map(|(shard, _)| outcome(*shard)).collect();
    backlog.settle(&batch, &outcomes, now);
    batch.iter().map(|(_, entry)| entry.sequence).collect()
}

/// Every server lives on shard 3 and listens.
fn reroute(backlog: &mut Backlog) {
    assert_eq!(backlog.reroute(Instant::now(), |_| LISTENING), 0);
}

#[test]
fn the_sequence_is_safe_only_below_what_still_waits() {
    let mut backlog = backlog(100);
    assert_eq!(backlog.push(arrival(2), LISTENING), Taken::Queued);
    assert_eq!(backlog.push(arrival(3), OTHER), Taken::Queued);
    backlog.skip(4);
    assert_eq!(backlog.safe_sequence(), 1);
    settle(&mut backlog, |shard| if shard.0 == 4 { Outcome::Published } else { Outcome::Refused });
    assert_eq!(backlog.safe_sequence(), 1, "2 is not in its stream");
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    backlog.settle(&batch, &[Outcome::Published], now);
    assert_eq!(backlog.safe_sequence(), 4);
    assert!(backlog.is_empty() && backlog.bytes() == 0);
}

#[test]
fn a_refused_stream_waits_in_order_while_the_others_go_on() {
    let mut backlog = backlog(100);
    for sequence in 2..6 {
        backlog.push(arrival(sequence), if sequence % 2 == 0 { LISTENING } else { OTHER });
    }
    settle(&mut backlog, |shard| if shard.0 == 3 { Outcome::Refused } else { Outcome::Published });
    backlog.push(arrival(6), LISTENING);
    backlog.push(arrival(7), OTHER);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [7]);
    let now = Instant::now() + RETRY_AFTER;
    let probe = backlog.batch(100, now);
    assert_eq!(probe.iter().map(|(_, entry)| entry.sequence).collect::<Vec<_>>(), [2]);
    backlog.settle(&probe, &[Outcome::Published], now);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [4, 6]);
}

#[test]
fn a_full_backlog_refuses_and_does_not_move_the_sequence() {
    let mut backlog = backlog(4);
    for sequence in 2..6 {
        assert_eq!(backlog.push(arrival(sequence), LISTENING), Taken::Queued);
    }
    assert_eq!(backlog.push(arrival(6), LISTENING), Taken::Full);
    assert_eq!(backlog.taken_sequence(), 5);
    assert!(!backlog.is_half_empty());
    settle(&mut backlog, |_| Outcome::Published);
    assert!(backlog.is_half_empty());
    assert_eq!(backlog.push(arrival(6), LISTENING), Taken::Queued);
}

#[test]
fn events_of_an_unknown_server_wait_for_its_shard_and_keep_their_order() {
    let mut backlog = backlog(100);
    backlog.push(arrival(2), None);
    backlog.push(Arrival { if_listening: false, ..arrival(3) }, None);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), Vec::<u64>::new());
    assert_eq!(backlog.safe_sequence(), 1);
    assert_eq!(backlog.reroute(Instant::now(), |_| DEAF), 1, "the message is not wanted");
    backlog.push(Arrival { if_listening: false, ..arrival(4) }, DEAF);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [3, 4]);
    assert_eq!(backlog.safe_sequence(), 4);
}

#[test]
fn what_was_taken_is_not_taken_again_and_what_is_not_wanted_passes_the_sequence() {
    let mut backlog = backlog(100);
    backlog.push(arrival(2), LISTENING);
    assert_eq!(backlog.push(arrival(2), LISTENING), Taken::Repeated);
    assert_eq!(backlog.push(arrival(3), DEAF), Taken::NotListening);
    settle(&mut backlog, |_| Outcome::Published);
    assert_eq!(backlog.safe_sequence(), 3);
}

#[test]
fn entries_of_a_former_session_are_still_published_and_do_not_move_the_new_sequence() {
    let mut backlog = backlog(100);
    backlog.push(arrival(9), LISTENING);
    backlog.start_session("t", 1);
    assert_eq!(backlog.safe_sequence(), 1);
    backlog.push(arrival(2), LISTENING);
    let now = Instant::now();
    let batch = backlog.batch(1, now);
    assert_eq!(batch[0].1.origin, "s:9");
    backlog.settle(&batch, &[Outcome::Published], now);
    assert_eq!(backlog.safe_sequence(), 1);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [2]);
    assert_eq!(backlog.safe_sequence(), 2);
}

#[test]
fn a_lane_that_fills_the_batch_does_not_starve_the_next() {
    let mut backlog = backlog(1_000);
    for sequence in 2..200 {
        backlog.push(arrival(sequence), LISTENING);
    }
    backlog.push(arrival(200), OTHER);
    let now = Instant::now();
    let first = backlog.batch(10, now);
    assert!(first.iter().all(|(shard, _)| shard.0 == 3));
    let second = backlog.batch(10, now);
    assert_eq!(second[0].0, ShardId(4));
}

#[test]
fn what_was_lost_goes_before_what_waits_and_holds_the_sequence_back_again() {
    let mut backlog = backlog(100);
    for sequence in 2..5 {
        backlog.push(arrival(sequence), LISTENING);
    }
    let published: Vec<Entry> =
        backlog.batch(2, Instant::now()).into_iter().map(|(_, entry)| entry).collect();
    let batch: Vec<_> = published.iter().map(|entry| (ShardId(3), entry.clone())).collect();
    backlog.settle(&batch, &[Outcome::Published, Outcome::Published], Instant::now());
    assert_eq!(backlog.safe_sequence(), 3);
    assert!(backlog.put_back(ShardId(3), published), "the session of now has some of them");
    assert_eq!(backlog.safe_sequence(), 1);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [2, 3, 4]);
    assert_eq!(backlog.safe_sequence(), 4);
    assert!(backlog.is_empty() && backlog.bytes() == 0);
}

fn only_shard_3_refuses(shard: ShardId) -> Outcome {
    if shard.0 == 3 { Outcome::Refused } else { Outcome::Published }
}

/// A full backlog, of which shard 3 has taken nothing while another's stream took its event.
fn filled_by_one_lane() -> Backlog {
    let mut backlog = backlog(8);
    for sequence in 2..9 {
        backlog.push(arrival(sequence), LISTENING);
    }
    backlog.push(arrival(9), OTHER);
    settle(&mut backlog, only_shard_3_refuses);
    backlog
}

#[test]
fn a_lane_that_fills_the_backlog_by_itself_is_given_up_and_the_others_go_on() {
    let mut backlog = filled_by_one_lane();
    assert_eq!(backlog.push(arrival(10), OTHER), Taken::Queued);
    assert_eq!(backlog.push(arrival(11), OTHER), Taken::Queued, "room is made at the cost of shard 3");
    assert_eq!(backlog.push(arrival(12), LISTENING), Taken::GivenUp);
    assert_eq!(backlog.missed(), None, "the stream takes nothing yet");
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    assert_eq!(batch.iter().map(|(_, entry)| entry.sequence).collect::<Vec<_>>(), [2, 10, 11]);
    backlog.settle(&batch, &[Outcome::Published; 3], now);
    let missed = backlog.missed().expect("it takes events again");
    assert_eq!((missed.shard, missed.interactions), (Some(ShardId(3)), 0));
    assert!(!backlog.misses_of_a_stream(), "the session may be stored: its sequence tells of it");
    assert_eq!(backlog.safe_sequence(), 2, "a crash now would lose the gap, so Discord keeps its events");
    backlog.recorded(&missed, &HashSet::new());
    assert_eq!(backlog.safe_sequence(), 12);
    assert_eq!(backlog.push(arrival(13), LISTENING), Taken::Queued);
}

/// A backlog whose lane of shard 3 is given up, with 2 as the event that asks whether its stream takes any again.
fn given_up() -> Backlog {
    let mut backlog = filled_by_one_lane();
    assert_eq!(backlog.push(arrival(10), OTHER), Taken::Queued);
    assert_eq!(backlog.push(arrival(11), OTHER), Taken::Queued);
    settle(&mut backlog, only_shard_3_refuses);
    backlog
}

#[test]
fn what_is_missed_in_a_new_session_keeps_its_sequence_back_until_it_is_recorded() {
    let mut backlog = given_up();
    backlog.start_session("t", 1);
    let before = backlog.missed().expect("no sequence of the new session tells of it");
    assert!(backlog.misses_of_a_stream(), "so that the session of before stays stored");
    assert_eq!(backlog.push(arrival(2), LISTENING), Taken::GivenUp);
    assert_eq!(backlog.push(arrival(3), OTHER), Taken::Queued);
    backlog.recorded(&before, &HashSet::new());
    assert!(!backlog.misses_of_a_stream());
    assert_eq!(backlog.safe_sequence(), 1, "what came in the new session is recorded nowhere");
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    backlog.settle(&batch, &vec![Outcome::Published; batch.len()], now);
    assert_eq!(backlog.safe_sequence(), 1);
    let missed = backlog.missed().expect("the stream takes events again");
    backlog.recorded(&missed, &HashSet::new());
    assert_eq!((backlog.safe_sequence(), backlog.missed()), (3, None));
}

#[test]
fn what_is_missed_while_a_gap_is_being_recorded_is_told_as_well() {
    let mut backlog = given_up();
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    backlog.settle(&batch, &vec![Outcome::Published; batch.len()], now);
    let first = backlog.missed().expect("the stream takes events again");
    // While Postgres is asked, the stream fills again.
    for sequence in 12..19 {
        backlog.push(arrival(sequence), LISTENING);
    }
    backlog.push(arrival(19), OTHER);
    settle(&mut backlog, |shard| if shard.0 == 3 { Outcome::Refused } else { Outcome::Published });
    for sequence in 20..22 {
        assert_eq!(backlog.push(arrival(sequence), OTHER), Taken::Queued);
    }
    backlog.recorded(&first, &HashSet::new());
    assert_eq!(backlog.safe_sequence(), 11, "the second is recorded nowhere");
    let now = now + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    backlog.settle(&batch, &vec![Outcome::Published; batch.len()], now);
    let missed = backlog.missed().expect("the stream takes events again");
    backlog.recorded(&missed, &HashSet::new());
    assert_eq!((backlog.safe_sequence(), backlog.missed()), (21, None));
}

#[test]
fn a_gap_begins_with_its_earliest_event_and_not_with_a_marker() {
    let mut backlog = backlog(8);
    let marker = Entry::beside_the_session(1, "m".to_owned(), "M", ServerId(1), Bytes::new());
    backlog.enter_lane((ShardId(3), marker));
    for (sequence, received_at_ms) in [(2, 90), (3, 70), (4, 80), (5, 95), (6, 96)] {
        backlog.push(Arrival { received_at_ms, ..arrival(sequence) }, LISTENING);
    }
    backlog.push(arrival(7), OTHER);
    settle(&mut backlog, |shard| if shard.0 == 3 { Outcome::Refused } else { Outcome::Published });
    backlog.push(arrival(8), OTHER);
    backlog.push(arrival(9), OTHER);
    backlog.push(arrival(10), OTHER);
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    backlog.settle(&batch, &vec![Outcome::Published; batch.len()], now);
    assert_eq!(backlog.missed().and_then(|missed| missed.from_ms), Some(70));
}

#[test]
fn a_refused_lane_is_not_given_up_while_nobody_goes_on() {
    let mut backlog = backlog(3);
    for sequence in 2..5 {
        backlog.push(arrival(sequence), LISTENING);
    }
    settle(&mut backlog, |_| Outcome::Refused);
    assert_eq!(backlog.push(arrival(5), LISTENING), Taken::Full);
}

/// A server's GUILD_CREATE with the newest messages of its channels.
fn told(sequence: u64, channels: &[(u64, u64)]) -> Arrival {
    let written = channels.iter().map(|&(channel, newest)| Written { channel, newest }).collect();
    Arrival { kind: "GUILD_CREATE".to_owned(), if_listening: false, written, ..arrival(sequence) }
}

fn said(sequence: u64, channel: u64) -> Arrival {
    let payload = format!(r#"{{"id":"{sequence}","channel_id":"{channel}"}}"#);
    Arrival { payload: payload.into(), ..arrival(sequence) }
}

#[test]
fn what_a_session_tells_of_channels_comes_again_until_it_was_looked_at() {
    let mut backlog = backlog(100);
    backlog.push(told(2, &[(7, 9)]), LISTENING);
    backlog.push(arrival(3), LISTENING);
    settle(&mut backlog, |_| Outcome::Published);
    assert_eq!(backlog.safe_sequence(), 1);
    let noticed = backlog.noticed(10);
    assert_eq!(noticed.len(), 1);
    backlog.start_session("t", 1);
    backlog.push(told(2, &[(8, 9)]), LISTENING);
    backlog.looked_at(&noticed, &HashSet::new());
    assert_eq!(backlog.noticed(10).len(), 1, "another session's with the same sequence");
    backlog.looked_at(&backlog.noticed(10), &HashSet::new());
    settle(&mut backlog, |_| Outcome::Published);
    assert_eq!(backlog.safe_sequence(), 2);
}

#[test]
fn a_channel_written_in_meanwhile_is_held_from_the_moment_at_which_it_is_told() {
    let mut backlog = backlog(100);
    let second = |s: u64| MessageId::at_unix_ms(1_700_000_000_000 + s * 1_000).0;
    backlog.miss(Missed::of_all(Cause::SessionLost, Some(1_700_000_100_000)));
    assert_eq!(backlog.missed_since_ms(), Some(1_700_000_100_000));
    // Nothing since; to be read; of no account to the bot.
    backlog.push(told(2, &[(5, second(94)), (6, second(96)), (7, second(200))]), LISTENING);
    for (sequence, channel) in [(3, 5), (4, 6), (5, 7), (6, 6)] {
        backlog.push(said(sequence, channel), LISTENING);
    }
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [2, 3]);
    backlog.looked_at(&backlog.noticed(10), &HashSet::from([6]));
    reroute(&mut backlog);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [5]);
    backlog.merge(6, Vec::new());
    reroute(&mut backlog);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [4, 6]);
}

#[test]
fn what_was_read_again_and_lost_with_its_stream_is_counted_until_it_is_published_once_more() {
    let mut backlog = backlog(100);
    let read =
        Entry::read_again("backfill", "MESSAGE_CREATE", Some(ServerId(42)), 9, Bytes::from_static(b"{}"));
    backlog.merge(7, vec![read]);
    reroute(&mut backlog);
    let published = backlog.batch(10, Instant::now());
    settle(&mut backlog, |_| Outcome::Published);
    assert_eq!(backlog.read_again(), 0);
    backlog.put_back(ShardId(3), published.into_iter().map(|(_, entry)| entry).collect());
    assert_eq!(backlog.read_again(), 1);
    settle(&mut backlog, |_| Outcome::Published);
    assert_eq!((backlog.read_again(), backlog.len(), backlog.bytes()), (0, 0, 0));
}

fn sequences(batch: &[(ShardId, Entry)]) -> Vec<(u32, u64)> {
    batch.iter().map(|(shard, entry)| (shard.0, entry.sequence)).collect()
}

/// A lane of shard 3 with messages of channel 5 that is given up, and its stream takes events again.
fn given_up_and_taken() -> Backlog {
    let mut backlog = backlog(8);
    for sequence in 2..9 {
        backlog.push(said(sequence, 5), LISTENING);
    }
    backlog.push(said(9, 6), OTHER);
    settle(&mut backlog, only_shard_3_refuses);
    backlog.push(said(10, 6), OTHER);
    backlog.push(said(11, 6), OTHER);
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    assert_eq!(sequences(&batch), [(3, 2), (4, 10), (4, 11)], "what asks is before all that is missing");
    backlog.settle(&batch, &[Outcome::Published; 3], now);
    backlog
}

#[test]
fn what_comes_after_a_missing_message_waits_for_it_also_before_the_gap_is_recorded() {
    let mut backlog = given_up_and_taken();
    backlog.push(said(12, 5), LISTENING);
    backlog.push(said(13, 7), LISTENING);
    reroute(&mut backlog);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [13]);
    let missed = backlog.missed().expect("its stream takes events again");
    backlog.recorded(&missed, &HashSet::from([5]));
    reroute(&mut backlog);
    assert!(settle(&mut backlog, |_| Outcome::Published).is_empty());
    let read = [8, 7].map(|id| Entry::read_again("b", "MESSAGE_CREATE", Some(ServerId(42)), id, "{}".into()));
    backlog.merge(5, read.to_vec());
    reroute(&mut backlog);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [7, 8, 12]);
    assert_eq!((backlog.len(), backlog.safe_sequence()), (0, 13));
}

#[test]
fn a_channel_that_is_not_read_after_all_waits_no_longer() {
    let mut backlog = given_up_and_taken();
    backlog.push(said(12, 5), LISTENING);
    let missed = backlog.missed().expect("its stream takes events again");
    backlog.recorded(&missed, &HashSet::new());
    reroute(&mut backlog);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [12]);
}

#[test]
fn what_was_read_again_is_not_given_up_with_its_lane() {
    let mut backlog = backlog(8);
    let read = |id| Entry::read_again("b", "MESSAGE_CREATE", Some(ServerId(42)), id, "{}".into());
    backlog.merge(5, vec![read(101), read(102)]);
    reroute(&mut backlog);
    for sequence in 2..7 {
        backlog.push(said(sequence, 6), LISTENING);
    }
    backlog.push(said(7, 6), OTHER);
    settle(&mut backlog, only_shard_3_refuses);
    for sequence in 8..11 {
        assert_eq!(backlog.push(said(sequence, 9), OTHER), Taken::Queued);
    }
    assert_eq!(backlog.read_again(), 2);
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    backlog.settle(&batch, &vec![Outcome::Published; batch.len()], now);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [102]);
    assert_eq!((backlog.read_again(), backlog.len(), backlog.bytes()), (0, 0, 0));
}

#[test]
fn what_was_held_goes_behind_the_markers_of_a_server_that_moves_meanwhile() {
    let mut backlog = backlog(100);
    let gateway = GatewayShard::new(0, 1);
    let moving = OpenMove { id: MoveId(7), from: ShardId(3), to: ShardId(4), left: false };
    let open: Arc<OpenMoves> = Arc::new([(ServerId(42), moving)].into());
    backlog.holds.hold([5]);
    backlog.push(said(2, 5), LISTENING);
    backlog.look_at_moves(gateway, &open, Instant::now(), |_| Some(ShardId(3)));
    let read = Entry::read_again("b", "MESSAGE_CREATE", Some(ServerId(42)), 1, "{}".into());
    backlog.merge(5, vec![read]);
    reroute(&mut backlog);
    let now = Instant::now();
    let batch = backlog.batch(100, now);
    assert_eq!(sequences(&batch), [(3, 7)], "moved out");
    backlog.settle(&batch, &[Outcome::Published], now);
    assert_eq!(sequences(&backlog.batch(100, now)), [(4, 7), (4, 1), (4, 2)], "moved in, and what waited");
}

#[test]
fn what_waits_with_a_move_waits_for_what_is_missing_before_it() {
    let mut backlog = backlog(8);
    let gateway = GatewayShard::new(0, 1);
    let moving = OpenMove { id: MoveId(7), from: ShardId(3), to: ShardId(4), left: false };
    let open: Arc<OpenMoves> = Arc::new([(ServerId(42), moving)].into());
    for sequence in 2..6 {
        backlog.push(said(sequence, 5), LISTENING);
    }
    backlog.push(Arrival { server: Some(ServerId(43)), ..said(6, 6) }, OTHER);
    settle(&mut backlog, only_shard_3_refuses);
    backlog.look_at_moves(gateway, &open, Instant::now(), |_| Some(ShardId(3)));
    backlog.push(said(7, 5), LISTENING);
    for sequence in 8..12 {
        let other = Arrival { server: Some(ServerId(43)), ..said(sequence, 6) };
        assert_eq!(backlog.push(other, OTHER), Taken::Queued);
    }
    let left = OpenMove { left: true, ..moving };
    let open: Arc<OpenMoves> = Arc::new([(ServerId(42), left)].into());
    backlog.look_at_moves(gateway, &open, Instant::now(), |_| Some(ShardId(3)));
    let now = Instant::now() + RETRY_AFTER * 2;
    let batch = backlog.batch(100, now);
    assert!(batch.iter().all(|(_, entry)| entry.sequence != 7 || entry.kind == "HELPLINE_MOVED_IN"));
    backlog.settle(&batch, &vec![Outcome::Published; batch.len()], now);
    backlog.merge(
        5,
        [3, 4, 5].map(|id| Entry::read_again("b", "READ", Some(ServerId(42)), id, "{}".into())).into(),
    );
    reroute(&mut backlog);
    assert_eq!(sequences(&backlog.batch(100, now)), [(4, 3), (4, 4), (4, 5), (4, 7)]);
}

#[test]
fn what_waits_behind_the_lost_part_of_a_stream_waits_for_its_reading() {
    let mut backlog = backlog(100);
    backlog.push(said(3, 5), LISTENING);
    backlog.push(said(4, 6), LISTENING);
    let mut places = Places::default();
    places.add(Some(ServerId(42)), "MESSAGE_CREATE", &said(2, 5).payload);
    let (shard, from_ms) = (Some(ShardId(3)), Some(5));
    backlog.miss(Missed { cause: Cause::StreamLost, shard, from_ms, interactions: 0, places });
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [4]);
    backlog.merge(5, vec![Entry::read_again("b", "READ", Some(ServerId(42)), 2, "{}".into())]);
    reroute(&mut backlog);
    assert_eq!(settle(&mut backlog, |_| Outcome::Published), [2, 3]);
}
