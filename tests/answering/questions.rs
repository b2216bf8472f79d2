//! What members, staff and strangers see.

use helpline_sim::Kind;
use helpline_sim::matching::QuestionId;
use serde_json::Value;

use crate::harness::Town;
use crate::support::eventually;

#[tokio::test]
async fn a_question_in_the_support_channel_is_answered_in_a_thread_with_its_source() {
    let town = Town::new().await;
    let _worker = town.worker();
    let question = town.ask(0, "how long do I have to ask for a refund?");
    let answer = town.answer(question).await;
    assert!(answer.content.contains("14 days"), "{}", answer.content);
    assert!(answer.content.contains("-# Sources: [1] Refunds"), "{}", answer.content);
    assert!(answer.components[0].custom_id.starts_with("human:"));
    let QuestionId::Message(message) = question else { panic!("it was a message") };
    assert_eq!(answer.channel.get(), message.get(), "the thread has the question's id");
}

#[tokio::test]
async fn a_mention_and_a_slash_question_are_answered_where_talk_is_not() {
    let town = Town::new().await;
    let _worker = town.worker();
    let server = town.server(0);
    let talk = town.say(server.general_channel, town.member(0), "how do I restore a backup?");
    let mention = town.say(
        server.general_channel,
        town.member(0),
        &format!("{} how do I restore a backup?", town.sim.bot_mention()),
    );
    assert!(town.answer(mention).await.content.contains("Backups"));
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"ask".to_owned()).then_some(())
    })
    .await;
    let options = [("question", Value::from("how do I restore a backup?"))];
    let slash =
        town.sim.slash(server.general_channel, town.member(0), "ask", &options).expect("the command exists");
    assert!(town.answer(QuestionId::Interaction(slash)).await.content.contains("Backups"));
    town.at_rest().await;
    assert!(town.answers(talk).is_empty(), "nobody asked the bot");
}

#[tokio::test]
async fn a_follow_up_is_answered_as_a_reply_in_the_same_thread() {
    let town = Town::new().await;
    let _worker = town.worker();
    let first = town.answer(town.ask(0, "how do I restore a backup?")).await;
    let follow_up = town.say(first.channel, town.member(0), "and at what time is it made?");
    let answer = town.answer(follow_up).await;
    assert_eq!(answer.channel, first.channel);
    assert!(answer.content.contains("Backups"), "{}", answer.content);
    town.at_rest().await;
    assert_eq!(town.count("select count(*) from conversations").await, 1);
}

#[tokio::test]
async fn a_follow_up_to_a_slash_question_goes_on_in_its_thread() {
    let town = Town::new().await;
    let _worker = town.worker();
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"ask".to_owned()).then_some(())
    })
    .await;
    let options = [("question", Value::from("how do I restore a backup?"))];
    let channel = town.server(0).general_channel;
    let slash = town.sim.slash(channel, town.member(0), "ask", &options).expect("the command exists");
    let original = town.answer(QuestionId::Interaction(slash)).await;
    town.at_rest().await;
    let thread = helpline_sim::ids::ChannelId(original.message.get());
    let answer = town.answer(town.say(thread, town.member(0), "and when is a refund possible?")).await;
    assert!(answer.content.contains("Sources"), "{}", answer.content);
    assert_eq!(town.count("select count(*) from conversations").await, 1);
}

#[tokio::test]
async fn what_no_document_answers_is_said_plainly_and_a_human_is_offered() {
    let town = Town::new().await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, "which wine goes with grilled salmon?")).await;
    assert!(answer.content.starts_with("I could not find"), "{}", answer.content);
    assert!(!answer.content.contains("Sources"));
    assert!(answer.components[0].custom_id.starts_with("human:"));
}

#[tokio::test]
async fn asking_a_human_opens_one_ticket_and_pings_the_support_role_once() {
    let town = Town::new().await;
    let _worker = town.worker();
    let question = town.ask(0, "how long do I have to ask for a refund?");
    let answer = town.answer(question).await;
    let button = &answer.components[0].custom_id;
    for _ in 0..3 {
        let press = town
            .sim
            .press(answer.channel, answer.message, button, town.member(0))
            .expect("the button is there");
        assert!(town.answer(QuestionId::Interaction(press)).await.ephemeral);
    }
    town.at_rest().await;
    assert_eq!(town.count("select count(*) from forwarded_tickets where status = 'pending'").await, 1);
    assert_eq!(town.count("select count(*) from conversations where status = 'forwarded'").await, 1);
    let role = town.server(0).support_role;
    let pings = town.sim.transcript().snapshot().into_iter().filter(|entry| match &entry.kind {
        Kind::BotMessage(message) => !message.pinged.roles.is_empty() && message.pinged.roles == [role],
        _ => false,
    });
    assert_eq!(pings.count(), 1);
}

