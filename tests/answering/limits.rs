//! What a server's admins allow a member: so many questions in an hour, of such a length.

use helpline::discord::MessageId;
use helpline_sim::Config;
use helpline_sim::ids::{ChannelId, InteractionId, UserId};
use helpline_sim::matching::QuestionId;
use helpline_sim::transcript::{BotMessage, Kind};
use serde_json::json;

use crate::faults::{append, entry_of, number};
use crate::harness::Town;
use crate::support::{eventually, run};

const REFUND: &str = "how long do I have to ask for a refund?";
const BACKUP: &str = "how do I restore a backup?";
const NOTES: &str = "select count(*) from helpline.outbox where effect = 'limit'";
const ASKED: &str = "select count(*) from helpline.asked";
const CONVERSATIONS: &str = "select count(*) from conversations";

/// A server that allows so much, without a worker yet.
async fn town(key: &str, limit: u32) -> Town {
    let town = Town::with(Config {
        servers: 2,
        interaction_deadline: std::time::Duration::from_secs(60),
        ..Config::default()
    })
    .await;
    run(&town.db.pool, format!("update servers set config = config || '{{\"{key}\": {limit}}}'")).await;
    town
}

async fn slash(town: &Town, member: UserId, text: &str) -> InteractionId {
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"ask".to_owned()).then_some(())
    })
    .await;
    let channel = town.server(0).general_channel;
    town.sim.slash(channel, member, "ask", &[("question", json!(text))]).expect("the command exists")
}

/// The answer to a question of somebody else's shows that everything before it has been applied.
async fn passed(town: &Town) {
    let server = town.server(0);
    town.answer(town.say(server.support_channel, server.members[1], REFUND)).await;
    town.at_rest().await;
}

/// The n-th note that the first member was sent in his direct messages.
async fn noted(town: &Town, nth: usize) -> BotMessage {
    let channel = town.sim.dm_channel(town.member(0)).expect("they can write to each other");
    eventually("a note came", async || {
        let transcript = town.sim.transcript().snapshot();
        let mut posted = transcript.iter().filter_map(|entry| match &entry.kind {
            Kind::BotMessage(message) if message.channel == channel => Some(message.clone()),
            _ => None,
        });
        posted.nth(nth - 1)
    })
    .await
}

/// The moment that a note names, in seconds since 1970.
fn named(note: &BotMessage) -> u64 {
    let (_, from) = note.content.split_once("<t:").unwrap_or_else(|| panic!("no time in {}", note.content));
    from.split_once(":R>").expect("a relative time").0.parse().expect("seconds")
}

/// An hour after a question, in whole seconds since 1970.
fn hour_after(question: QuestionId) -> u64 {
    MessageId(number(question)).unix_ms() / 1_000 + 3_600
}

#[tokio::test]
async fn beyond_the_number_of_an_hour_a_member_is_told_once_when_to_come_back() {
    let town = town("max_messages_per_user", 2).await;
    let _worker = town.worker();
    let first = town.ask(0, REFUND);
    town.answer(first).await;
    town.answer(town.ask(0, BACKUP)).await;
    let flood: Vec<QuestionId> = (0..5).map(|_| town.ask(0, BACKUP)).collect();
    let mention = town.mention(0, BACKUP);
    let note = noted(&town, 1).await;
    assert!(note.content.contains("2 questions within an hour"), "{}", note.content);
    let asked = format!("/{}/{}", town.server(0).support_channel.get(), number(flood[0]));
    assert!(note.content.ends_with(&asked), "it names what was asked: {}", note.content);
    assert!((0..=1).contains(&(named(&note) - hour_after(first))), "{}", note.content);
    passed(&town).await;
    assert!(flood.iter().chain([&mention]).all(|question| town.answers(*question).is_empty()));
    assert_eq!((town.count(NOTES).await, town.count(CONVERSATIONS).await), (1, 3));
    // Whoever asks by an interaction is told each time, and alone.
    for _ in 0..2 {
        let pressed = slash(&town, town.member(0), BACKUP).await;
        let told = town.answer(QuestionId::Interaction(pressed)).await;
        assert!(told.ephemeral && told.content.contains("2 questions"), "{}", told.content);
    }
    // Another server counts for itself.
    town.answer(town.say(town.server(1).support_channel, town.member(1), BACKUP)).await;
}

