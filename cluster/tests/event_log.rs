//! The event log over real Redis: order, fences, incarnations, bounds, and a reader that outlives Redis.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use helpline_cluster::event_log::{
    Delivery, Entry, Error, EventLog, NewEvent, Outcome, Publisher, Raised, Reader,
};
use helpline_cluster::ids::{Epoch, GatewayShard, ServerId, ShardId, StreamId};
use helpline_cluster::keys::Keys;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

#[path = "event_log/gateway_epochs.rs"]
mod gateway_epochs;
mod private_redis;
mod support;

use private_redis::PrivateRedis;
use private_redis::process::{Process, free_port};
use support::{TestRedis, eventually, owner, soon};

const GATEWAY: GatewayShard = GatewayShard::new(0, 2);
const SHARD: ShardId = ShardId(11);
/// Of the same slot group as [`SHARD`].
const NEIGHBOUR: ShardId = ShardId(3);
const OTHER: ShardId = ShardId(4);

struct Log {
    redis: TestRedis,
    publisher: Publisher,
    log: EventLog,
    epoch: u64,
    stop: CancellationToken,
}

impl Log {
    async fn new() -> Self {
        Self::over(TestRedis::new()).await
    }

    /// With the first incarnation of three shards begun.
    async fn over(redis: TestRedis) -> Self {
        let publisher = Publisher::new(&redis.link, redis.keys.clone());
        let log = EventLog::new(&redis.link, redis.keys.clone());
        for shard in [SHARD, NEIGHBOUR, OTHER] {
            log.set_incarnation(&owner(shard, 1), 1).await.expect("an incarnation begins");
        }
        let epoch = publisher.raise_gateway_epoch(GATEWAY).await.expect("the epoch is raised");
        Self { redis, publisher, log, epoch, stop: CancellationToken::new() }
    }

    async fn publish(&self, batch: &[NewEvent]) -> Vec<Outcome> {
        soon("publishing", self.publisher.publish(GATEWAY, self.epoch, batch)).await.expect("it publishes")
    }

    /// As the holder does when Redis has lost the epoch.
    async fn hold_again(&self, publisher: &Publisher) {
        let eras = publisher.eras().await.expect("the eras are told");
        let raised = publisher.raise_gateway_epoch_to(GATEWAY, self.epoch, &eras).await;
        assert_eq!(raised.expect("it answers"), Raised::Stands);
    }

    fn reader(&self) -> Reader {
        Reader::start(&self.redis.link, self.redis.keys.clone(), self.stop.clone())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn event(shard: ShardId, number: u64) -> NewEvent {
    NewEvent {
        shard,
        origin: format!("session:{number}"),
        kind: "MESSAGE_CREATE".to_owned(),
        server: number.is_multiple_of(2).then_some(ServerId(81_384_788_765_712_384 + number)),
        received_at_ms: 1_700_000_000_000 + number,
        payload: Bytes::from(format!("{{\"content\":\"\u{fc}ber {number}\"}}")),
    }
}

fn events(shard: ShardId, numbers: std::ops::Range<u64>) -> Vec<NewEvent> {
    numbers.map(|number| event(shard, number)).collect()
}

fn published(outcome: &Outcome) -> StreamId {
    match outcome {
        Outcome::Published(id) => *id,
        other => panic!("not published: {other:?}"),
    }
}

/// The next `count` entries.
async fn take(deliveries: &mut Receiver<Delivery>, count: usize) -> Vec<Entry> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match soon("an entry", deliveries.recv()).await {
            Some(Delivery::Entries(entries)) => taken.extend(entries),
            other => panic!("{other:?} after {} of {count} entries", taken.len()),
        }
    }
    assert_eq!(taken.len(), count, "more came than was published");
    taken
}

fn origins(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.origin.as_str()).collect()
}

fn expected(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("session:{number}")).collect()
}

