//! Commands, buttons and what answers them, as the libraries do it.

use crate::harness::{Client, Library};
use crate::support::{entry, simulator};
use crate::with_both_libraries;
use helpline_sim::ids::{InteractionId, MessageId};
use helpline_sim::{BotMessage, Kind, Phase, Simulator};
use serde_json::json;

with_both_libraries! {
    a_command_is_registered_deferred_answered_and_followed_up,
    an_ephemeral_answer_is_seen_by_one_member_alone,
    a_button_updates_its_message_at_once_or_later,
    a_member_chooses_in_select_menus,
    a_modal_is_shown_submitted_and_answered,
    a_servers_own_commands_complete_options_and_act_on_messages,
}

/// The type of the first answer to an interaction.
fn callback(simulator: &Simulator, id: InteractionId) -> u64 {
    match simulator.interaction(id) {
        Some(Phase::Answered { callback, .. }) => callback,
        other => panic!("{other:?}"),
    }
}

/// The first message the bot posts.
async fn first_message(simulator: &Simulator) -> BotMessage {
    let posted = entry(simulator, |kind| matches!(kind, Kind::BotMessage(_))).await;
    match &posted.kind {
        Kind::BotMessage(message) => message.clone(),
        other => unreachable!("just matched: {other:?}"),
    }
}

/// The texts a message was changed to.
fn edits(simulator: &Simulator, id: MessageId) -> Vec<String> {
    let kinds = simulator.transcript().snapshot();
    kinds
        .iter()
        .filter_map(|entry| match &entry.kind {
            Kind::BotEdit(edit) if edit.id == id => Some(edit.content.clone()),
            _ => None,
        })
        .collect()
}

async fn a_command_is_registered_deferred_answered_and_followed_up(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, ready) = Client::ready(library, "commands", &simulator, &json!({})).await;
    assert_eq!(ready["commands"][0]["name"], "ask");
    assert_eq!(simulator.commands(), ["ask"]);
    let (channel, member) = (server.support_channel, server.members[0]);
    let id = simulator.slash(channel, member, "ask", &[("question", json!("slowly"))]).unwrap();
    let answered = client.said("answered").await;
    client.stop().await;
    assert_eq!(answered["question"], "slowly");
    assert_eq!(answered["user"], member.get().to_string());
    assert_eq!(answered["guild"], server.id.get().to_string());
    assert_eq!(answered["channel"], channel.get().to_string());
    assert_eq!(callback(&simulator, id), 5);
    let said: Vec<(String, bool, bool)> = simulator
        .transcript()
        .snapshot()
        .iter()
        .filter_map(|entry| match &entry.kind {
            Kind::BotMessage(message) | Kind::BotEdit(message) => {
                assert_eq!((message.interaction, message.channel), (Some(id), channel));
                Some((message.content.clone(), message.loading, message.ephemeral))
            }
            _ => None,
        })
        .collect();
    let expected = [("", true), ("thought about it", false), ("one more thing", false)];
    assert_eq!(said, expected.map(|(text, loading)| (text.to_owned(), loading, false)));
}

async fn an_ephemeral_answer_is_seen_by_one_member_alone(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "commands", &simulator, &json!({})).await;
    let options = [("question", json!("quietly"))];
    let id = simulator.slash(server.support_channel, server.members[1], "ask", &options).unwrap();
    client.said("answered").await;
    client.stop().await;
    assert_eq!(callback(&simulator, id), 4);
    let answer = first_message(&simulator).await;
    assert_eq!(
        (answer.content.as_str(), answer.ephemeral, answer.interaction),
        ("between us", true, Some(id))
    );
}

async fn a_button_updates_its_message_at_once_or_later(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "buttons", &simulator, &json!({})).await;
    let (channel, member) = (server.support_channel, server.members[0]);
    simulator.say(channel, member, "give me buttons").unwrap();
    client.said("posted").await;
    let message = first_message(&simulator).await;
    let labels: Vec<&str> = message.components.iter().map(|component| component.custom_id.as_str()).collect();
    assert_eq!(labels, ["now", "later"]);
    for (button, kind, left) in [("now", 7, 1), ("later", 6, 0)] {
        let id = simulator.press(channel, message.id, button, member).unwrap();
        let pressed = client.said("pressed").await;
        assert_eq!([&pressed["button"], &pressed["message"]], [button, &message.id.get().to_string()]);
        assert_eq!(pressed["user"], member.get().to_string());
        assert_eq!(callback(&simulator, id), kind);
        let changed =
            |kind: &Kind| matches!(kind, Kind::BotEdit(edit) if edit.content == format!("pressed {button}"));
        let edit = entry(&simulator, changed).await;
        let Kind::BotEdit(edit) = &edit.kind else { unreachable!("just matched") };
        assert_eq!((edit.id, edit.components.len()), (message.id, left));
    }
    assert!(simulator.press(channel, message.id, "now", member).is_err(), "the buttons are gone");
    client.stop().await;
}

