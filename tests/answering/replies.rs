//! `/reply`: texts that staff keep ready and let the bot say.

use helpline_sim::ids::{ChannelId, InteractionId, UserId};
use helpline_sim::transcript::{BotMessage, Kind};
use serde_json::{Value, json};

use crate::faults::{append, entry_of};
use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, FAILED, REFUND, helper, told, town};

async fn ready() -> Town {
    let town = town().await;
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"reply".to_owned()).then_some(())
    })
    .await;
    town
}

fn begin(town: &Town, channel: ChannelId, member: UserId, sub: &str, name: Option<&str>) -> InteractionId {
    let options: Vec<(&str, Value)> = name.iter().map(|name| ("name", json!(name))).collect();
    town.sim.slash(channel, member, &format!("reply {sub}"), &options).expect("it is offered")
}

async fn reply(town: &Town, channel: ChannelId, member: UserId, sub: &str, name: Option<&str>) -> String {
    told(town, begin(town, channel, member, sub, name)).await
}

/// Sends the form.
async fn add(town: &Town, member: UserId, name: &str, text: &str) -> String {
    let opener = begin(town, town.server(0).general_channel, member, "add", None);
    eventually("the form is open", async || town.sim.modal(opener)).await;
    let written = [("name", json!(name)), ("text", json!(text))];
    told(town, town.sim.submit(opener, member, &written).expect("it is sent")).await
}

fn said(town: &Town, thread: ChannelId, text: &str) -> Vec<BotMessage> {
    let transcript = town.sim.transcript().snapshot();
    let posted = transcript.iter().filter_map(|entry| match &entry.kind {
        Kind::BotMessage(message) if message.channel == thread && message.content.contains(text) => {
            Some(message.clone())
        }
        _ => None,
    });
    posted.collect()
}

const KEPT: &str = "select count(*) from helpline.canned_replies";

#[tokio::test]
async fn staff_keep_a_reply_find_it_say_it_list_it_and_remove_it() {
    let town = ready().await;
    let _worker = town.worker();
    let (one, asker, channel) = (helper(&town, 1), town.member(0), town.server(0).general_channel);
    assert!(reply(&town, channel, one, "list", None).await.contains("/reply add"));
    let stored = add(&town, one, " Clear\u{200b} cache ", "Hello @member @everyone, clear the cache.").await;
    assert!(stored.contains("**Clear cache** is kept ready"), "{stored}");
    add(&town, one, "Other", "Something else.").await;
    let typing = [("name", json!("CACHE"))];
    let typing =
        town.sim.autocomplete(channel, one, "reply use", &typing, "name").expect("it offers choices");
    let offered = eventually("choices are offered", async || town.sim.choices(typing)).await;
    assert_eq!(offered, json!([{ "name": "Clear cache", "value": "Clear cache" }]));

    let thread = town.answer(town.ask(0, REFUND)).await.channel;
    assert!(reply(&town, channel, one, "use", Some("Clear cache")).await.contains("in the thread"));
    assert!(reply(&town, thread, one, "use", Some("nothing")).await.contains("There is no reply"));
    reply(&town, thread, one, "use", Some("clear CACHE")).await;
    let posted = eventually("it is said", async || said(&town, thread, "clear the cache").pop()).await;
    let expected = format!("Hello <@{}> @everyone, clear the cache.\n-# From <@{}>", asker.get(), one.get());
    assert_eq!(posted.content, expected);
    assert!(posted.pinged.users.is_empty() && posted.pinged.roles.is_empty() && !posted.pinged.everyone);
    // It counts as a word of staff: the bot leaves the talk to them.
    let unheard = town.say(thread, asker, BACKUP);
    assert!(town.answer(town.ask(0, BACKUP)).await.content.contains("Backups"));
    town.at_rest().await;
    assert!(town.answers(unheard).is_empty());

    let listed = reply(&town, channel, one, "list", None).await;
    assert!(
        listed.starts_with("2 replies are kept ready.") && listed.contains("**Clear cache** Hello"),
        "{listed}"
    );
    let removed = reply(&town, channel, one, "remove", Some("Clear cache")).await;
    assert!(removed.contains("It said:\nHello @member"), "{removed}");
    assert!(reply(&town, channel, one, "remove", Some("Clear cache")).await.contains("There is no reply"));
    assert_eq!((town.count(KEPT).await, town.count(FAILED).await), (1, 0));
}

