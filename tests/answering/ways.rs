//! Ways to ask beside the support channel: posts in forums, threads of members, and "Ask Helpline" on a message.

use std::time::Duration;

use helpline_sim::Config;
use helpline_sim::ids::{ChannelId, InteractionId, MessageId, UserId};
use helpline_sim::matching::QuestionId;

use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, REFUND, told};

async fn town() -> Town {
    let config = Config {
        servers: 2,
        forums: true,
        interaction_deadline: Duration::from_secs(60),
        ..Config::default()
    };
    let town = Town::with(config).await;
    let forum = forum(&town, 0).get();
    let id = town.server(0).id.get();
    let channels = format!("config -> 'channels' || '[\"{forum}\"]'");
    run(
        &town.db.pool,
        format!(
            "update servers set config = config || jsonb_build_object('channels', {channels}) where id = {id}"
        ),
    )
    .await;
    town
}

fn forum(town: &Town, server: usize) -> ChannelId {
    town.server(server).forum.expect("servers have a forum")
}

/// A post's first message has the post's id.
fn starter(thread: ChannelId) -> QuestionId {
    QuestionId::Message(MessageId(thread.get()))
}

async fn message_of(question: QuestionId) -> MessageId {
    let QuestionId::Message(message) = question else { panic!("it was a message") };
    message
}

async fn about(town: &Town, channel: ChannelId, member: UserId, target: MessageId) -> InteractionId {
    eventually("the command is registered", async || {
        town.sim.use_on_message(channel, member, "Ask Helpline", target).ok()
    })
    .await
}

#[tokio::test]
async fn a_post_in_a_listed_forum_is_answered_in_it_and_goes_on_there() {
    let town = town().await;
    let _worker = town.worker();
    let (asker, other) = (town.member(0), town.server(0).members[1]);
    let post = town.sim.open_post(forum(&town, 0), asker, "Refund", REFUND, &[]).expect("a post");
    let answer = town.answer(starter(post)).await;
    assert_eq!(answer.channel, post);
    assert!(answer.content.contains("14 days"), "{}", answer.content);
    let chatter = town.say(post, other, BACKUP);
    let more = town.say(post, asker, BACKUP);
    assert!(town.answer(more).await.content.contains("Backups"));
    let elsewhere =
        town.sim.open_post(forum(&town, 1), town.member(1), "Refund", REFUND, &[]).expect("a post");
    town.at_rest().await;
    town.caught_up(1).await;
    assert!(town.answers(chatter).is_empty(), "others talk among themselves");
    assert!(town.answers(starter(elsewhere)).is_empty(), "that forum is not listed");
    assert_eq!(town.count("select count(*) from conversations").await, 1);
    let started = "select count(*) from helpline.outbox where effect = 'thread'";
    assert_eq!(town.count(started).await, 0, "a post is a thread already");
}

#[tokio::test]
async fn what_the_body_of_a_post_leaves_out_is_read_in_its_title() {
    let town = town().await;
    let _worker = town.worker();
    let post = town.sim.open_post(forum(&town, 0), town.member(0), "restore a backup", "how?", &[]);
    let answer = town.answer(starter(post.expect("a post"))).await;
    assert!(answer.content.contains("Backups") && !answer.content.contains("Refunds"), "{}", answer.content);
}

#[tokio::test]
async fn a_thread_that_a_member_opens_in_a_support_channel_is_one_question_of_his() {
    let town = town().await;
    let _worker = town.worker();
    let (asker, other) = (town.member(0), town.server(0).members[1]);
    let channel = town.server(0).support_channel;
    let thread = town.sim.open_thread(channel, asker, "my refund", None, false).expect("a thread");
    let answer = town.answer(town.say(thread, asker, REFUND)).await;
    assert_eq!(answer.channel, thread);
    let talk =
        town.sim.open_thread(town.server(0).general_channel, asker, "talk", None, false).expect("a thread");
    let unheard = [town.say(talk, asker, BACKUP), town.say(thread, other, BACKUP)];
    town.at_rest().await;
    town.caught_up(0).await;
    assert!(unheard.iter().all(|it| town.answers(*it).is_empty()));
}