#[tokio::test]
async fn what_is_published_is_read_as_it_was_from_the_very_first_entry() {
    let log = Log::new().await;
    let mut deliveries = log.reader().watch(&owner(SHARD, 1), StreamId::start_of(1));
    let batch = events(SHARD, 0..3);
    let outcomes = log.publish(&batch).await;
    let ids: Vec<StreamId> = outcomes.iter().map(published).collect();
    assert!(ids[0] > StreamId::start_of(1), "the first entry {} stands where nothing has been read", ids[0]);
    assert!(ids.is_sorted() && ids.iter().all(|id| id.incarnation == 1));
    let entries = take(&mut deliveries, 3).await;
    for ((entry, event), id) in entries.iter().zip(&batch).zip(ids) {
        let expected = Entry {
            id,
            origin: event.origin.clone(),
            kind: event.kind.clone(),
            server: event.server,
            received_at_ms: event.received_at_ms,
            payload: event.payload.clone(),
        };
        assert_eq!(*entry, expected);
    }
}

#[tokio::test]
async fn another_client_sees_the_stream_as_documented() {
    use fred::interfaces::{ClientLike, StreamsInterface};
    type Fields = std::collections::HashMap<String, String>;
    let log = Log::new().await;
    log.publish(&[event(SHARD, 8)]).await;
    let fred = log.redis.second_client().await;
    let seen: Vec<(String, Fields)> =
        fred.xrange_values(log.redis.keys.stream(SHARD), "-", "+", None).await.expect("fred reads");
    fred.quit().await.expect("fred quits");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, "1-1");
    let fields = &seen[0].1;
    assert_eq!(fields["k"], "session:8");
    assert_eq!(fields["t"], "MESSAGE_CREATE");
    assert_eq!(fields["g"], "81384788765712392");
    assert_eq!(fields["r"], "1700000000008");
    assert_eq!(fields["d"], "{\"content\":\"\u{fc}ber 8\"}");
    assert_eq!(fields.len(), 5);
}

#[tokio::test]
async fn a_large_batch_over_many_streams_keeps_the_order_of_each() {
    let log = Log::new().await;
    let reader = log.reader();
    let shards = [SHARD, NEIGHBOUR, OTHER];
    let mut all: Vec<Receiver<Delivery>> =
        shards.iter().map(|shard| reader.watch(&owner(*shard, 1), StreamId::start_of(1))).collect();
    let batch: Vec<NewEvent> =
        (0..3_000).zip(shards.iter().cycle()).map(|(number, shard)| event(*shard, number)).collect();
    let outcomes = log.publish(&batch).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Published(_))));
    for (index, deliveries) in all.iter_mut().enumerate() {
        let entries = take(deliveries, 1_000).await;
        let expected: Vec<String> = (0..1_000).map(|n| format!("session:{}", n * 3 + index)).collect();
        assert_eq!(origins(&entries), expected);
        assert!(entries.is_sorted_by_key(|entry| entry.id));
    }
}

#[tokio::test]
async fn nothing_overtakes_an_event_that_was_refused() {
    let log = Log::new().await;
    let narrow = log.publisher.clone().with_bounds(5, u64::MAX);
    let mut batch = events(SHARD, 0..900);
    batch.extend(events(NEIGHBOUR, 0..3));
    let publishing = narrow.publish(GATEWAY, log.epoch, &batch);
    // Room appears while the batch is on its way: what was refused must stay refused.
    let trimming = async {
        for _ in 0..50 {
            let key = log.redis.keys.stream(SHARD);
            let trim = redis::cmd("XTRIM").arg(key).arg("MAXLEN").arg(0).to_owned();
            trim.exec_async(&mut log.redis.connection().await).await.expect("Redis trims");
        }
    };
    let (outcomes, ()) = tokio::join!(publishing, trimming);
    let outcomes = outcomes.expect("it publishes");
    let refused = outcomes.iter().position(|outcome| *outcome == Outcome::Full).expect("the stream is full");
    assert!(outcomes[refused..900].iter().all(|outcome| *outcome == Outcome::Full), "an event overtook");
    assert!(outcomes[900..].iter().all(|outcome| matches!(outcome, Outcome::Published(_))), "others waited");
}

#[tokio::test]
async fn a_stream_is_bounded_in_bytes_too() {
    let log = Log::new().await;
    let narrow = log.publisher.clone().with_bounds(u64::MAX, 100_000);
    let big = NewEvent { payload: Bytes::from(vec![b'x'; 30_000]), ..event(SHARD, 1) };
    let outcomes = narrow.publish(GATEWAY, log.epoch, &vec![big.clone(); 6]).await.expect("it publishes");
    let taken = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Published(_))).count();
    assert!((3..=4).contains(&taken), "{taken} of six entries of 30 kB fit in 100 kB");
    let again = narrow.publish(GATEWAY, log.epoch, &[big]).await.expect("it publishes");
    assert_eq!(again, [Outcome::Full], "the next batch forgot what the stream holds");
}