#[tokio::test]
async fn an_hour_after_a_question_its_place_is_free_again() {
    let town = town("max_messages_per_user", 2).await;
    let _worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    let second = town.ask(0, BACKUP);
    town.answer(second).await;
    town.ask(0, BACKUP);
    assert!(noted(&town, 1).await.content.contains("again <t:"));
    // As if the first had been asked an hour before the second.
    let aged = "update helpline.asked set event_id = event_id - (3600000::bigint << 22)
                where event_id = (select min(event_id) from helpline.asked)";
    run(&town.db.pool, aged).await;
    assert!(town.answer(town.ask(0, BACKUP)).await.content.contains("Backups"));
    town.ask(0, BACKUP);
    let note = noted(&town, 2).await;
    assert!((0..=1).contains(&(named(&note) - hour_after(second))), "another moment, another note");
}

#[tokio::test]
async fn messages_mentions_and_commands_count_together_and_once_whatever_brings_them_again() {
    let town = town("max_messages_per_user", 4).await;
    let worker = town.worker();
    let (message, mention) = (town.ask(0, REFUND), town.mention(0, BACKUP));
    let thread = town.answer(message).await.channel;
    town.answer(mention).await;
    let command = QuestionId::Interaction(slash(&town, town.member(0), BACKUP).await);
    town.answer(command).await;
    for (question, kind) in
        [(message, "MESSAGE_CREATE"), (mention, "MESSAGE_CREATE"), (command, "INTERACTION_CREATE")]
    {
        let (origin, payload) = entry_of(&town, 0, number(question), kind).await;
        append(&town, 0, &origin, kind, &payload).await;
        append(&town, 0, &format!("another-session:{}", number(question)), kind, &payload).await;
    }
    passed(&town).await;
    worker.kill();
    // The next owner reads all of it again.
    run(&town.db.pool, "update helpline.shard_streams set cursor_seq = 0").await;
    let _next = town.worker();
    passed(&town).await;
    let member = town.member(0).get();
    let counted = format!("select count(*) from helpline.asked where user_id = {member}");
    let counted: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(counted)).fetch_one(&town.db.pool).await.expect("count");
    assert_eq!(counted, 3);
    let fourth = town.say(thread, town.member(0), BACKUP);
    assert!(town.answer(fourth).await.content.contains("Backups"), "one place was left");
    let fifth = town.say(thread, town.member(0), BACKUP);
    assert!(noted(&town, 1).await.content.contains("4 questions"));
    town.at_rest().await;
    assert_eq!((town.answers(fifth).len(), town.count(NOTES).await), (0, 1));
}

#[tokio::test]
async fn who_takes_no_direct_messages_is_told_where_he_asked() {
    let town = town("max_messages_per_user", 1).await;
    let _worker = town.worker();
    town.sim.set_takes_dms(town.member(0), false);
    let thread = town.answer(town.ask(0, REFUND)).await.channel;
    let second = town.say(thread, town.member(0), BACKUP);
    let note = town.answer(second).await;
    assert!(note.content.contains("one question"), "{}", note.content);
    assert_eq!(note.channel, thread);
    passed(&town).await;
    assert_eq!((town.answers(second).len(), town.count(NOTES).await), (1, 1));
}

