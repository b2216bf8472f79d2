//! The playground in a real headless Chromium, and its API beside it.
//!
//! Each scenario is a script that looks at the page and acts on it as a person would (tests/playground/scenarios.cjs),
//! against a simulator with a scripted bot. A script error, an error on the browser's console or a request to another
//! host fails it.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

#[path = "playground/api.rs"]
mod api;
#[path = "playground/bot.rs"]
mod bot;
#[path = "playground/browser.rs"]
mod browser;
mod support;

use bot::Bot;
use browser::{Browser, node};
use helpline_sim::ids::RoleId;
use helpline_sim::permissions::{Permissions, Target};
use helpline_sim::{Kind, Simulator};
use serde_json::json;
use support::simulator;

/// Plays a scenario to its end; returns the simulator, to be asked what happened.
async fn played(scenario: &str) -> Simulator {
    let simulator = simulator(|_| {}).await;
    let _bot = Bot::start(&simulator).await;
    Browser::open(scenario, &simulator, &json!({})).end().await;
    simulator
}

#[tokio::test]
async fn a_member_asks_and_reads_the_answer_with_its_sources_in_a_thread() {
    let simulator = played("question").await;
    let asked = simulator.transcript().snapshot().into_iter().any(|entry| match &entry.kind {
        Kind::MemberMessage { content, member, .. } => {
            content == "How long do I have to ask for a refund?"
                && *member == simulator.servers()[0].members[0]
        }
        _ => false,
    });
    assert!(asked, "the member himself asked");
}

#[tokio::test]
async fn a_pressed_button_hands_over_and_staff_see_that_they_are_called() {
    let simulator = played("handover").await;
    let role = simulator.servers()[0].support_role;
    let pings =
        simulator.transcript().snapshot().into_iter().filter(
            |entry| matches!(&entry.kind, Kind::BotMessage(message) if message.pinged.roles == [role]),
        );
    assert_eq!(pings.count(), 1);
}

#[tokio::test]
async fn an_ephemeral_reply_is_seen_by_the_one_it_answers_alone() {
    played("ephemeral").await;
}

#[tokio::test]
async fn a_slash_command_is_found_filled_in_and_sent_by_keyboard_alone() {
    let simulator = played("slash").await;
    let used = simulator.transcript().snapshot().into_iter().filter(
        |entry| matches!(&entry.kind, Kind::Interaction { command: Some(command), .. } if command == "ask"),
    );
    assert_eq!(used.count(), 1);
}

#[tokio::test]
async fn a_form_of_the_bot_is_filled_in_and_what_does_not_fit_is_told() {
    played("modal").await;
}

#[tokio::test]
async fn the_bots_suggestions_appear_while_an_option_is_typed() {
    played("suggestions").await;
}

#[tokio::test]
async fn a_message_has_the_bots_own_commands_and_menus_take_several_choices() {
    played("menus").await;
}

#[tokio::test]
async fn a_member_edits_deletes_reacts_replies_and_sends_files() {
    played("own").await;
}

#[tokio::test]
async fn a_member_starts_a_thread_and_staff_lock_it() {
    played("threads").await;
}

#[tokio::test]
async fn a_post_is_written_in_a_forum_and_answered() {
    let simulator = simulator(|config| config.forums = true).await;
    Browser::open("forum", &simulator, &json!({})).end().await;
}

#[tokio::test]
async fn what_permissions_take_away_disappears_at_once() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let browser = Browser::open("permissions", &simulator, &json!({})).await_ready().await;
    let everyone = Target::Role(RoleId(server.id.get()));
    let take = |channel, permission| {
        simulator.set_overwrite(channel, everyone, Some((Permissions::NONE, permission))).unwrap();
        let staff = Target::Role(server.support_role);
        simulator.set_overwrite(channel, staff, Some((permission, Permissions::NONE))).unwrap();
    };
    take(server.support_channel, Permissions::VIEW_CHANNEL);
    take(server.general_channel, Permissions::SEND_MESSAGES);
    browser.end().await;
}

#[tokio::test]
async fn what_a_member_writes_is_text_whatever_it_looks_like() {
    played("abuse").await;
}

#[tokio::test]
async fn embeds_menus_and_replies_look_like_what_they_are() {
    played("embeds").await;
}

#[tokio::test]
async fn the_page_works_on_a_phone() {
    played("phone").await;
}

#[tokio::test]
async fn a_server_is_found_and_somebody_else_is_acted_as() {
    played("servers").await;
}

#[tokio::test]
async fn a_direct_message_is_written_and_answered() {
    played("direct").await;
}

#[tokio::test]
async fn a_long_channel_is_read_backwards_a_page_at_a_time() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    for number in 0..130 {
        simulator
            .say(server.general_channel, server.members[number % 3], &format!("message {number}"))
            .unwrap();
    }
    Browser::open("history", &simulator, &json!({})).end().await;
}

#[tokio::test]
async fn a_lost_connection_is_shown_and_what_was_missed_is_read_when_it_is_back() {
    let before = simulator(|_| {}).await;
    let mut browser = Browser::open("connection", &before, &json!({})).await_ready().await;
    let addr = before.addr();
    before.shutdown().await;
    drop(before);
    browser.said("lost").await;
    let after = simulator(|config| config.listen = addr).await;
    let server = after.servers()[0].clone();
    after.say(server.support_channel, server.members[1], "said meanwhile").unwrap();
    browser.said("back").await;
    after.say(server.support_channel, server.members[1], "said afterwards").unwrap();
    browser.end().await;
}

#[tokio::test]
async fn a_world_that_begins_anew_is_shown_anew() {
    let simulator = simulator(|_| {}).await;
    let browser = Browser::open("afresh", &simulator, &json!({})).await_ready().await;
    simulator.reset();
    browser.end().await;
}

#[tokio::test]
async fn a_page_elsewhere_neither_reads_nor_drives_it() {
    let simulator = played("foreign").await;
    let counters = simulator.counters();
    assert_eq!((counters.member_messages, counters.interactions), (0, 0));
}

#[tokio::test]
async fn markdown_is_parsed_as_discord_does_and_never_takes_long() {
    node("markdown.mjs").await;
}