#[tokio::test]
async fn nothing_is_published_to_a_stream_without_incarnation() {
    let log = Log::new().await;
    let new_shard = ShardId(12);
    let batch = [event(new_shard, 1), event(OTHER, 2), event(new_shard, 3)];
    let outcomes = log.publish(&batch).await;
    assert_eq!(outcomes[0], Outcome::NoIncarnation);
    assert_eq!(outcomes[2], Outcome::NoIncarnation);
    published(&outcomes[1]);
    assert_eq!(log.log.incarnation(new_shard).await.expect("it answers"), None);
    log.log.set_incarnation(&owner(new_shard, 1), 4).await.expect("an incarnation begins");
    log.log
        .set_incarnation(&owner(new_shard, 1), 3)
        .await
        .expect("a late call of an earlier owner is no error");
    assert_eq!(log.log.incarnation(new_shard).await.expect("it answers"), Some(4));
    assert_eq!(published(&log.publish(&batch[..1]).await[0]), StreamId::new(4, 1));
}

#[tokio::test]
async fn a_wiped_stream_is_reported_and_goes_on_in_its_next_incarnation() {
    let log = Log::new().await;
    let reader = log.reader();
    let mut deliveries = reader.watch(&owner(SHARD, 1), StreamId::start_of(1));
    log.publish(&events(SHARD, 0..5)).await;
    take(&mut deliveries, 5).await;
    log.redis.wipe();
    assert_eq!(soon("the wipe", deliveries.recv()).await, Some(Delivery::Wiped));
    log.hold_again(&log.publisher).await;
    let refused = log.publish(&events(SHARD, 5..7)).await;
    assert_eq!(refused, [Outcome::NoIncarnation; 2], "published before the owner began an incarnation");

    log.log.set_incarnation(&owner(SHARD, 1), 2).await.expect("an incarnation begins");
    let mut deliveries = reader.watch(&owner(SHARD, 1), StreamId::start_of(2));
    log.publish(&events(SHARD, 5..7)).await;
    assert_eq!(origins(&take(&mut deliveries, 2).await), expected(5..7));
}

#[tokio::test]
async fn a_stream_whose_tail_was_lost_counts_as_wiped() {
    let log = Log::new().await;
    let mut deliveries = log.reader().watch(&owner(SHARD, 1), StreamId::start_of(1));
    log.publish(&events(SHARD, 0..5)).await;
    take(&mut deliveries, 5).await;
    // A failover to a replica that had seen three of the five.
    let key = log.redis.keys.stream(SHARD);
    let mut connection = log.redis.connection().await;
    redis::cmd("DEL").arg(&key).exec_async(&mut connection).await.expect("Redis deletes");
    let add = redis::cmd("XADD").arg(&key).arg("1-3").arg("k").arg("x").to_owned();
    add.exec_async(&mut connection).await.expect("Redis adds");
    assert_eq!(soon("the loss", deliveries.recv()).await, Some(Delivery::Wiped));
    assert_eq!(
        log.publish(&events(SHARD, 5..6)).await,
        [Outcome::NoIncarnation],
        "an id was given out twice"
    );
}

#[tokio::test]
async fn a_reader_begins_at_its_cursor_and_wakes_up_for_shards_watched_later() {
    let log = Log::new().await;
    let reader = log.reader();
    let mut first = reader.watch(&owner(SHARD, 1), StreamId::start_of(1));
    let ids: Vec<StreamId> = log.publish(&events(NEIGHBOUR, 0..10)).await.iter().map(published).collect();
    log.publish(&events(SHARD, 0..1)).await;
    take(&mut first, 1).await;
    // The reader blocks on the first shard by now.
    let begun = tokio::time::Instant::now();
    let mut second = reader.watch(&owner(NEIGHBOUR, 1), ids[6]);
    assert_eq!(origins(&take(&mut second, 3).await), expected(7..10));
    assert!(begun.elapsed() < Duration::from_millis(500), "a new shard waited {:?}", begun.elapsed());

    reader.unwatch(NEIGHBOUR);
    log.publish(&events(NEIGHBOUR, 10..11)).await;
    assert_eq!(soon("the end", second.recv()).await, None, "delivered after unwatch");
}

