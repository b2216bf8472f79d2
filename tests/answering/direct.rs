//! Direct messages: which server they go to, what is answered there, and how staff and members speak with each other.

use std::collections::HashMap;

use helpline_sim::ids::{ChannelId, InteractionId, UserId};
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::transcript::{BotMessage, Kind};
use serde_json::Value;

use crate::faults::{entry_of, number};
use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, REFUND, helper, press, resolve, shows, ticket, told, town};

const ROUTES: &str = "select count(*) from helpline.dm_routes";
const WAITING: &str = "select count(*) from helpline.dm_waiting";
const TOLD: &str = "select count(*) from helpline.dm_desk where state <> 'due'";

fn dm(town: &Town, member: UserId) -> ChannelId {
    town.sim.dm_channel(member).expect("they can write to each other")
}

fn write(town: &Town, member: UserId, text: &str) -> QuestionId {
    town.say(dm(town, member), member, text)
}

/// A member of both servers.
fn of_both(town: &Town) -> UserId {
    let member = town.member(0);
    town.sim.member_joins(town.server(1).id, member).expect("he joins");
    member
}

/// The list of servers that he was shown in answer to a message.
async fn list(town: &Town, question: QuestionId) -> Answer {
    let shown = town.answer(question).await;
    assert!(shown.content.starts_with("Which server"), "{}", shown.content);
    assert!(shown.components[0].custom_id.starts_with("dm:"), "{:?}", shown.components);
    shown
}

fn choose(town: &Town, list: &Answer, member: UserId, server: usize) -> InteractionId {
    let server = [town.server(server).id.get().to_string()];
    let custom_id = &list.components[0].custom_id;
    town.sim.select(list.channel, list.message, custom_id, member, &server).expect("it is offered")
}

/// What the list of servers turns into.
async fn turned(town: &Town, list: &Answer, text: &str) {
    eventually("the list says what was chosen", async || {
        let now = town.sim.transcript().snapshot().into_iter().rev().find_map(|entry| match &entry.kind {
            Kind::BotEdit(message) if message.id == list.message => Some(message.content.clone()),
            _ => None,
        });
        now.filter(|now| now.contains(text))
    })
    .await;
}

/// Nothing waits at the desk either.
async fn at_rest(town: &Town) {
    let left = "select (select count(*) from helpline.dm_outbox) + (select count(*) from helpline.dm_desk where state = 'due')
                + (select count(*) from helpline.held_events)";
    eventually("everybody was received", async || (town.count(left).await == 0).then_some(())).await;
    town.at_rest().await;
}

fn answers(town: &Town, question: QuestionId, member: UserId) -> Vec<String> {
    let channel = dm(town, member);
    let answers = town.answers(question).into_iter().filter(|answer| answer.channel == channel);
    answers.map(|answer| answer.content).collect()
}

fn posted(town: &Town, channel: ChannelId) -> Vec<BotMessage> {
    let transcript = town.sim.transcript().snapshot();
    let posted = transcript.into_iter().filter_map(|entry| match &entry.kind {
        Kind::BotMessage(message) if message.channel == channel => Some(message.clone()),
        _ => None,
    });
    posted.collect()
}

async fn says(town: &Town, channel: ChannelId, text: &str) -> BotMessage {
    eventually("it is said there", async || {
        posted(town, channel).into_iter().find(|message| message.content.contains(text))
    })
    .await
}

