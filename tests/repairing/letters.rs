//! Events that cannot be applied, that come late, and that are taken back.

use helpline_sim::matching::QuestionId;

use crate::harness::Town;
use crate::support::{eventually, run};

const REFUND: &str = "how long do I have to ask for a refund?";
const BACKUP: &str = "how do I restore a backup?";
const LETTERS: &str = "select count(*) from helpline.dead_letters";

pub fn id(question: QuestionId) -> u64 {
    match question {
        QuestionId::Message(id) => id.get(),
        QuestionId::Interaction(id) => id.get(),
    }
}

/// The streams are begun, and nobody reads them any more.
async fn unattended() -> Town {
    let town = Town::new().await;
    let first = town.worker();
    town.answer(town.ask(0, BACKUP)).await;
    town.at_rest().await;
    town.caught_up(0).await;
    first.kill();
    town
}

/// The stream id of a message's event.
async fn stream_id(town: &Town, server: usize, message: u64) -> String {
    let stream = town.keys.stream(town.shard_of(server).await);
    eventually("the message is in the log", async || {
        let mut redis = town.redis.connection().await;
        let entries: Vec<(String, std::collections::HashMap<String, String>)> =
            redis::cmd("XRANGE").arg(&stream).arg("-").arg("+").query_async(&mut redis).await.expect("range");
        let wanted = format!("\"id\":\"{message}\"");
        let found = |(id, fields): (String, std::collections::HashMap<String, String>)| {
            (fields["t"] == "MESSAGE_CREATE" && fields["d"].contains(&wanted)).then_some(id)
        };
        entries.into_iter().find_map(found)
    })
    .await
}

#[tokio::test]
async fn an_event_that_was_put_aside_is_answered_once_when_it_is_replayed() {
    let town = Town::new().await;
    let broken = "create function broken() returns trigger language plpgsql as
                      $$ begin raise 'broken' using errcode = 'HL999'; end $$;
                  create trigger broken before insert on public.conversations
                      for each row execute function broken();";
    run(&town.db.pool, broken).await;
    let _worker = town.worker();
    let question = town.ask(0, REFUND);
    eventually("it is put aside", async || (town.count(LETTERS).await == 1).then_some(())).await;
    run(&town.db.pool, "drop trigger broken on public.conversations").await;
    let operator = town.db.role("helpline_worker");
    helpline::dead_letters::list(&operator).await.expect("listed");
    helpline::dead_letters::replay(&operator, None).await.expect("asked for");
    town.answer(question).await;
    eventually("the letter is gone", async || (town.count(LETTERS).await == 0).then_some(())).await;
    town.at_rest().await;
    assert_eq!(town.answers(question).len(), 1);
}

#[tokio::test]
async fn a_replay_that_fails_again_stays_in_the_list() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.append(0, "broken:1", "MESSAGE_CREATE", "{\"id\": 7").await;
    eventually("it is put aside", async || (town.count(LETTERS).await == 1).then_some(())).await;
    helpline::dead_letters::replay(&town.db.pool, None).await.expect("asked for");
    let failed = "select count(*) from helpline.dead_letters where tries = 4 and replay_requested_at is null";
    eventually("it failed again", async || (town.count(failed).await == 1).then_some(())).await;
}

#[tokio::test]
async fn an_event_that_ended_three_owners_is_put_aside_and_those_behind_it_are_answered() {
    let town = unattended().await;
    let (poison, behind) = (town.ask(0, REFUND), town.ask(0, BACKUP));
    let (entry, _) = (stream_id(&town, 0, id(poison)).await, stream_id(&town, 0, id(behind)).await);
    let shard = town.shard_of(0).await.db();
    // As two owners left it: the first died under its first batch, the next under this event.
    let marker = format!(
        "insert into helpline.shard_trials (shard_id, stream_id, deaths) values ({shard}, '{entry}', 1)"
    );
    run(&town.db.pool, marker).await;
    let _worker = town.worker();
    town.answer(behind).await;
    assert_eq!(town.count(LETTERS).await, 1);
    assert!(town.answers(poison).is_empty());
    eventually("the trial is over", async || {
        (town.count("select count(*) from helpline.shard_trials").await == 0).then_some(())
    })
    .await;
    helpline::dead_letters::replay(&town.db.pool, None).await.expect("asked for");
    town.answer(poison).await;
}

