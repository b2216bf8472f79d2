//! Whoever asked says nothing more: warned once, closed once, and never while it is not his turn.

use helpline_sim::Permissions;
use helpline_sim::ids::ChannelId;
use helpline_sim::transcript::{BotMessage, Kind};
use serde_json::Value;

use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, FAILED, REFUND, forwarded, helper, is, press, shows, stands, told, town};

/// As if everything had happened so many hours earlier.
pub async fn age(town: &Town, hours: u32) {
    let past = format!("interval '{hours} hours'");
    run(
        &town.db.pool,
        format!(
            "begin;
             update conversations set transcript = (
                 select jsonb_agg(
                     turn || jsonb_build_object('at', to_char(
                         (turn ->> 'at')::timestamptz - {past}, 'YYYY-MM-DD\"T\"HH24:MI:SSOF\":00\"'
                     )) order by n
                 ) from jsonb_array_elements(transcript) with ordinality as turns (turn, n)
             );
             update helpline.silences set since = date_trunc('second', since) - {past}, look_at = look_at - {past},
                 warned_at = warned_at - {past};
             commit"
        ),
    )
    .await;
}

async fn set(town: &Town, config: &str) {
    run(&town.db.pool, format!("update servers set config = config || '{config}'")).await;
}

fn posts(town: &Town, channel: ChannelId, text: &str) -> Vec<BotMessage> {
    let transcript = town.sim.transcript().snapshot();
    let posted = transcript.iter().filter_map(|entry| match &entry.kind {
        Kind::BotMessage(message) if message.channel == channel && message.content.contains(text) => {
            Some(message.clone())
        }
        _ => None,
    });
    posted.collect()
}

async fn posted(town: &Town, channel: ChannelId, text: &str) -> BotMessage {
    eventually("it is said", async || posts(town, channel, text).pop()).await
}

async fn is_archived(town: &Town, thread: ChannelId) -> bool {
    let url = format!("{}/api/v10/channels/{}", town.sim.rest_base(), thread.get());
    let request =
        reqwest::Client::new().get(url).header("authorization", format!("Bot {}", town.sim.token()));
    let request = request.header("user-agent", "DiscordBot (https://helpline.example, 1)");
    let thread: Value = request.send().await.expect("it answers").json().await.expect("a thread");
    thread["thread_metadata"]["archived"] == true
}

const WARNED: &str = "select count(*) from helpline.silences where warned_at is not null";

#[tokio::test]
async fn a_silent_asker_is_warned_then_his_conversation_is_closed_and_put_away_until_he_writes() {
    let town = town().await;
    let _worker = town.worker();
    let (asker, thread) = (town.member(0), town.answer(town.ask(0, REFUND)).await.channel);
    town.at_rest().await;
    age(&town, 49).await;
    let warning = posted(&town, thread, "is this solved?").await;
    assert_eq!((warning.pinged.users.as_slice(), warning.pinged.roles.len()), ([asker].as_slice(), 0));
    let labels: Vec<&str> = warning.components.iter().map(|button| button.label.as_str()).collect();
    assert_eq!(labels, ["I still need help", "It is solved"]);
    town.at_rest().await;
    assert!(!is_archived(&town, thread).await);
    age(&town, 24).await;
    let closed = posted(&town, thread, "I closed this conversation").await;
    assert!(closed.pinged.users.is_empty());
    eventually("the thread is put away", async || is_archived(&town, thread).await.then_some(())).await;
    let numbers = "select count(*) from analytics where resolved_queries = 1 and assumed_resolutions = 1";
    assert_eq!(town.count(numbers).await, 1);
    assert_eq!(town.count("select count(*) from helpline.silences").await, 0);
    // Written in again it goes on, and the silence begins anew.
    assert!(town.answer(town.say(thread, asker, BACKUP)).await.content.contains("Backups"));
    town.at_rest().await;
    assert!(!is_archived(&town, thread).await);
    assert_eq!(town.count("select count(*) from helpline.silences where warned_at is null").await, 1);
    assert_eq!(posts(&town, thread, "is this solved?").len(), 1);
    assert_eq!(town.count(FAILED).await, 0);
}

#[tokio::test]
async fn the_buttons_of_a_warning_close_the_conversation_or_call_a_human() {
    let town = town().await;
    let _worker = town.worker();
    let threads =
        [town.answer(town.ask(0, REFUND)).await.channel, town.answer(town.ask(0, BACKUP)).await.channel];
    town.at_rest().await;
    age(&town, 49).await;
    let solved = posted(&town, threads[0], "is this solved?").await;
    let needed = posted(&town, threads[1], "is this solved?").await;
    town.at_rest().await;
    let other = town.server(0).members[1];
    assert!(told(&town, press(&town, &solved, "close", other)).await.starts_with("Only the member"));
    let both =
        [press(&town, &solved, "close", town.member(0)), press(&town, &solved, "close", town.member(0))];
    let said = [told(&town, both[0]).await, told(&town, both[1]).await];
    assert!(said.iter().any(|text| text.contains("already")), "{said:?}");
    told(&town, press(&town, &needed, "human", town.member(0))).await;
    assert_eq!(stands(&town).await, is("pending", None, "forwarded"));
    let confirmed = "select count(*) from helpline.resolutions where not assumed";
    assert_eq!(
        (town.count(confirmed).await, town.count("select count(*) from helpline.silences").await),
        (1, 0)
    );
    assert!(!is_archived(&town, threads[0]).await, "he still reads in it");
}