#[tokio::test]
async fn who_shares_one_server_is_answered_there_without_a_question_and_goes_on() {
    let town = town().await;
    let _worker = town.worker();
    let member = town.member(1);
    let first = write(&town, member, REFUND);
    let answer = town.answer(first).await;
    assert!(answer.content.contains("14 days") && answer.content.contains("Sources"), "{}", answer.content);
    assert_eq!((answer.guild, answer.channel, answer.components.len()), (None, dm(&town, member), 4));
    let second = write(&town, member, BACKUP);
    assert!(town.answer(second).await.content.contains("Backups"));
    at_rest(&town).await;
    assert_eq!((answers(&town, first, member).len(), answers(&town, second, member).len()), (1, 1));
    let of_server =
        format!("select count(*) from conversations where server_id = {}", town.server(1).id.get());
    let one: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(of_server)).fetch_one(&town.db.pool).await.expect("a count");
    assert_eq!((one, town.count("select count(*) from conversations").await), (1, 1), "one talk");
    let vote = town.sim.press(answer.channel, answer.message, &answer.components[1].custom_id, member);
    assert!(told(&town, vote.expect("the button is there")).await.starts_with("Thank you"));
    assert_eq!(town.count("select count(*) from helpline.feedback where helpful").await, 1);
    let wordless = write(&town, member, " \u{200b} ");
    assert!(town.answer(wordless).await.content.starts_with("I can only read words"));
}

#[tokio::test]
async fn who_shares_several_chooses_once_and_what_he_wrote_meanwhile_is_answered_in_order() {
    let town = town().await;
    let _worker = town.worker();
    let member = of_both(&town);
    let first = write(&town, member, REFUND);
    let shown = list(&town, first).await;
    let second = write(&town, member, BACKUP);
    eventually("both wait", async || (town.count(WAITING).await == 2).then_some(())).await;
    choose(&town, &shown, member, 1);
    choose(&town, &shown, member, 1);
    turned(&town, &shown, "Your direct messages to me go to").await;
    eventually("both are answered", async || {
        let both = (answers(&town, first, member).len(), answers(&town, second, member).len());
        (both == (2, 1)).then_some(())
    })
    .await;
    let third = write(&town, member, REFUND);
    town.answer(third).await;
    at_rest(&town).await;
    let said: Vec<bool> = posted(&town, dm(&town, member))
        .iter()
        .filter(|message| message.content.contains("Sources"))
        .map(|message| message.content.contains("14 days"))
        .collect();
    assert_eq!(said, [true, false, true], "in the order of the questions, each once");
    assert_eq!((town.count(ROUTES).await, town.count(WAITING).await), (1, 0));
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
    // And he changes his mind.
    let used = eventually("the command is registered", async || {
        town.sim.slash(dm(&town, member), member, "server", &[]).ok()
    })
    .await;
    let shown = town.answer(QuestionId::Interaction(used)).await;
    choose(&town, &shown, member, 0);
    let fourth = write(&town, member, BACKUP);
    assert!(town.answer(fourth).await.content.contains("Backups"));
    let of_servers = "select count(distinct server_id) from conversations";
    assert_eq!(town.count(of_servers).await, 2);
}

#[tokio::test]
async fn whom_no_server_takes_is_told_once_what_to_do() {
    let town = town().await;
    run(&town.db.pool, "update servers set config = config || '{\"enabled\": false}'").await;
    let _worker = town.worker();
    let member = town.member(0);
    let first = write(&town, member, REFUND);
    let answer = town.answer(first).await;
    assert!(answer.content.starts_with("I know of no server"), "{}", answer.content);
    eventually("it is noted", async || (town.count(TOLD).await == 1).then_some(())).await;
    let flood: Vec<QuestionId> = (0..4).map(|_| write(&town, member, BACKUP)).collect();
    eventually("they have come", async || (town.count(WAITING).await == 4).then_some(())).await;
    at_rest(&town).await;
    assert!(flood.iter().all(|question| town.answers(*question).is_empty()));
    assert_eq!(posted(&town, dm(&town, member)).len(), 1);
    // He does what he was told.
    run(&town.db.pool, "update servers set config = config || '{\"enabled\": true}'").await;
    let used = eventually("the command is registered", async || {
        let question = [("question", serde_json::json!(REFUND))];
        town.sim.slash(town.server(0).general_channel, member, "ask", &question).ok()
    })
    .await;
    town.answer(QuestionId::Interaction(used)).await;
    at_rest(&town).await;
    let again = write(&town, member, BACKUP);
    assert!(town.answer(again).await.content.contains("Backups"));
}

