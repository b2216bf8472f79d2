//! Messages, threads, embeds and direct messages, as the libraries read and write them.

use crate::harness::{Client, Library};
use crate::support::simulator;
use crate::with_both_libraries;
use helpline_sim::ids::ChannelId;
use helpline_sim::{BotMessage, Kind, Simulator};
use serde_json::{Value, json};

with_both_libraries! {
    what_members_write_arrives_whole,
    messages_are_sent_edited_deleted_and_read_back,
    embeds_come_back_as_they_were_sent,
    a_thread_is_started_written_in_renamed_and_archived,
    direct_messages_go_both_ways,
}

/// The bot's messages of the transcript, edits left out.
fn posted(simulator: &Simulator) -> Vec<BotMessage> {
    let kinds = simulator.transcript().snapshot();
    kinds
        .iter()
        .filter_map(|entry| match &entry.kind {
            Kind::BotMessage(message) => Some(message.clone()),
            _ => None,
        })
        .collect()
}

async fn what_members_write_arrives_whole(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[2].clone();
    let (ada, ben) = (server.members[0], server.members[1]);
    let (mut client, _) = Client::ready(library, "listen", &simulator, &json!({})).await;
    let channel = server.support_channel;
    let text = format!("{} and <@{}>: émojis 🎉 & <b>tags</b>", simulator.bot_mention(), ben.get());
    let first = simulator.say(channel, ada, &text).unwrap();
    let second = simulator.reply(channel, ben, first, "a reply").unwrap();
    let seen = client.said("message").await;
    assert_eq!(seen["id"], first.get().to_string());
    assert_eq!(seen["content"], json!(text));
    assert_eq!(seen["author"], ada.get().to_string());
    assert_eq!(seen["member"], ada.get().to_string());
    assert_eq!([&seen["bot"], &seen["edited"]], [false, false]);
    assert_eq!(seen["channel"], channel.get().to_string());
    assert_eq!(seen["guild"], server.id.get().to_string());
    let mut mentions: Vec<&str> =
        seen["mentions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut expected = [simulator.config().bot.get().to_string(), ben.get().to_string()];
    mentions.sort_unstable();
    expected.sort_unstable();
    assert_eq!(mentions, expected);
    let seen = client.said("message").await;
    assert_eq!(seen["id"], second.get().to_string());
    assert_eq!(seen["reference"], first.get().to_string());
    assert_eq!(seen["mentions"], json!([ada.get().to_string()]), "a reply mentions whom it answers");
    client.stop().await;
}

async fn messages_are_sent_edited_deleted_and_read_back(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "write", &simulator, &json!({})).await;
    let channel = server.general_channel;
    let asked = simulator.say(channel, server.members[0], "write something").unwrap();
    let wrote = client.said("wrote").await;
    client.stop().await;
    let [sent, reply] = &posted(&simulator)[..] else { panic!("two messages") };
    assert_eq!((sent.content.as_str(), sent.channel, sent.reference), ("first words", channel, None));
    assert_eq!(reply.reference, Some(asked));
    assert_eq!(reply.pinged.users, [], "nobody was to be notified");
    assert_eq!(wrote["sent"], sent.id.get().to_string());
    assert_eq!(wrote["fetched"]["content"], "better words");
    assert_eq!(wrote["fetched"]["edited"], true);
    assert_eq!(wrote["before"], json!([sent.id.get().to_string(), asked.get().to_string()]));
    let kinds = simulator.transcript().snapshot();
    let has = |fits: &dyn Fn(&Kind) -> bool| kinds.iter().any(|entry| fits(&entry.kind));
    assert!(has(&|kind| matches!(kind, Kind::Typing { channel: place } if *place == channel)));
    assert!(has(
        &|kind| matches!(kind, Kind::BotEdit(edit) if edit.id == sent.id && edit.content == "better words")
    ));
    assert!(has(&|kind| matches!(kind, Kind::BotDelete { id, .. } if *id == reply.id)));
}

async fn embeds_come_back_as_they_were_sent(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "embeds", &simulator, &json!({})).await;
    simulator.say(server.support_channel, server.members[0], "show me").unwrap();
    let embedded = client.said("embedded").await;
    client.stop().await;
    let expected = json!({
        "event": "embedded", "id": embedded["id"], "title": "A title", "description": "Some text",
        "color": 0x33_66ff, "fields": [{"name": "field", "value": "its value", "inline": true}],
        "footer": "small print",
    });
    assert_eq!(embedded, expected);
    assert_eq!(posted(&simulator)[0].embeds, 1);
}

async fn a_thread_is_started_written_in_renamed_and_archived(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "threads", &simulator, &json!({})).await;
    let asked = simulator.say(server.support_channel, server.members[0], "let us talk").unwrap();
    let created = client.said("thread").await;
    let threaded = client.said("threaded").await;
    client.stop().await;
    assert_eq!([&created["name"], &created["new"]], [&json!("about it"), &json!(true)]);
    assert_eq!(threaded["thread"], asked.get().to_string(), "a thread has the id of its message");
    assert_eq!(threaded["parent"], server.support_channel.get().to_string());
    assert_eq!([&threaded["archived"], &threaded["name"]], [&json!(true), &json!("about it, renamed")]);
    let [inside] = &posted(&simulator)[..] else { panic!("one message") };
    assert_eq!((inside.channel, inside.content.as_str()), (ChannelId(asked.get()), "inside"));
}

async fn direct_messages_go_both_ways(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[3].clone();
    let member = server.members[2];
    let (mut client, _) = Client::ready(library, "direct", &simulator, &json!({})).await;
    simulator.say(server.support_channel, member, "write to me").unwrap();
    let sent = client.said("sent").await;
    let dm = simulator.dm_channel(member).unwrap();
    assert_eq!(sent["channel"], dm.get().to_string());
    simulator.say(dm, member, "here I am").unwrap();
    let seen = client.said("message").await;
    assert_eq!([&seen["content"], &seen["guild"]], [&json!("here I am"), &Value::Null]);
    client.stop().await;
    let contents: Vec<_> =
        posted(&simulator).into_iter().map(|post| (post.guild, post.channel, post.content)).collect();
    assert_eq!(
        contents,
        [(None, dm, "this is private".to_owned()), (None, dm, "you said: here I am".to_owned())]
    );
}
