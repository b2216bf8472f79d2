//! What must not show when something goes wrong. Each of these fails when its guard is taken out of the code.

use std::collections::HashMap;

use helpline_sim::Kind;
use helpline_sim::matching::QuestionId;
use serde_json::Value;

use crate::harness::Town;
use crate::support::{eventually, run};

/// [`Town::append`].
pub async fn append(town: &Town, server: usize, origin: &str, kind: &str, payload: &str) {
    town.append(server, origin, kind, payload).await;
}

/// The entry of the log that holds a message or an interaction: its origin and its payload.
pub async fn entry_of(town: &Town, server: usize, id: u64, kind: &str) -> (String, String) {
    let stream = town.keys.stream(town.shard_of(server).await);
    let wanted = id.to_string();
    eventually("the event is in the log", async || {
        let mut redis = town.redis.connection().await;
        let entries: Vec<(String, HashMap<String, String>)> =
            redis::cmd("XRANGE").arg(&stream).arg("-").arg("+").query_async(&mut redis).await.expect("range");
        entries.into_iter().find_map(|(_, fields)| {
            let payload: Value = serde_json::from_str(&fields["d"]).ok()?;
            let wanted = payload["id"].as_str() == Some(wanted.as_str()) && fields["t"] == kind;
            wanted.then(|| (fields["k"].clone(), fields["d"].clone()))
        })
    })
    .await
}

pub fn number(question: QuestionId) -> u64 {
    match question {
        QuestionId::Message(id) => id.get(),
        QuestionId::Interaction(id) => id.get(),
    }
}

