//! What tests of tickets do as staff, and what they see.

use std::time::Duration;

use helpline_sim::Config;
use helpline_sim::ids::{InteractionId, UserId};
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::transcript::{BotMessage, Kind};
use serde_json::json;

use crate::harness::Town;
use crate::support::eventually;

pub const REFUND: &str = "how long do I have to ask for a refund?";
pub const BACKUP: &str = "how do I restore a backup?";
pub const FAILED: &str = "select count(*) from helpline.outbox where state = 'failed'";

/// The simulator waits longer for the first reply than Discord, so that a slow machine fails nothing.
pub async fn town() -> Town {
    Town::with(Config { servers: 2, interaction_deadline: Duration::from_secs(60), ..Config::default() })
        .await
}

pub fn helper(town: &Town, n: usize) -> UserId {
    town.server(0).staff[n]
}

/// A question of server 0's, its answer, and the message of its ticket.
pub async fn forwarded(town: &Town) -> (Answer, BotMessage) {
    let answer = town.answer(town.ask(0, REFUND)).await;
    let pressed =
        town.sim.press(answer.channel, answer.message, &answer.components[0].custom_id, town.member(0));
    told(town, pressed.expect("the button is there")).await;
    (answer, ticket(town).await)
}

/// The message of the newest ticket as it stands.
pub async fn ticket(town: &Town) -> BotMessage {
    eventually("the ticket is shown", async || messages(town).pop()).await
}

/// All messages of tickets, each as it stands now.
pub fn messages(town: &Town) -> Vec<BotMessage> {
    let mut messages: Vec<BotMessage> = Vec::new();
    for entry in town.sim.transcript().snapshot() {
        match &entry.kind {
            Kind::BotMessage(posted) if posted.content.contains("asks for a human") => {
                messages.push(posted.clone())
            }
            Kind::BotEdit(edited) => {
                if let Some(known) = messages.iter_mut().find(|known| known.id == edited.id) {
                    *known = edited.clone();
                }
            }
            _ => {}
        }
    }
    messages
}

/// The message of the ticket, once it says so.
pub async fn shows(town: &Town, text: &str) -> BotMessage {
    let shown = eventually("the message shows the ticket", async || {
        messages(town).pop().filter(|message| message.content.contains(text))
    })
    .await;
    assert!(shown.pinged.roles.is_empty() || shown.content.contains("**Waits**"), "an edit pings nobody");
    shown
}

/// What the message offers, by the prefixes of the custom ids.
pub fn offers(message: &BotMessage) -> Vec<&str> {
    message.components.iter().filter_map(|it| Some(it.custom_id.split_once(':')?.0)).collect()
}

pub fn button<'a>(message: &'a BotMessage, prefix: &str) -> &'a str {
    let found = message.components.iter().find(|it| it.custom_id.starts_with(&format!("{prefix}:")));
    &found.unwrap_or_else(|| panic!("{prefix} is not among {:?}", offers(message))).custom_id
}

pub fn press(town: &Town, message: &BotMessage, prefix: &str, member: UserId) -> InteractionId {
    let custom_id = button(message, prefix);
    town.sim.press(message.channel, message.id, custom_id, member).expect("the button is there")
}

pub fn transfer(town: &Town, message: &BotMessage, member: UserId, to: UserId) -> InteractionId {
    let to = [to.get().to_string()];
    town.sim.select(message.channel, message.id, button(message, "transfer"), member, &to).expect("a choice")
}

/// What whoever pressed is told: something, once, and alone.
pub async fn told(town: &Town, pressed: InteractionId) -> String {
    let told = town.answer(QuestionId::Interaction(pressed)).await;
    assert!(told.ephemeral, "for everybody to see: {}", told.content);
    assert!(told.pinged.roles.is_empty() && told.pinged.users.is_empty());
    town.at_rest().await;
    assert_eq!(town.answers(QuestionId::Interaction(pressed)).len(), 1);
    told.content
}

/// The form that a press opened, sent with these notes.
pub async fn resolve(town: &Town, message: &BotMessage, member: UserId, notes: &str) -> InteractionId {
    let opener = press(town, message, "resolve", member);
    eventually("the form is open", async || town.sim.modal(opener)).await;
    town.sim.submit(opener, member, &[("notes", json!(notes))]).expect("it is sent")
}

pub async fn standing(town: &Town) -> (String, Option<String>, Option<String>, String) {
    sqlx::query_as(
        "select t.status, t.assigned_to, t.resolution_notes, c.status from forwarded_tickets t
         join conversations c on c.server_id = t.server_id and c.id = t.conversation_id
         order by t.forwarded_at desc limit 1",
    )
    .fetch_one(&town.db.pool)
    .await
    .expect("a ticket")
}

/// How the ticket stands: its status, who has it, and the conversation's status.
pub async fn stands(town: &Town) -> (String, Option<u64>, String) {
    let (status, somebody, _, conversation) = standing(town).await;
    (status, somebody.map(|id| id.parse().expect("an id")), conversation)
}

pub fn is(status: &str, somebody: Option<UserId>, conversation: &str) -> (String, Option<u64>, String) {
    (status.to_owned(), somebody.map(UserId::get), conversation.to_owned())
}

/// How often the support role was called.
pub fn calls(town: &Town) -> usize {
    let role = town.server(0).support_role;
    let transcript = town.sim.transcript().snapshot();
    let pings = transcript.iter().filter(|entry| match &entry.kind {
        Kind::BotMessage(message) | Kind::BotEdit(message) => message.pinged.roles == [role],
        _ => false,
    });
    pings.count()
}