async fn a_member_chooses_in_select_menus(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "menus", &simulator, &json!({})).await;
    let (channel, member, other) = (server.support_channel, server.members[0], server.members[1]);
    simulator.say(channel, member, "let me choose").unwrap();
    // Before it has Discord's answer, the library does not know the menus for its own.
    client.said("posted").await;
    let message = first_message(&simulator).await;
    let kinds: Vec<u64> = message.components.iter().map(|component| component.kind).collect();
    assert_eq!(kinds, [3, 5], "a string and a user menu");
    let choose = |menu: &str, values: &[String]| simulator.select(channel, message.id, menu, member, values);
    choose("colours", &["red".to_owned(), "blue".to_owned()]).unwrap();
    let chosen = client.said("chosen").await;
    assert_eq!([&chosen["menu"], &chosen["values"]], [&json!("colours"), &json!(["red", "blue"])]);
    choose("people", &[other.get().to_string()]).unwrap();
    let chosen = client.said("chosen").await;
    assert_eq!(chosen["values"], json!([other.get().to_string()]));
    assert_eq!(chosen["users"].as_array().unwrap().len(), 1, "the user comes with the interaction");
    client.stop().await;
    assert_eq!(
        edits(&simulator, message.id),
        ["chose red and blue".to_owned(), format!("chose {}", other.get())]
    );
}

async fn a_modal_is_shown_submitted_and_answered(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "modals", &simulator, &json!({})).await;
    let member = server.members[0];
    let opener = simulator.slash(server.support_channel, member, "report", &[]).unwrap();
    client.said("shown").await;
    assert_eq!(callback(&simulator, opener), 9);
    let modal = simulator.modal(opener).unwrap();
    assert_eq!([&modal["custom_id"], &modal["title"]], ["report", "Report a problem"]);
    let fields = [("title", json!("it is broken")), ("details", json!("all of it\nreally"))];
    let submitted = simulator.submit(opener, member, &fields).unwrap();
    let heard = client.said("submitted").await;
    client.stop().await;
    assert_eq!([&heard["title"], &heard["details"]], ["it is broken", "all of it\nreally"]);
    assert_eq!([&heard["modal"], &heard["user"]], ["report", &member.get().to_string()]);
    assert_eq!(callback(&simulator, submitted), 4);
    let answer = first_message(&simulator).await;
    assert_eq!((answer.content.as_str(), answer.ephemeral), ("thanks for: it is broken", true));
}

async fn a_servers_own_commands_complete_options_and_act_on_messages(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[1].clone();
    let guild = server.id.get().to_string();
    let (mut client, ready) =
        Client::ready(library, "autocomplete", &simulator, &json!({"guild": guild})).await;
    let mut names: Vec<&str> = ready["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| command["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Quote", "find"]);
    assert_eq!(ready["commands"][0]["guild"], json!(guild));
    assert!(simulator.commands().is_empty(), "nothing is global");
    let (channel, member) = (server.support_channel, server.members[0]);
    let id = simulator.autocomplete(channel, member, "find", &[("topic", json!("b"))], "topic").unwrap();
    let completed = client.said("completed").await;
    assert_eq!([&completed["name"], &completed["value"]], ["topic", "b"]);
    entry(&simulator, |kind| matches!(kind, Kind::ChoicesShown { .. })).await;
    let choices = simulator.choices(id).unwrap();
    let values: Vec<&str> =
        choices.as_array().unwrap().iter().map(|choice| choice["value"].as_str().unwrap()).collect();
    assert_eq!(values, ["billing", "bots"]);
    let message = simulator.say(channel, member, "well said").unwrap();
    simulator.use_on_message(channel, server.members[1], "Quote", message).unwrap();
    let quoted = client.said("quoted").await;
    client.stop().await;
    assert_eq!(
        [&quoted["message"], &quoted["author"]],
        [message.get().to_string(), member.get().to_string()].each_ref()
    );
    assert_eq!(first_message(&simulator).await.content, "> well said");
    let elsewhere = simulator.servers()[0].clone();
    let refused = simulator.autocomplete(
        elsewhere.support_channel,
        elsewhere.members[0],
        "find",
        &[("topic", json!("b"))],
        "topic",
    );
    assert!(refused.is_err(), "another server has no such command");
}