#[tokio::test]
async fn whatever_dies_on_the_way_each_direct_message_is_answered_once() {
    let town = town().await;
    let member = of_both(&town);
    let mut worker = town.worker();
    let first = write(&town, member, REFUND);
    worker.kill();
    worker = town.worker();
    let shown = list(&town, first).await;
    worker.kill();
    // Nobody is there: the choice and what follows wait in the stream.
    let second = write(&town, member, BACKUP);
    choose(&town, &shown, member, 1);
    let third = write(&town, member, REFUND);
    worker = town.worker();
    eventually("the choice is stored", async || (town.count(ROUTES).await == 1).then_some(())).await;
    worker.kill();
    let _last = town.worker();
    for question in [second, third] {
        town.answer(question).await;
    }
    at_rest(&town).await;
    assert_eq!(answers(&town, first, member).len(), 2, "the list, and the answer");
    assert_eq!((answers(&town, second, member).len(), answers(&town, third, member).len()), (1, 1));
    let lists = posted(&town, dm(&town, member));
    let lists = lists.iter().filter(|message| message.content.starts_with("Which server")).count();
    assert_eq!(lists, 1, "he was asked once");
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

#[tokio::test]
async fn what_waits_for_a_choice_is_answered_as_edited_and_not_when_deleted() {
    let town = town().await;
    let _worker = town.worker();
    let member = of_both(&town);
    let channel = dm(&town, member);
    let edited = write(&town, member, REFUND);
    let shown = list(&town, edited).await;
    let deleted = write(&town, member, BACKUP);
    let message = |question| helpline_sim::ids::MessageId(number(question));
    town.sim.edit(channel, message(edited), member, BACKUP).expect("his own");
    town.sim.delete(channel, message(deleted), member).expect("his own");
    eventually("all of it waits", async || (town.count(WAITING).await == 4).then_some(())).await;
    choose(&town, &shown, member, 0);
    eventually("it is answered", async || {
        answers(&town, edited, member).iter().any(|answer| answer.contains("Backups")).then_some(())
    })
    .await;
    at_rest(&town).await;
    assert!(town.answers(deleted).is_empty());
}

#[tokio::test]
async fn staff_and_a_member_speak_through_a_private_thread_which_is_theirs_alone() {
    let town = town().await;
    let _worker = town.worker();
    let member = town.member(0);
    let answer = town.answer(write(&town, member, REFUND)).await;
    let asked = town.sim.press(answer.channel, answer.message, &answer.components[0].custom_id, member);
    assert!(told(&town, asked.expect("the button is there")).await.starts_with("A human has been asked"));
    let called = ticket(&town).await;
    assert_eq!(called.pinged.roles, [town.server(0).support_role]);
    let thread = called.channel;
    let readers = town.sim.permissions(thread, town.server(0).members[1]);
    assert!(
        readers.is_none_or(|may| !may.has(helpline_sim::permissions::Permissions::VIEW_CHANNEL)),
        "no other member reads it"
    );
    told(&town, press(&town, &called, "claim", helper(&town, 0))).await;
    says(&town, dm(&town, member), "takes care of your question").await;
    town.say(thread, helper(&town, 0), "// is he a customer?");
    town.say(thread, helper(&town, 0), "Which invoice is it?");
    says(&town, dm(&town, member), "Which invoice is it?").await;
    let reply = write(&town, member, "number 77");
    says(&town, thread, "number 77").await;
    assert!(town.answers(reply).is_empty(), "the bot leaves it to them");
    let claimed = shows(&town, "**Claimed**").await;
    told(&town, resolve(&town, &claimed, helper(&town, 0), "done").await).await;
    says(&town, dm(&town, member), "marked your question as resolved").await;
    let next = town.answer(write(&town, member, BACKUP)).await;
    assert!(next.content.contains("Backups"), "the bot answers again: {}", next.content);
    at_rest(&town).await;
    assert!(posted(&town, dm(&town, member)).iter().all(|it| !it.content.contains("customer")));
    let elsewhere = posted(&town, town.server(0).support_channel);
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[tokio::test]
async fn a_member_who_has_left_his_server_is_not_answered_there() {
    let town = town().await;
    let _worker = town.worker();
    let member = of_both(&town);
    let shown = list(&town, write(&town, member, REFUND)).await;
    choose(&town, &shown, member, 1);
    eventually("the choice is stored", async || (town.count(ROUTES).await == 1).then_some(())).await;
    at_rest(&town).await;
    town.sim.member_leaves(town.server(1).id, member).expect("he leaves");
    run(&town.db.pool, "update helpline.dm_routes set checked_at = now() - interval '2 hours'").await;
    assert!(town.answer(write(&town, member, BACKUP)).await.content.contains("Backups"));
    let now =
        format!("select count(*) from helpline.dm_routes where server_id = {}", town.server(0).id.get());
    let here: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(now)).fetch_one(&town.db.pool).await.expect("a count");
    assert_eq!(here, 1);
}

#[tokio::test]
async fn a_crafted_press_reaches_no_other_members_conversation_and_no_server_that_was_not_offered() {
    let town = town().await;
    let _worker = town.worker();
    let (member, other) = (town.member(0), town.server(0).members[1]);
    let theirs = town.answer(write(&town, other, REFUND)).await;
    let own = town.answer(write(&town, member, REFUND)).await;
    let pressed = town.sim.press(own.channel, own.message, &own.components[1].custom_id, member);
    let pressed = pressed.expect("the button is there");
    told(&town, pressed).await;
    let (_, payload) = entry_of(&town, 0, pressed.get(), "INTERACTION_CREATE").await;
    let mut crafted: Value = serde_json::from_str(&payload).expect("JSON");
    let forged = [
        theirs.components[0].custom_id.clone(),
        theirs.components[1].custom_id.clone(),
        format!("claim:{}:x", uuid::Uuid::max()),
    ];
    for (n, custom_id) in (1u64..).zip(forged) {
        crafted["id"] = (pressed.get() + n).to_string().into();
        crafted["data"]["custom_id"] = custom_id.into();
        append_direct(&town, &format!("crafted:{n}"), &crafted.to_string()).await;
    }
    crafted["id"] = (pressed.get() + 9).to_string().into();
    crafted["data"]["custom_id"] = "dm:list".into();
    crafted["data"]["values"] = vec![town.server(1).id.get().to_string()].into();
    append_direct(&town, "crafted:9", &crafted.to_string()).await;
    assert!(town.answer(write(&town, member, BACKUP)).await.content.contains("Backups"));
    at_rest(&town).await;
    assert_eq!(town.count("select count(*) from helpline.feedback").await, 1, "his own");
    assert_eq!(town.count("select count(*) from forwarded_tickets").await, 0);
    let there = format!("select count(*) from conversations where server_id = {}", town.server(1).id.get());
    let there: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(there)).fetch_one(&town.db.pool).await.expect("a count");
    assert_eq!(there, 0, "he is not in that server");
}

/// Appends an interaction of no server to the log of shard 0, past the proxy.
async fn append_direct(town: &Town, origin: &str, payload: &str) {
    let mut redis = town.redis.connection().await;
    let stream = town.keys.stream(helpline_cluster::ids::ShardId(0));
    let newest: Vec<(String, HashMap<String, String>)> = redis::cmd("XREVRANGE")
        .arg(&stream)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1)
        .query_async(&mut redis)
        .await
        .expect("range");
    let (incarnation, _) = newest[0].0.split_once('-').expect("an id");
    let mut add = redis::cmd("XADD");
    add.arg(&stream).arg(format!("{incarnation}-*"));
    add.arg(&[("k", origin), ("t", "INTERACTION_CREATE"), ("r", "1700000000000"), ("d", payload)]);
    let _: String = add.query_async(&mut redis).await.expect("the entry is appended");
}
