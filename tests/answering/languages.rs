//! In which language members and staff are spoken to.

use std::time::Duration;

use helpline_sim::Config;
use helpline_sim::matching::{Answer, QuestionId};
use serde_json::{Value, json};

use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{REFUND, told};

/// Its members use Discord in this language.
async fn town(locale: &str) -> Town {
    let config = Config {
        servers: 2,
        locale: locale.to_owned(),
        interaction_deadline: Duration::from_secs(60),
        ..Config::default()
    };
    Town::with(config).await
}

fn labels(answer: &Answer) -> Vec<&str> {
    answer.components.iter().map(|component| component.label.as_str()).collect()
}

#[tokio::test]
async fn an_answer_is_dressed_in_the_language_of_its_question() {
    let town = town("en-US").await;
    let _worker = town.worker();
    let answer =
        town.answer(town.ask(0, "Wie stelle ich ein backup wieder her? Wann wird es gemacht?")).await;
    assert_eq!(labels(&answer), ["Einen Menschen fragen", "Hilfreich", "Nicht hilfreich", "Schließen"]);
    let unsure = town.answer(town.ask(0, "Welcher Wein passt zu dem Lachs, den ich grille?")).await;
    assert!(unsure.content.starts_with("Dazu habe ich in den Dokumenten"), "{}", unsure.content);
    let english = town.answer(town.ask(0, REFUND)).await;
    assert!(english.content.contains("-# Sources: [1] Refunds"), "{}", english.content);
    // Too short to tell: as the server's admins set it.
    run(&town.db.pool, "update servers set config = config || '{\"language\": \"ru\"}'").await;
    eventually("the config is in force", async || {
        let answer = town.answer(town.ask(0, "refund")).await;
        (labels(&answer)[0] == "Спросить человека").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_one_member_alone_reads_is_in_the_language_of_his_discord_and_staff_read_the_servers() {
    let town = town("ja").await;
    run(&town.db.pool, "update servers set config = config || '{\"language\": \"fr\"}'").await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    assert_eq!(labels(&answer)[0], "Ask a human");
    let vote =
        town.sim.press(answer.channel, answer.message, &answer.components[1].custom_id, town.member(0));
    assert_eq!(
        told(&town, vote.expect("the button is there")).await,
        "ありがとうございます。お役に立ててよかったです。"
    );
    let human =
        town.sim.press(answer.channel, answer.message, &answer.components[0].custom_id, town.member(0));
    assert!(told(&town, human.expect("the button is there")).await.starts_with("担当者に知らせました"));
    let ticket = eventually("staff are called", async || {
        town.sim.transcript().snapshot().into_iter().find_map(|entry| match &entry.kind {
            helpline_sim::Kind::BotMessage(posted)
                if posted.content.contains("souhaite parler à un humain") =>
            {
                Some(posted.clone())
            }
            _ => None,
        })
    })
    .await;
    let labels: Vec<&str> = ticket.components.iter().map(|component| component.label.as_str()).collect();
    assert_eq!(labels[..3], ["Prendre en charge", "Résoudre", "Rendre au bot"]);
}

#[tokio::test]
async fn commands_are_offered_in_every_language_and_are_registered_once() {
    let town = town("de").await;
    let _worker = town.worker();
    eventually("the commands are registered", async || {
        town.sim.commands().contains(&"config".to_owned()).then_some(())
    })
    .await;
    let listed = listed(&town).await;
    let ask = listed.iter().find(|command| command["name"] == "ask").expect("it is there");
    assert_eq!(ask["description_localizations"]["es-419"], ask["description_localizations"]["es-ES"]);
    for command in &listed {
        let texts = match command["type"].as_u64() {
            Some(1) => &command["description_localizations"],
            _ => &command["name_localizations"],
        };
        for locale in ["de", "es-ES", "es-419", "fr", "pt-BR", "ru", "ja"] {
            assert!(texts[locale].is_string(), "{} in {locale}", command["name"]);
        }
    }
    assert!(
        ask["options"][0]["description_localizations"]["de"].as_str().is_some_and(|it| it.contains("wissen"))
    );
    let admin = town.server(0).staff[0];
    let channel = town.server(0).support_channel;
    let used = town.sim.slash(
        channel,
        admin,
        "config set",
        &[("key", json!("enabled")), ("value", json!("vielleicht"))],
    );
    let text = told(&town, used.expect("it is offered")).await;
    assert_eq!(text, "`enabled` erwartet true oder false, nicht `vielleicht`. Nichts wurde geändert.");
    let used = town.sim.slash(channel, admin, "config show", &[]).expect("it is offered");
    let shown = town.answer(QuestionId::Interaction(used)).await;
    assert!(shown.content.starts_with("**So ist der Support"), "{}", shown.content);
}

/// The commands as Discord has them, in every language.
async fn listed(town: &Town) -> Vec<Value> {
    let bot = town.sim.config().bot.get();
    let path = format!("/api/v10/applications/{bot}/commands?with_localizations=true");
    let request = reqwest::Client::new()
        .get(format!("{}{path}", town.sim.rest_base()))
        .header("authorization", format!("Bot {}", town.sim.token()))
        .header("user-agent", "DiscordBot (https://helpline.example, 1)");
    request.send().await.expect("the simulator answers").json().await.expect("a list")
}