#[tokio::test]
async fn whoever_wrote_a_message_has_it_answered_in_a_thread_on_it_once() {
    let town = town().await;
    let _worker = town.worker();
    let (asker, channel) = (town.member(0), town.server(0).general_channel);
    let said = town.say(channel, asker, REFUND);
    let target = message_of(said).await;
    let used = about(&town, channel, asker, target).await;
    let answer = town.answer(said).await;
    assert!(answer.content.contains("14 days") && !answer.ephemeral, "{}", answer.content);
    assert_eq!(answer.channel.get(), target.get());
    assert_eq!(told(&town, used).await, format!("I answer in <#{}>.", target.get()));
    let again = about(&town, channel, asker, target).await;
    assert!(told(&town, again).await.starts_with("That has been answered already"));
    assert_eq!(town.answers(said).len(), 1);
    let follow_up = town.say(ChannelId(target.get()), asker, BACKUP);
    assert!(town.answer(follow_up).await.content.contains("Backups"));
}

#[tokio::test]
async fn staff_have_a_members_message_answered_and_other_members_read_the_answer_alone() {
    let town = town().await;
    let _worker = town.worker();
    let (asker, other, channel) = (town.member(0), town.server(0).members[1], town.server(0).general_channel);
    let said = town.say(channel, asker, REFUND);
    let target = message_of(said).await;
    let used = about(&town, channel, other, target).await;
    let private = town.answer(QuestionId::Interaction(used)).await;
    assert!(private.ephemeral && private.content.contains("14 days"), "{}", private.content);
    town.at_rest().await;
    assert!(town.answers(said).is_empty(), "nobody makes the bot speak up in the talk of others");
    let used = about(&town, channel, town.server(0).staff[0], target).await;
    assert!(town.answer(said).await.content.contains("14 days"));
    assert!(told(&town, used).await.starts_with("I answer in"));
    // The thread is the asker's, not theirs who asked for him.
    let follow_up = town.say(ChannelId(target.get()), asker, BACKUP);
    assert!(town.answer(follow_up).await.content.contains("Backups"));
}

#[tokio::test]
async fn nothing_is_asked_about_a_bots_message_nor_where_support_is_off() {
    let town = town().await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    let used = about(&town, answer.channel, town.member(0), answer.message).await;
    assert!(told(&town, used).await.starts_with("That was written by a bot"));
    let said = town.say(town.server(1).general_channel, town.member(1), REFUND);
    let off = format!(
        "update servers set config = config || '{{\"enabled\": false}}' where id = {}",
        town.server(1).id.get()
    );
    run(&town.db.pool, off).await;
    let target = message_of(said).await;
    let channel = town.server(1).general_channel;
    eventually("the config is in force", async || {
        let used = about(&town, channel, town.member(1), target).await;
        told(&town, used).await.starts_with("Support is switched off").then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_the_message_content_intent_who_addresses_the_bot_is_answered_and_admins_are_told() {
    let config = Config {
        servers: 2,
        privileged_intents: 0,
        interaction_deadline: Duration::from_secs(60),
        ..Config::default()
    };
    let unread = |proxy: &mut helpline::proxy::Config| {
        proxy.intents.remove(twilight_gateway::Intents::MESSAGE_CONTENT);
    };
    let town = Town::with_proxies(config, unread).await;
    let _worker = town.worker_without_content();
    let unheard = town.ask(0, REFUND);
    assert!(town.answer(town.mention(0, BACKUP)).await.content.contains("Backups"));
    let QuestionId::Message(target) = unheard else { panic!("it was a message") };
    let (asker, channel) = (town.member(0), town.server(0).support_channel);
    assert!(town.answers(unheard).is_empty(), "nobody reads it");
    about(&town, channel, asker, target).await;
    assert!(town.answer(unheard).await.content.contains("14 days"), "Discord sends it with the command");
    let shown = town.sim.slash(channel, town.server(0).staff[0], "config show", &[]).expect("it is offered");
    let told = told(&town, shown).await;
    assert!(told.starts_with("⚠️ I do not read messages"), "{told}");
}
