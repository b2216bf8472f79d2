//! Messages, threads, embeds and direct messages, as the libraries read and write them.

use crate::harness::{Client, Library};
use crate::support::simulator;
use crate::with_both_libraries;
use helpline_sim::ids::{ChannelId, MessageId, UserId};
use helpline_sim::{BotMessage, File, Kind, Simulator, Writing};
use serde_json::{Value, json};

with_both_libraries! {
    what_members_write_arrives_whole,
    messages_are_sent_edited_deleted_and_read_back,
    embeds_come_back_as_they_were_sent,
    reactions_pins_and_bulk_deletes_are_done_and_undone,
    members_edits_deletes_and_reactions_are_heard,
    files_go_up_and_down,
    components_v2_are_laid_out,
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

async fn reactions_pins_and_bulk_deletes_are_done_and_undone(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "tidy", &simulator, &json!({})).await;
    let (channel, bot) = (server.general_channel, simulator.config().bot);
    let asked = simulator.say(channel, server.members[0], "tidy up").unwrap();
    let tidied = client.said("tidied").await;
    client.stop().await;
    assert_eq!(tidied["pinned"], json!([asked.get().to_string()]));
    let kinds = simulator.transcript().snapshot();
    let has = |fits: &dyn Fn(&Kind) -> bool| kinds.iter().any(|entry| fits(&entry.kind));
    let thumb = |message: MessageId, user: UserId, emoji: &str| (message, user, emoji) == (asked, bot, "👍");
    assert!(has(
        &|kind| matches!(kind, Kind::Reaction { message, user, emoji, .. } if thumb(*message, *user, emoji))
    ));
    assert!(has(
        &|kind| matches!(kind, Kind::ReactionRemoved { message, user, emoji, .. } if thumb(*message, *user, emoji))
    ));
    assert!(has(&|kind| matches!(kind, Kind::Pin { message, pinned: true, .. } if *message == asked)));
    let posts = posted(&simulator);
    let id = |text: &str| posts.iter().find(|post| post.content == text).unwrap().id.get().to_string();
    assert_eq!(tidied["kept"], id("one"));
    assert_eq!(tidied["gone"], json!([id("two"), id("three")]));
    let gone = kinds.iter().filter(|entry| matches!(entry.kind, Kind::BotDelete { .. })).count();
    assert_eq!(gone, 2);
}

async fn members_edits_deletes_and_reactions_are_heard(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (channel, member) = (server.general_channel, server.members[0]);
    // One message from before the client came, which it does not have in its cache.
    let old = simulator.say(channel, member, "old").unwrap();
    let (mut client, _) = Client::ready(library, "listen", &simulator, &json!({})).await;
    let new = simulator.say(channel, member, "new").unwrap();
    client.said("message").await;
    for (message, text) in [(old, "old, changed"), (new, "new, changed")] {
        let id = json!(message.get().to_string());
        simulator.edit(channel, message, member, text).unwrap();
        let edited = client.said("edited").await;
        assert_eq!([&edited["id"], &edited["content"]], [&id, &json!(text)]);
        simulator.react(channel, message, member, "🎉").unwrap();
        let reacted = client.said("reacted").await;
        assert_eq!([&reacted["id"], &reacted["user"]], [&id, &json!(member.get().to_string())]);
        assert_eq!(reacted["emoji"], "🎉");
        simulator.delete(channel, message, member).unwrap();
        assert_eq!(client.said("deleted").await["id"], id);
    }
    client.stop().await;
}

async fn files_go_up_and_down(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "files", &simulator, &json!({})).await;
    let writing =
        Writing { files: vec![File::text("notes.txt", "naïve words")], ..Writing::text("read this") };
    simulator.write(server.support_channel, server.members[0], writing).unwrap();
    let echoed = client.said("echoed").await;
    client.stop().await;
    assert_eq!(echoed["text"], "naïve words");
    let given = &echoed["attachments"][0];
    assert_eq!([&given["name"], &given["size"]], [&json!("notes.txt"), &json!("naïve words".len())]);
    assert!(given["type"].as_str().unwrap().starts_with("text/plain"), "{given}");
    assert_eq!(
        [&echoed["description"], &echoed["size"]],
        [&json!("your words"), &json!("naïve words".len())]
    );
    assert_eq!(posted(&simulator)[0].attachments, ["echo.txt"]);
    let served = fetch(echoed["url"].as_str().unwrap()).await;
    assert_eq!(served, "NAÏVE WORDS");
}

async fn fetch(url: &str) -> String {
    // The client wants a provider even for plain HTTP; the second test of a process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(url).send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
}

async fn components_v2_are_laid_out(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "layout", &simulator, &json!({})).await;
    simulator.say(server.support_channel, server.members[0], "show me").unwrap();
    let laid_out = client.said("laid_out").await;
    client.stop().await;
    assert_eq!(laid_out["kinds"], json!([10, 17]), "a text display and a container");
    let post = &posted(&simulator)[0];
    assert_eq!(
        (post.content.as_str(), &post.texts[..]),
        ("", &["# Heading".to_owned(), "in a box".to_owned()][..])
    );
    assert_eq!(post.components[0].custom_id, "inside");
}

async fn a_thread_is_started_written_in_renamed_and_archived(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "threads", &simulator, &json!({})).await;
    let asked = simulator.say(server.support_channel, server.members[0], "let us talk").unwrap();
    let created = client.said("thread").await;
    let threaded = client.said("threaded").await;
    client.stop().await;
    assert_eq!([&created["id"], &created["name"]], [&threaded["thread"], &json!("about it")]);
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