#[tokio::test]
async fn a_shard_that_takes_nothing_holds_nobody_up_and_loses_nothing() {
    let log = Log::new().await;
    let reader = log.reader();
    let mut slow = reader.watch(&owner(SHARD, 1), StreamId::start_of(1));
    let mut quick = reader.watch(&owner(NEIGHBOUR, 1), StreamId::start_of(1));
    log.publish(&events(SHARD, 0..4_000)).await;
    for number in 0..20 {
        log.publish(&events(NEIGHBOUR, number..number + 1)).await;
        take(&mut quick, 1).await;
    }
    assert_eq!(origins(&take(&mut slow, 4_000).await), expected(0..4_000));
}

#[tokio::test]
async fn entries_that_are_not_events_are_passed_over() {
    let log = Log::new().await;
    let mut deliveries = log.reader().watch(&owner(SHARD, 1), StreamId::start_of(1));
    let mut connection = log.redis.connection().await;
    let foreign =
        redis::cmd("XADD").arg(log.redis.keys.stream(SHARD)).arg("1-*").arg("a").arg("b").to_owned();
    for _ in 0..300 {
        foreign.exec_async(&mut connection).await.expect("Redis adds");
    }
    log.publish(&events(SHARD, 0..2)).await;
    assert_eq!(origins(&take(&mut deliveries, 2).await), expected(0..2));
}

#[tokio::test]
async fn trimming_leaves_what_is_above_the_cursor() {
    let log = Log::new().await;
    let ids: Vec<StreamId> = log.publish(&events(SHARD, 0..500)).await.iter().map(published).collect();
    let removed = log.log.trim(&owner(SHARD, 1), ids[450]).await.expect("it trims");
    assert!((300..=450).contains(&removed), "{removed} entries were removed");
    let mut deliveries = log.reader().watch(&owner(SHARD, 1), ids[449]);
    assert_eq!(origins(&take(&mut deliveries, 50).await), expected(450..500));
    log.log.trim(&owner(SHARD, 1), StreamId::new(1, 9_999)).await.expect("it trims");
    let next = published(&log.publish(&events(SHARD, 500..501)).await[0]);
    assert!(next > ids[499], "an id was given out twice after trimming");
}

#[tokio::test]
async fn a_superseded_owner_neither_trims_nor_begins_nor_takes_back_an_incarnation() {
    let log = Log::new().await;
    let ids: Vec<StreamId> = log.publish(&events(SHARD, 0..500)).await.iter().map(published).collect();
    let mut connection = log.redis.connection().await;
    let epoch = log.redis.keys.shard_epoch(SHARD);
    redis::cmd("SET").arg(&epoch).arg(7).exec_async(&mut connection).await.expect("Redis sets");

    let old = owner(SHARD, 6);
    let trimmed = log.log.trim(&old, ids[450]).await;
    assert!(matches!(trimmed, Err(Error::NotOwner(SHARD, _))), "{trimmed:?}");
    let begun = log.log.set_incarnation(&old, 9).await;
    assert!(matches!(begun, Err(Error::NotOwner(SHARD, Some(Epoch(7))))), "{begun:?}");
    assert_eq!(log.log.incarnation(SHARD).await.expect("it answers"), Some(1));
    // To the old owner the stream ends before what it has read; it is told so, and the others go on publishing.
    let mut stale = log.reader().watch(&old, StreamId::new(1, 9_999));
    assert_eq!(soon("the loss", stale.recv()).await, Some(Delivery::Wiped));
    published(&log.publish(&events(SHARD, 500..501)).await[0]);

    let removed = log.log.trim(&owner(SHARD, 7), ids[450]).await.expect("the owner trims");
    assert!((300..=450).contains(&removed), "{removed} entries were removed");
    redis::cmd("DEL").arg(&epoch).exec_async(&mut connection).await.expect("Redis deletes");
    let unknown = log.log.trim(&owner(SHARD, 7), ids[499]).await;
    assert!(
        matches!(unknown, Err(Error::NotOwner(SHARD, None))),
        "trimmed while nobody is known as the owner"
    );
}