#[tokio::test]
async fn of_two_questions_at_once_for_one_place_one_is_answered() {
    let town = town("max_messages_per_user", 1).await;
    let worker = town.worker();
    passed(&town).await;
    worker.kill();
    // Both wait in the log, and are applied in one transaction.
    let message = town.ask(0, BACKUP);
    let command = slash(&town, town.member(0), BACKUP).await;
    entry_of(&town, 0, command.get(), "INTERACTION_CREATE").await;
    let _worker = town.worker();
    assert!(town.answer(message).await.content.contains("Backups"));
    let told = town.answer(QuestionId::Interaction(command)).await;
    assert!(told.content.contains("one question"), "{}", told.content);
    town.at_rest().await;
    assert_eq!((town.answers(message).len(), town.answers(QuestionId::Interaction(command)).len()), (1, 1));
    assert_eq!((town.count(ASKED).await, town.count(CONVERSATIONS).await), (2, 2));
}

#[tokio::test]
async fn what_is_not_said_to_the_bot_is_neither_counted_nor_answered_with_a_note() {
    let town = town("max_messages_per_user", 1).await;
    let _worker = town.worker();
    let server = town.server(0);
    let (asker, other) = (server.members[0], server.members[2]);
    let answer = town.answer(town.ask(0, REFUND)).await;
    let button = &answer.components[0].custom_id;
    for _ in 0..3 {
        town.say(server.general_channel, asker, "good morning all");
        town.say(answer.channel, other, "same here");
    }
    let pressed = town.sim.press(answer.channel, answer.message, button, asker).expect("the button is there");
    town.answer(QuestionId::Interaction(pressed)).await;
    // A human has it now.
    town.say(answer.channel, asker, "are you there?");
    town.say(answer.channel, asker, &format!("{} and you?", town.sim.bot_mention()));
    passed(&town).await;
    assert_eq!((town.count(NOTES).await, town.count(ASKED).await), (0, 2), "his, and the one that passed");
}

#[tokio::test]
async fn a_question_that_is_too_long_is_told_how_long_it_may_be() {
    let town = town("max_text_length", 45).await;
    let _worker = town.worker();
    let long = format!("{BACKUP} I ask because I have lost all of my world.");
    let talk = town.say(town.server(0).general_channel, town.member(0), &long);
    let asked = town.ask(0, &long);
    let note = noted(&town, 1).await;
    assert!(note.content.contains("45 characters at most"), "{}", note.content);
    let (again, mention) = (town.ask(0, &long), town.mention(0, &long));
    let told = town.answer(QuestionId::Interaction(slash(&town, town.member(0), &long).await)).await;
    assert!(told.ephemeral && told.content.contains("45 characters"), "{}", told.content);
    passed(&town).await;
    assert!([talk, asked, again, mention].iter().all(|question| town.answers(*question).is_empty()));
    assert_eq!((town.count(ASKED).await, town.count(CONVERSATIONS).await), (1, 1), "it costs no place");
    // The mention itself is no part of the question.
    assert!(town.answer(town.mention(0, BACKUP)).await.content.contains("Backups"));
}

#[tokio::test]
async fn who_asked_when_is_forgotten_after_a_day() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    let server = town.server(0).id.get();
    let old = MessageId::at(time::OffsetDateTime::now_utc() - time::Duration::hours(26)).0;
    run(
        &town.db.pool,
        format!("insert into helpline.asked values ({server}, 7, {old}), ({server}, 8, {old})"),
    )
    .await;
    let worker = town.db.role("helpline_worker").into();
    helpline::worker::janitor::sweep(&worker, &[]).await.expect("swept");
    assert_eq!(town.count(ASKED).await, 1);
}

/// A thread is where the conversation goes on, and so where its asker is told.
#[tokio::test]
async fn a_bare_mention_is_explained_once_in_a_while() {
    let town = Town::new().await;
    let _worker = town.worker();
    let mention = town.sim.bot_mention();
    let channel: ChannelId = town.server(0).general_channel;
    let bare: Vec<QuestionId> = (0..3).map(|_| town.say(channel, town.member(0), &mention)).collect();
    passed(&town).await;
    assert_eq!(bare.iter().map(|question| town.answers(*question).len()).sum::<usize>(), 1);
}