#[tokio::test]
async fn a_warning_is_given_once_whoever_owns_the_shard() {
    let town = town().await;
    let worker = town.worker();
    let thread = town.answer(town.ask(0, REFUND)).await.channel;
    town.at_rest().await;
    worker.kill();
    age(&town, 49).await;
    let (first, second) = (town.worker_named("first"), town.worker_named("second"));
    posted(&town, thread, "is this solved?").await;
    first.kill();
    town.at_rest().await;
    // As if the owner had died after Discord took it and before it could note that.
    run(
        &town.db.pool,
        "update helpline.outbox set state = 'pending', message_id = null, sent_at = null where effect = 'warning'",
    )
    .await;
    second.kill();
    let _third = town.worker_named("third");
    town.at_rest().await;
    assert_eq!((posts(&town, thread, "is this solved?").len(), town.count(WARNED).await), (1, 1));
    age(&town, 25).await;
    posted(&town, thread, "I closed this conversation").await;
    town.at_rest().await;
    assert_eq!(posts(&town, thread, "I closed").len(), 1);
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

#[tokio::test]
async fn a_ticket_is_resolved_for_the_silence_of_its_asker_and_never_for_that_of_staff() {
    let town = town().await;
    set(&town, r#"{"ticket_auto_resolve_hours": 48, "close_warning_hours": 24}"#).await;
    let _worker = town.worker();
    let (answer, message) = forwarded(&town).await;
    let (asker, one, thread) = (town.member(0), helper(&town, 1), answer.channel);
    told(&town, press(&town, &message, "claim", one)).await;
    shows(&town, "**Claimed**").await;
    town.say(thread, asker, "it is urgent");
    town.answer(town.ask(0, BACKUP)).await;
    town.at_rest().await;
    age(&town, 500).await;
    // The other conversation shows that it was looked at.
    eventually("the other one is warned", async || (town.count(WARNED).await == 1).then_some(())).await;
    assert!(posts(&town, thread, "is this solved?").is_empty(), "staff have the last word to say");
    town.say(thread, one, "does it work now?");
    eventually("staff were heard", async || {
        (town.count("select count(*) from helpline.silences where warned_at is null").await == 1)
            .then_some(())
    })
    .await;
    age(&town, 25).await;
    let warning = posted(&town, thread, "is this solved?").await;
    assert!(warning.components.is_empty());
    town.at_rest().await;
    assert_eq!(stands(&town).await, is("assigned", Some(one), "forwarded"));
    age(&town, 25).await;
    let message = shows(&town, &format!("**Resolved** by <@{}>", one.get())).await;
    assert!(message.content.contains("Resolved by itself"), "{}", message.content);
    assert_eq!(stands(&town).await, is("resolved", Some(one), "completed"));
    assert_eq!(
        town.count("select count(*) from helpline.resolutions where assumed").await,
        2,
        "both of them"
    );
    told(&town, press(&town, &message, "reopen", one)).await;
    assert_eq!(town.count("select count(*) from helpline.resolutions").await, 1, "it is open again");
    assert_eq!(town.count(FAILED).await, 0);
}

#[tokio::test]
async fn where_support_was_switched_off_nobody_is_warned() {
    let town = town().await;
    let _worker = town.worker();
    let threads =
        [town.answer(town.ask(0, REFUND)).await.channel, town.answer(town.ask(1, BACKUP)).await.channel];
    town.at_rest().await;
    let off = town.server(0).id.get();
    run(
        &town.db.pool,
        format!("update servers set config = config || '{{\"enabled\": false}}' where id = {off}"),
    )
    .await;
    // The worker knows it before the silence is due.
    eventually("it is known", async || {
        let asked = [("question", serde_json::json!(REFUND))];
        let used = town.sim.slash(town.server(0).general_channel, town.member(0), "ask", &asked).ok()?;
        let said = town.answer(helpline_sim::matching::QuestionId::Interaction(used)).await;
        said.content.contains("switched off").then_some(())
    })
    .await;
    age(&town, 49).await;
    posted(&town, threads[1], "is this solved?").await;
    eventually("nobody is waited for where it is off", async || {
        let waiting = "select count(*) from helpline.silences where warned_at is null and look_at < now()";
        (town.count(waiting).await == 0).then_some(())
    })
    .await;
    town.at_rest().await;
    assert!(posts(&town, threads[0], "is this solved?").is_empty());
}

#[tokio::test]
async fn what_is_switched_off_or_not_permitted_is_left_alone() {
    let town = town().await;
    run(
        &town.db.pool,
        format!(
            "update servers set config = config || '{{\"auto_close_hours\": 0}}' where id = {}",
            town.server(1).id.get()
        ),
    )
    .await;
    let _worker = town.worker();
    let thread = town.answer(town.ask(0, REFUND)).await.channel;
    let other = town.answer(town.ask(1, BACKUP)).await.channel;
    town.at_rest().await;
    // The bot may no longer write there.
    let bot = helpline_sim::Target::Member(town.sim.config().bot);
    let lacks =
        Permissions::SEND_MESSAGES_IN_THREADS | Permissions::SEND_MESSAGES | Permissions::MANAGE_THREADS;
    let channel = town.server(0).support_channel;
    town.sim.set_overwrite(channel, bot, Some((Permissions::NONE, lacks))).expect("it is set");
    age(&town, 49).await;
    eventually("the warning is due", async || (town.count(WARNED).await == 1).then_some(())).await;
    age(&town, 24).await;
    let closed = "select count(*) from conversations where status = 'completed'";
    eventually("it is closed all the same", async || (town.count(closed).await == 1).then_some(())).await;
    town.at_rest().await;
    assert!(posts(&town, thread, "solved").is_empty() && posts(&town, other, "solved").is_empty());
    assert_eq!(town.count(FAILED).await, 0, "nobody misses it");
}
