//! `/setup`: support set up step by step in one private message, by admins alone, each step stored at once.

use helpline_sim::ids::{InteractionId, MessageId, UserId};
use helpline_sim::matching::QuestionId;
use helpline_sim::transcript::{BotMessage, Kind};
use helpline_sim::{Permissions, Phase, Target};
use serde_json::{Value, json};

use crate::faults::{append, entry_of};
use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{FAILED, town};

async fn ready() -> Town {
    let town = town().await;
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"setup".to_owned()).then_some(())
    })
    .await;
    town
}

fn admin(town: &Town) -> UserId {
    town.server(0).staff[0]
}

/// Opens the wizard; its message.
async fn open(town: &Town) -> BotMessage {
    let used =
        town.sim.slash(town.server(0).general_channel, admin(town), "setup", &[]).expect("it is offered");
    let answer = town.answer(QuestionId::Interaction(used)).await;
    assert!(answer.ephemeral && answer.pinged.roles.is_empty(), "{}", answer.content);
    now(town, answer.message)
}

/// How a message stands.
fn now(town: &Town, id: MessageId) -> BotMessage {
    let transcript = town.sim.transcript().snapshot();
    let found = transcript.iter().rev().find_map(|entry| match &entry.kind {
        Kind::BotMessage(message) | Kind::BotEdit(message) if message.id == id => Some(message.clone()),
        _ => None,
    });
    found.expect("the message is there")
}

fn press(town: &Town, panel: &BotMessage, step: &str, by: UserId) -> InteractionId {
    town.sim.press(panel.channel, panel.id, &format!("setup:{step}"), by).expect("the button is there")
}

fn choose(town: &Town, panel: &BotMessage, step: &str, values: &[String]) -> InteractionId {
    let id = format!("setup:{step}");
    town.sim.select(panel.channel, panel.id, &id, admin(town), values).expect("it can be chosen")
}

/// The message once it says so.
async fn says(town: &Town, panel: &BotMessage, text: &str) -> BotMessage {
    let shown = eventually("the message shows it", async || {
        Some(now(town, panel.id)).filter(|message| message.content.contains(text))
    })
    .await;
    assert!(shown.pinged.roles.is_empty() && shown.pinged.users.is_empty());
    shown
}

async fn value(town: &Town, key: &str) -> Value {
    let config: Value = sqlx::query_scalar("select config from servers where id = $1")
        .bind(town.server(0).id.get().cast_signed())
        .fetch_one(&town.db.pool)
        .await
        .expect("the server is there");
    config[key].clone()
}

async fn empty(town: &Town) {
    run(&town.db.pool, "update servers set config = '{}'").await;
}

#[tokio::test]
async fn an_admin_sets_support_up_and_each_choice_is_stored_at_once() {
    let town = ready().await;
    empty(&town).await;
    let _worker = town.worker();
    let server = town.server(0);
    let panel = open(&town).await;
    assert!(
        panel.content.contains("Support is **off**") && panel.content.contains("none yet"),
        "{}",
        panel.content
    );
    let (support, general) =
        (server.support_channel.get().to_string(), server.general_channel.get().to_string());
    choose(&town, &panel, "channels", &[support.clone(), general.clone()]);
    says(&town, &panel, "I may do everything there").await;
    assert_eq!(value(&town, "channels").await, json!([support, general]));
    choose(&town, &panel, "channels", std::slice::from_ref(&support));
    eventually("the other one is gone", async || {
        (value(&town, "channels").await == json!([support])).then_some(())
    })
    .await;
    choose(&town, &panel, "role", &[server.support_role.get().to_string()]);
    says(&town, &panel, &format!("<@&{}> is called", server.support_role.get())).await;
    choose(&town, &panel, "language", &["de".to_owned()]);
    says(&town, &panel, "Deutsch").await;
    press(&town, &panel, "on", admin(&town));
    let shown = says(&town, &panel, "Support is **on**").await;
    assert_eq!(value(&town, "enabled").await, true);
    press(&town, &shown, "done", admin(&town));
    let done = says(&town, &panel, "Support is set up so").await;
    assert!(done.components.is_empty() && done.content.contains("ask me something in"), "{}", done.content);
    assert_eq!(value(&town, "language").await, "de");
    // Another wizard shows what is stored.
    assert!(open(&town).await.content.contains("Deutsch"));
    town.at_rest().await;
    assert_eq!(
        (town.count(FAILED).await, town.count("select count(*) from helpline.dead_letters").await),
        (0, 0)
    );
}