#[tokio::test]
async fn who_is_no_staff_sees_says_and_stores_nothing() {
    let town = ready().await;
    let _worker = town.worker();
    let (one, asker, channel) = (helper(&town, 1), town.member(0), town.server(0).general_channel);
    add(&town, one, "Secret", "Of staff.").await;
    let thread = town.answer(town.ask(0, REFUND)).await.channel;
    for sub in ["list", "add"] {
        assert!(reply(&town, channel, asker, sub, None).await.starts_with("Only <@&"), "{sub}");
    }
    for sub in ["use", "remove"] {
        assert!(reply(&town, thread, asker, sub, Some("Secret")).await.starts_with("Only <@&"), "{sub}");
    }
    let typing = [("name", json!("s"))];
    let typing =
        town.sim.autocomplete(channel, asker, "reply use", &typing, "name").expect("it offers choices");
    assert_eq!(eventually("choices are offered", async || town.sim.choices(typing)).await, json!([]));
    // Another server has none of it.
    let (theirs, there) = (town.server(1).staff[0], town.server(1).general_channel);
    assert!(reply(&town, there, theirs, "list", None).await.contains("No reply is kept ready"));
    assert!(reply(&town, there, theirs, "remove", Some("Secret")).await.contains("There is no reply"));
    assert_eq!(town.count(KEPT).await, 1);
    assert!(said(&town, thread, "Of staff").is_empty());
}

#[tokio::test]
async fn a_form_that_nobody_is_there_for_comes_from_the_proxy_and_is_answered_once() {
    let town = ready().await;
    let worker = town.worker();
    let one = helper(&town, 1);
    town.answer(town.ask(0, REFUND)).await;
    town.at_rest().await;
    worker.kill();
    let opener = begin(&town, town.server(0).general_channel, one, "add", None);
    let form = eventually("the proxy opens the form", async || town.sim.modal(opener)).await;
    assert_eq!(form["custom_id"], "new_reply:");
    let written = [("name", json!("one")), ("text", json!("text"))];
    let sent = town.sim.submit(opener, one, &written).expect("it is sent");
    let again = entry_of(&town, 0, sent.get(), "INTERACTION_CREATE").await;
    let _next = town.worker();
    assert!(told(&town, sent).await.contains("is kept ready"));
    append(&town, 0, "another-session:1", "INTERACTION_CREATE", &again.1).await;
    assert!(add(&town, one, "one", "other text").await.contains("is changed"));
    assert_eq!((town.count(KEPT).await, town.count(FAILED).await), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_a_server_keeps_a_hundred_at_the_most() {
    let town = ready().await;
    let _worker = town.worker();
    let one = helper(&town, 0);
    assert!(add(&town, one, "\u{200b}\u{202e}", "text").await.contains("can be read"));
    assert!(add(&town, one, "name", "\u{200b}").await.contains("can be read"));
    assert_eq!(town.count(KEPT).await, 0);
    run(
        &town.db.pool,
        format!(
            "insert into helpline.canned_replies (server_id, name, content, created_by)
             select {}, 'reply ' || n, 'text', 1 from generate_series(1, 100) n",
            town.server(0).id.get()
        ),
    )
    .await;
    assert!(add(&town, one, "one more", "text").await.contains("as many as possible"));
    assert!(add(&town, one, "reply 7", "changed").await.contains("is changed"));
    assert_eq!(town.count(KEPT).await, 100);
    let channel = town.server(0).general_channel;
    let listed = reply(&town, channel, one, "list", None).await;
    assert!(listed.starts_with("100 replies are kept ready."), "{listed}");
}