#[tokio::test]
async fn the_bot_is_silent_while_a_ticket_is_open_and_answers_again_when_it_is_given_back() {
    let town = Town::new().await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, "how long do I have to ask for a refund?")).await;
    let member = town.member(0);
    let button = &answer.components[0].custom_id;
    let press = town.sim.press(answer.channel, answer.message, button, member).expect("the button is there");
    town.answer(QuestionId::Interaction(press)).await;
    let unheard = town.say(answer.channel, member, "how do I restore a backup?");
    town.at_rest().await;
    assert!(town.answers(unheard).is_empty(), "a human has it");
    // As a dashboard does it: nobody is named, so it goes back to the bot.
    crate::support::run(&town.db.pool, "update forwarded_tickets set status = 'resolved'").await;
    let heard = town.say(answer.channel, member, "how do I restore a backup?");
    assert!(town.answer(heard).await.content.contains("Backups"));
    assert_eq!(town.count("select count(*) from conversations where status = 'active'").await, 1);
}

#[tokio::test]
async fn a_button_of_another_server_reaches_nothing_there() {
    let town = Town::new().await;
    let _worker = town.worker();
    let mine = town.answer(town.ask(0, "how long do I have to ask for a refund?")).await;
    let theirs = town.answer(town.ask(1, "how do I restore a backup?")).await;
    // The press carries the id of a conversation of server 1, but comes from server 0.
    let stranger = town.member(0);
    let forged = &theirs.components[0].custom_id;
    let payload = forge_press(&town, mine.channel.get(), stranger.get(), forged).await;
    eventually("the forged press is applied", async || {
        let seen = town.count("select count(*) from helpline.outbox where effect = 'respond'").await;
        (seen == 1).then_some(())
    })
    .await;
    assert_eq!(town.count("select count(*) from forwarded_tickets").await, 0, "{payload}");
    assert_eq!(town.count("select count(*) from conversations where status = 'forwarded'").await, 0);
}

/// A press as it would stand in the log of server 0's shard.
async fn forge_press(town: &Town, channel: u64, user: u64, custom_id: &str) -> String {
    let server = town.server(0).id.get();
    let payload = serde_json::json!({
        "id": "999999999999999999", "application_id": "1", "type": 3, "token": "none",
        "guild_id": server.to_string(), "channel_id": channel.to_string(),
        "member": { "user": { "id": user.to_string(), "username": "eve" } },
        "data": { "custom_id": custom_id, "component_type": 2 },
    })
    .to_string();
    crate::faults::append(town, 0, "forged:1", "INTERACTION_CREATE", &payload).await;
    payload
}

#[tokio::test]
async fn words_of_a_member_ping_nobody() {
    let town = Town::new().await;
    let _worker = town.worker();
    let role = town.server(0).support_role.get();
    let question =
        town.ask(0, &format!("@everyone @here <@&{role}> how long do I have to ask for a refund?"));
    let answer = town.answer(question).await;
    assert!(!answer.pinged.everyone && answer.pinged.roles.is_empty() && answer.pinged.users.is_empty());
}

#[tokio::test]
async fn a_server_that_switched_support_off_is_left_in_peace() {
    let town = Town::new().await;
    crate::support::run(&town.db.pool, "update servers set config = config || '{\"enabled\": false}'").await;
    let _worker = town.worker();
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"ask".to_owned()).then_some(())
    })
    .await;
    let message = town.ask(0, "how long do I have to ask for a refund?");
    let options = [("question", Value::from("how do I restore a backup?"))];
    let channel = town.server(0).general_channel;
    let slash = town.sim.slash(channel, town.member(0), "ask", &options).expect("the command exists");
    let told = town.answer(QuestionId::Interaction(slash)).await;
    assert!(told.ephemeral && told.content.contains("switched off"), "{}", told.content);
    assert!(town.answers(message).is_empty());
}