#[tokio::test]
async fn what_the_bot_lacks_in_a_channel_is_named_and_the_channel_left_out() {
    let town = ready().await;
    empty(&town).await;
    let _worker = town.worker();
    let server = town.server(0);
    let bot = Target::Member(town.sim.config().bot);
    let lacks = Permissions::CREATE_PUBLIC_THREADS | Permissions::SEND_MESSAGES_IN_THREADS;
    town.sim.set_overwrite(server.general_channel, bot, Some((Permissions::NONE, lacks))).expect("it is set");
    let panel = open(&town).await;
    let both = [server.support_channel.get().to_string(), server.general_channel.get().to_string()];
    choose(&town, &panel, "channels", &both);
    let shown = says(&town, &panel, "is not stored").await;
    assert!(
        shown.content.contains("**Create Public Threads**, **Send Messages in Threads**"),
        "{}",
        shown.content
    );
    assert_eq!(value(&town, "channels").await, json!([both[0]]));
    choose(&town, &panel, "role", &[server.id.get().to_string()]);
    says(&town, &panel, "That role is everyone").await;
    assert_eq!(value(&town, "support_role_id").await, Value::Null);
}

#[tokio::test]
async fn presses_that_come_twice_late_or_from_who_may_not_do_no_harm() {
    let town = ready().await;
    let worker = town.worker();
    let panel = open(&town).await;
    town.at_rest().await;
    worker.kill();
    let both = [press(&town, &panel, "off", admin(&town)), press(&town, &panel, "off", admin(&town))];
    for pressed in both {
        let callback =
            eventually("the press is acknowledged", async || match town.sim.interaction(pressed) {
                Some(Phase::Answered { callback, .. }) => Some(callback),
                _ => None,
            })
            .await;
        assert_eq!(callback, 6, "nothing to be seen yet");
    }
    let (_, payload) = entry_of(&town, 0, both[0].get(), "INTERACTION_CREATE").await;
    let _next = town.worker();
    let shown = says(&town, &panel, "Support is **off**").await;
    assert_eq!(value(&town, "enabled").await, false);
    press(&town, &shown, "on", admin(&town));
    says(&town, &panel, "Support is **on**").await;
    // The same press once more, and one of somebody who may not.
    append(&town, 0, "another-session:1", "INTERACTION_CREATE", &payload).await;
    let mut forged: Value = serde_json::from_str(&payload).expect("JSON");
    forged["id"] = json!("999999999999990001");
    forged["token"] = json!("none");
    forged["member"]["permissions"] = json!("0");
    append(&town, 0, "forged:1", "INTERACTION_CREATE", &forged.to_string()).await;
    forged["id"] = json!("999999999999990002");
    forged["member"]["permissions"] = json!("8");
    forged["data"] = json!({ "custom_id": "setup:channels", "component_type": 8,
        "values": [town.server(1).support_channel] });
    append(&town, 0, "forged:2", "INTERACTION_CREATE", &forged.to_string()).await;
    let refused = "select count(*) from helpline.outbox where event_id like '99999999999999000%'
                   and (request ->> 'content' like '%Manage Server%' or request ->> 'content' like '%not on this server%')";
    eventually("both are refused", async || (town.count(refused).await == 2).then_some(())).await;
    assert_eq!(value(&town, "enabled").await, true);
    assert_eq!(value(&town, "channels").await, json!([town.server(0).support_channel]));
    let member = town.sim.slash(town.server(0).general_channel, town.member(0), "setup", &[]);
    member.expect_err("it is not offered to members");
}

#[tokio::test]
async fn a_broken_config_is_put_back_by_one_press() {
    let town = ready().await;
    run(&town.db.pool, r#"update servers set config = '{"channels": 7}'"#).await;
    let _worker = town.worker();
    let panel = open(&town).await;
    assert!(panel.content.contains("cannot be used"), "{}", panel.content);
    press(&town, &panel, "reset", admin(&town));
    says(&town, &panel, "Every setting has its default again").await;
    assert_eq!(value(&town, "channels").await, json!([]));
}