#[tokio::test]
async fn an_event_that_comes_twice_is_answered_once() {
    let town = Town::new().await;
    let _worker = town.worker();
    let question = town.ask(0, "how long do I have to ask for a refund?");
    let thread = town.answer(question).await.channel;
    let follow_up = town.say(thread, town.member(0), "how do I restore a backup?");
    town.answer(follow_up).await;
    for twice in [question, follow_up] {
        let (origin, payload) = entry_of(&town, 0, number(twice), "MESSAGE_CREATE").await;
        // A replay has the same origin; an overlap of two sessions has the same message under another origin.
        append(&town, 0, &origin, "MESSAGE_CREATE", &payload).await;
        append(&town, 0, &format!("another-session:{}", number(twice)), "MESSAGE_CREATE", &payload).await;
    }
    // A question behind them shows that they have been passed.
    town.answer(town.ask(0, "how do I restore a backup?")).await;
    town.at_rest().await;
    assert_eq!((town.answers(question).len(), town.answers(follow_up).len()), (1, 1));
    assert_eq!(town.count("select count(*) from conversations").await, 2);
    let turns = "select max(jsonb_array_length(transcript))::bigint from conversations";
    assert_eq!(town.count(turns).await, 4, "two questions and two answers");
    // Other constraints would catch a repetition too, but as a failure of the event.
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

#[tokio::test]
async fn an_effect_that_is_carried_out_again_is_seen_once() {
    let town = Town::new().await;
    let worker = town.worker();
    let question = town.ask(0, "how long do I have to ask for a refund?");
    town.answer(question).await;
    town.at_rest().await;
    // Its own messages would otherwise tell the next owner that they are there.
    town.caught_up(0).await;
    worker.kill();
    // As if the owner had died after Discord took the requests and before it could note that.
    run(&town.db.pool, "update helpline.outbox set state = 'pending', message_id = null, sent_at = null")
        .await;
    let _next = town.worker();
    town.at_rest().await;
    assert_eq!(town.answers(question).len(), 1, "Discord showed it again");
    assert_eq!(town.sim.counters().nonce_replays, 1);
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}

#[tokio::test]
async fn questions_asked_while_no_worker_lives_are_answered_by_the_next() {
    let town = Town::new().await;
    let worker = town.worker();
    town.answer(town.ask(0, "how long do I have to ask for a refund?")).await;
    worker.kill();
    let questions: Vec<QuestionId> = (0..5).map(|_| town.ask(1, "how do I restore a backup?")).collect();
    for question in &questions {
        entry_of(&town, 1, number(*question), "MESSAGE_CREATE").await;
    }
    let _next = town.worker();
    for question in questions {
        assert!(town.answer(question).await.content.contains("Backups"));
        assert_eq!(town.answers(question).len(), 1);
    }
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_hands_over_and_nothing_is_lost() {
    let town = Town::new().await;
    let (first, _second) = (town.worker(), town.worker());
    town.answer(town.ask(0, "how long do I have to ask for a refund?")).await;
    let before: Vec<QuestionId> = (0..4).map(|n| town.ask(n % 2, "how do I restore a backup?")).collect();
    first.terminate();
    let after: Vec<QuestionId> = (0..4).map(|n| town.ask(n % 2, "how do I restore a backup?")).collect();
    for question in before.into_iter().chain(after) {
        town.answer(question).await;
        assert_eq!(town.answers(question).len(), 1);
    }
    eventually("every shard has an owner", async || {
        let unowned = town.count("select count(*) from helpline.shard_fences where owner is null").await;
        (unowned == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_that_cannot_be_applied_is_put_aside_and_its_shard_goes_on() {
    let town = Town::new().await;
    let _worker = town.worker();
    append(&town, 0, "broken:1", "MESSAGE_CREATE", "{\"id\": 7").await;
    append(&town, 0, "broken:2", "INTERACTION_CREATE", "{\"id\": \"\\u0000\"}").await;
    let question = town.ask(0, "how long do I have to ask for a refund?");
    town.answer(question).await;
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 2);
}

#[tokio::test]
async fn a_config_that_cannot_be_read_leaves_the_last_good_one_in_force() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.answer(town.ask(0, "how long do I have to ask for a refund?")).await;
    run(&town.db.pool, "update servers set config = config || '{\"max_text_length\": \"very\"}'").await;
    for _ in 0..3 {
        let question = town.ask(0, "how do I restore a backup?");
        assert!(town.answer(question).await.content.contains("Backups"));
    }
}

/// The trigger refuses such a config; a database may hold one from before there was a trigger.
#[tokio::test]
async fn a_config_that_no_reader_but_postgres_accepts_does_not_stop_its_shard() {
    let town = Town::new().await;
    // A first worker begins the streams; the next one has read no config before.
    let worker = town.worker();
    town.answer(town.ask(1, "how do I restore a backup?")).await;
    worker.kill();
    let unreadable = "alter table servers disable trigger check_server_updated;
                      update servers set config = config || '{\"theirs\": 1e400}'";
    run(&town.db.pool, unreadable).await;
    let question = town.ask(0, "how long do I have to ask for a refund?");
    entry_of(&town, 0, number(question), "MESSAGE_CREATE").await;
    let _worker = town.worker();
    let shard = town.shard_of(0).await;
    let mut redis = town.redis.connection().await;
    let mut newest = redis::cmd("XREVRANGE");
    newest.arg(town.keys.stream(shard)).arg("+").arg("-").arg("COUNT").arg(1);
    let newest: Vec<(String, HashMap<String, String>)> = newest.query_async(&mut redis).await.expect("range");
    let sequence: i64 = newest[0].0.split_once('-').expect("an id").1.parse().expect("a number");
    eventually("the cursor passes the message", async || {
        let cursor: i64 =
            sqlx::query_scalar("select cursor_seq from helpline.shard_streams where shard_id = $1")
                .bind(shard.db())
                .fetch_one(&town.db.pool)
                .await
                .expect("the shard has a stream");
        (cursor >= sequence).then_some(())
    })
    .await;
    assert!(town.answers(question).is_empty(), "nothing is known of this server yet: support is off");
}

#[tokio::test]
async fn a_thread_that_was_deleted_is_no_reason_for_silence() {
    let town = Town::new().await;
    let worker = town.worker();
    town.answer(town.ask(1, "how do I restore a backup?")).await;
    worker.kill();
    let question = town.ask(0, "how long do I have to ask for a refund?");
    entry_of(&town, 0, number(question), "MESSAGE_CREATE").await;
    // Discord refuses the thread: the answer comes as a reply in the channel.
    town.sim.fail_next(Some(helpline_sim::Route::StartThread), 1, helpline_sim::Fault::Status(403));
    let _next = town.worker();
    let answer = town.answer(question).await;
    assert_eq!(answer.channel, town.server(0).support_channel);
    let threads = town.sim.transcript().snapshot().into_iter();
    assert_eq!(threads.filter(|entry| matches!(entry.kind, Kind::ThreadStarted { .. })).count(), 1);
}
