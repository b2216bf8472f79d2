//! A config that cannot be read is reported in the server itself, once a day at the most.

use std::time::Duration;

use helpline_sim::ids::ChannelId;
use helpline_sim::transcript::{BotMessage, Kind};
use helpline_sim::{Permissions, Target};

use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{FAILED, REFUND, town};

async fn break_config(town: &Town, server: usize, with: &str) {
    let id = town.server(server).id.get();
    run(&town.db.pool, format!("update servers set config = config || '{with}' where id = {id}")).await;
}

fn reports(town: &Town, server: usize) -> Vec<BotMessage> {
    let here = [town.server(server).general_channel, town.server(server).support_channel];
    let transcript = town.sim.transcript().snapshot();
    let said = transcript.iter().filter_map(|entry| match &entry.kind {
        Kind::BotMessage(message)
            if here.contains(&message.channel) && message.content.contains("cannot be used as they are") =>
        {
            Some(message.clone())
        }
        _ => None,
    });
    said.collect()
}

/// The first report, while members go on asking.
async fn reported(town: &Town, server: usize) -> BotMessage {
    eventually("it is reported", async || {
        town.ask(server, REFUND);
        let report = eventually("it is said", async || reports(town, server).pop());
        tokio::time::timeout(Duration::from_secs(7), report).await.ok()
    })
    .await
}

fn forbid(town: &Town, channel: ChannelId) {
    let bot = Target::Member(town.sim.config().bot);
    let lacks = Some((Permissions::NONE, Permissions::SEND_MESSAGES));
    town.sim.set_overwrite(channel, bot, lacks).expect("it is set");
}

#[tokio::test]
async fn a_broken_config_is_reported_once_a_day_whoever_owns_the_shard() {
    let town = town().await;
    let worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    break_config(&town, 0, r#"{"max_text_length": "very"}"#).await;
    let report = reported(&town, 0).await;
    assert_eq!(report.channel, town.server(0).general_channel, "it is the system channel");
    assert!(report.content.contains("`max_text_length` should be") && report.content.contains("Mend it"));
    assert!(report.pinged.users.is_empty() && report.pinged.roles.is_empty());
    town.at_rest().await;
    worker.kill();
    // Another kind of trouble, and another owner who hears of it for the first time.
    break_config(&town, 0, r#"{"channels": 7}"#).await;
    let _next = town.worker();
    let key = "select count(*) from helpline.outbox where effect = 'config'";
    let asked = town.sim.slash(town.server(0).general_channel, town.server(0).staff[0], "config show", &[]);
    let told =
        town.answer(helpline_sim::matching::QuestionId::Interaction(asked.expect("it is offered"))).await;
    assert!(told.content.contains("`channels` should be"), "{}", told.content);
    // Another server's report shows that a round has passed.
    break_config(&town, 1, r#"{"channels": 7}"#).await;
    reported(&town, 1).await;
    town.at_rest().await;
    assert_eq!((reports(&town, 0).len(), town.count(key).await, town.count(FAILED).await), (1, 2, 0));
}

#[tokio::test]
async fn where_the_system_channel_is_closed_to_the_bot_the_first_that_is_not_takes_it() {
    let town = town().await;
    forbid(&town, town.server(0).general_channel);
    break_config(&town, 0, r#"{"max_text_length": "very"}"#).await;
    let _worker = town.worker();
    let report = reported(&town, 0).await;
    assert_ne!(report.channel, town.server(0).general_channel);
    town.at_rest().await;
    assert_eq!((reports(&town, 0).len(), town.count(FAILED).await), (1, 0));
}