#[tokio::test]
async fn a_reader_ends_its_channels_when_it_is_stopped() {
    let log = Log::new().await;
    let reader = log.reader();
    let mut deliveries = reader.watch(&owner(SHARD, 1), StreamId::start_of(1));
    log.stop.cancel();
    soon("the reader stops", reader.stopped()).await;
    assert_eq!(soon("the end", deliveries.recv()).await, None);
    assert_eq!(soon("the end", reader.watch(&owner(SHARD, 1), StreamId::start_of(1)).recv()).await, None);
}

#[tokio::test]
async fn a_reader_and_a_publisher_carry_on_when_redis_comes_back() {
    let mut server = PrivateRedis::start().await;
    let log = Log::over(TestRedis::at(&server.url)).await;
    let mut deliveries = log.reader().watch(&owner(SHARD, 1), StreamId::start_of(1));
    log.publish(&events(SHARD, 0..5)).await;
    take(&mut deliveries, 5).await;
    server.kill();
    log.publisher.publish(GATEWAY, log.epoch, &events(SHARD, 5..8)).await.expect_err("Redis is away");
    server.start_again().await;
    eventually("the server is found to have lost, perhaps, what it had", async || {
        let refused = log.publisher.publish(GATEWAY, log.epoch, &events(SHARD, 5..8)).await;
        matches!(refused, Err(Error::EpochLost(_))).then_some(())
    })
    .await;
    log.hold_again(&log.publisher).await;
    assert_eq!(log.publish(&events(SHARD, 5..8)).await, [Outcome::NoIncarnation; 3]);
    assert_eq!(soon("a word of it", deliveries.recv()).await, Some(Delivery::Wiped));
    eventually("an incarnation begins", async || log.log.set_incarnation(&owner(SHARD, 1), 2).await.ok())
        .await;
    let mut deliveries = log.reader().watch(&owner(SHARD, 1), StreamId::start_of(2));
    let known = HashMap::from([(SHARD, 1)]);
    let told = log.publisher.publish_under(GATEWAY, log.epoch, &events(SHARD, 5..8), &known).await.unwrap();
    assert_eq!(told, [Outcome::OtherIncarnation(2); 3], "what went before is to be published first");
    log.publish(&events(SHARD, 5..8)).await;
    assert_eq!(origins(&take(&mut deliveries, 3).await), expected(5..8));
}

#[tokio::test]
async fn nothing_is_published_into_a_stream_whose_end_a_failover_may_have_lost() {
    let primary = Process::start(free_port(), &["--save", "", "--repl-diskless-sync-delay", "0"]);
    let replica = Process::start(free_port(), &["--save", ""]);
    eventually("both answer", async || {
        primary.ask::<String>(&["PING"]).await.ok()?;
        replica.ask::<String>(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]).await.ok()
    })
    .await;
    let log = Log::over(TestRedis::at(&primary.url())).await;
    let stream = log.redis.keys.stream(SHARD);
    let length = async |server: &Process| server.ask::<u64>(&["XLEN", &stream]).await.unwrap_or(0);
    log.publish(&events(SHARD, 0..5)).await;
    eventually("the replica follows", async || (length(&replica).await == 5).then_some(())).await;
    replica.tell(&["REPLICAOF", "NO", "ONE"]).await;
    log.publish(&events(SHARD, 5..8)).await;

    // The same keys on the other server, as its clients find them after the failover.
    let mut after = TestRedis::at(&replica.url());
    after.keys = log.redis.keys.clone();
    let publisher = Publisher::new(&after.link, after.keys.clone());
    assert_eq!(length(&replica).await, 5, "the end was lost");
    let refused = publisher.publish(GATEWAY, log.epoch, &events(SHARD, 8..9)).await;
    assert!(
        matches!(refused, Err(Error::EpochLost(_))),
        "the end of the epochs may be lost too: {refused:?}"
    );
    log.hold_again(&publisher).await;
    let told = publisher.publish(GATEWAY, log.epoch, &events(SHARD, 8..9)).await.expect("it answers");
    assert_eq!(told, [Outcome::NoIncarnation]);
    // Who had read no further than what is left cannot see it by the ids.
    let reader = Reader::start(&after.link, after.keys.clone(), log.stop.clone());
    let mut deliveries = reader.watch(&owner(SHARD, 1), StreamId::new(1, 5));
    assert_eq!(soon("a word of it", deliveries.recv()).await, Some(Delivery::Wiped));
}