#[tokio::test]
async fn the_owner_after_one_that_died_at_first_goes_with_care_and_loses_nothing() {
    let town = unattended().await;
    let questions = [town.ask(0, REFUND), town.ask(0, BACKUP)];
    let shard = town.shard_of(0).await.db();
    run(&town.db.pool, format!("insert into helpline.shard_trials (shard_id) values ({shard})")).await;
    let _worker = town.worker();
    for question in questions {
        town.answer(question).await;
        assert_eq!(town.answers(question).len(), 1);
    }
    assert_eq!(town.count(LETTERS).await, 0);
}

#[tokio::test]
async fn an_edit_of_a_question_that_waits_changes_the_question() {
    let town = unattended().await;
    let question = town.ask(0, REFUND);
    let QuestionId::Message(message) = question else { unreachable!("a message") };
    let channel = town.server(0).support_channel;
    town.sim.edit(channel, message, town.member(0), BACKUP).expect("his own message");
    let behind = town.ask(0, REFUND);
    stream_id(&town, 0, id(behind)).await;
    let _worker = town.worker();
    let answer = town.answer(question).await;
    assert!(answer.content.contains("Backups"), "{}", answer.content);
    assert_eq!(town.answers(question).len(), 1);
}

#[tokio::test]
async fn a_deleted_question_is_not_answered_even_when_it_comes_once_more() {
    let town = unattended().await;
    let question = town.ask(0, REFUND);
    let QuestionId::Message(message) = question else { unreachable!("a message") };
    let channel = town.server(0).support_channel;
    town.sim.delete(channel, message, town.member(0)).expect("his own message");
    let behind = town.ask(0, BACKUP);
    stream_id(&town, 0, id(behind)).await;
    // As a backfill would bring it that had read the channel before.
    let payload = payload(&town, 0, id(question), REFUND);
    town.append_at(0, "backfill:1", "MESSAGE_CREATE", &payload, now_ms()).await;
    let last = town.ask(0, BACKUP);
    let _worker = town.worker();
    town.answer(behind).await;
    town.answer(last).await;
    town.at_rest().await;
    assert!(town.answers(question).is_empty());
    assert_eq!(town.count("select count(*) from conversations").await, 4, "its first one is left, empty");
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("soon enough")
}

fn payload(town: &Town, server: usize, message: u64, text: &str) -> String {
    let home = town.server(server);
    serde_json::json!({
        "id": message.to_string(), "channel_id": home.support_channel.get().to_string(), "type": 0,
        "guild_id": home.id.get().to_string(), "content": text,
        "author": { "id": town.member(server).get().to_string(), "username": "ada" },
    })
    .to_string()
}

#[tokio::test]
async fn who_asked_during_an_outage_is_answered_with_an_apology_or_told_or_left() {
    let town = unattended().await;
    // Asked while nobody listened.
    run(&town.db.pool, "update servers set config = config || '{\"enabled\": false}'").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let asked: Vec<QuestionId> = (0..3).map(|_| town.ask(0, REFUND)).collect();
    run(&town.db.pool, "update servers set config = config || '{\"enabled\": true}'").await;
    let hour = 3_600_000;
    for (question, age_ms) in asked.iter().zip([60_000, 2 * hour, 30 * hour]) {
        let origin = format!("backfill:{}", id(*question));
        let payload = payload(&town, 0, id(*question), REFUND);
        town.append_at(0, &origin, "MESSAGE_CREATE", &payload, now_ms() - age_ms).await;
    }
    let _worker = town.worker();
    let answer = town.answer(asked[0]).await;
    assert!(answer.content.starts_with("Sorry for the wait."), "{}", answer.content);
    assert!(answer.content.contains("14 days"), "{}", answer.content);
    let told = town.answer(asked[1]).await;
    assert!(told.content.contains("I was away"), "{}", told.content);
    let punctual = town.answer(town.ask(0, BACKUP)).await;
    assert!(!punctual.content.contains("Sorry"), "{}", punctual.content);
    town.at_rest().await;
    assert!(town.answers(asked[2]).is_empty());
}
