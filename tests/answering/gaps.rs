//! `/gaps` from the simulated Discord: what members got no good answer to, and how one form closes it.

use helpline_sim::matching::QuestionId;
use serde_json::json;

use crate::faults::{append, entry_of};
use crate::harness::Town;
use crate::knowledge::{admin, begin, press, says, shown, titles, town};
use crate::support::{eventually, run};
use crate::ticket_desk::REFUND;

const RESET: &str = "When is the next map reset?";

/// Questions that the documents do not answer, and one whose answer did not help.
async fn with_gaps(town: &Town) {
    for text in [RESET, "is there a date for the map reset?", "can I appeal my ban somewhere?"] {
        let answer = town.answer(town.ask(0, text)).await;
        assert!(!answer.content.contains("Sources"), "it is answered: {}", answer.content);
    }
    let answer = town.answer(town.ask(0, REFUND)).await;
    let button =
        answer.components.iter().find(|it| it.custom_id.starts_with("unhelpful:")).expect("a button");
    let pressed = town.sim.press(answer.channel, answer.message, &button.custom_id, town.member(0));
    town.answer(QuestionId::Interaction(pressed.expect("it can be pressed"))).await;
    town.at_rest().await;
}

#[tokio::test]
async fn a_gap_is_closed_by_one_form_and_open_again_when_its_document_goes() {
    let town = town().await;
    let _worker = town.worker();
    says(&town, begin(&town, "gaps", &[]), "No question of the last 30 days").await;
    with_gaps(&town).await;
    let listed = says(&town, begin(&town, "gaps", &[]), "4 questions of the last 30 days").await;
    let lines: Vec<&str> = listed.content.lines().collect();
    assert!(
        lines[1].starts_with("1\\. **2×** · 2 not found · https://discord.com/channels/"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], "> is there a date for the map reset?");
    assert!(listed.content.contains("1 not helpful"), "{}", listed.content);

    let opener = press(&town, &listed, "Answer 1", admin(&town));
    let form = eventually("the form is open", async || town.sim.modal(opener)).await;
    assert_eq!(form["components"][0]["components"][0]["value"], "is there a date for the map reset?");
    let fields = [("text", json!("The map is reset on the first of each month."))];
    let sent = town.sim.submit(opener, admin(&town), &fields).expect("it is sent");
    let told = says(&town, sent, "searchable now").await;
    assert!(told.content.contains("off the list of `/gaps`"), "{}", told.content);
    let answer = town.answer(town.ask(0, RESET)).await;
    assert!(answer.content.contains("first of each month"), "{}", answer.content);
    let left = says(&town, begin(&town, "gaps", &[]), "2 questions of the last 30 days").await;
    assert!(!left.content.contains("map reset"), "{}", left.content);

    run(&town.db.pool, "delete from knowledge_documents where title like '%map reset%'").await;
    says(&town, begin(&town, "gaps", &[]), "4 questions of the last 30 days").await;
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}

#[tokio::test]
async fn many_gaps_have_pages_and_a_crafted_or_foreign_one_opens_nothing() {
    let town = town().await;
    let _worker = town.worker();
    for what in ["ban appeals", "name colours", "voice lags", "lost pets", "boat races", "fishing rods"] {
        town.answer(town.ask(0, &format!("what about {what}?"))).await;
    }
    let used = begin(&town, "gaps", &[]);
    let listed = says(&town, used, "6 questions of the last 30 days").await;
    press(&town, &listed, "Next ▶", admin(&town));
    let second = eventually("the page is turned", async || {
        shown(&town, listed.message).filter(|it| it.content.contains("\n6\\. "))
    })
    .await;
    let labels: Vec<&str> = second.components.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(labels, ["Answer 6", "◀ Back", "Next ▶"]);
    // As if somebody who manages server 1 had pressed there what belongs to server 0.
    let (_, payload) = entry_of(&town, 0, used.get(), "INTERACTION_CREATE").await;
    let theirs = town.server(1);
    let gap = second.components[0].custom_id.clone();
    for (n, id) in (1_u64..).zip([gap.clone(), "gap:".to_owned(), format!("kanswer:{}", &gap[4..])]) {
        let mut forged: serde_json::Value = serde_json::from_str(&payload).expect("JSON");
        forged["id"] = json!((used.get() + n).to_string());
        forged["guild_id"] = json!(theirs.id);
        forged["type"] = json!(if id.starts_with("kanswer") { 5 } else { 3 });
        forged["data"] = json!({ "custom_id": id, "components": [
            { "type": 1, "components": [{ "type": 4, "custom_id": "text", "value": "x" }] }] });
        append(&town, 1, &format!("forged:{n}"), "INTERACTION_CREATE", &forged.to_string()).await;
    }
    let refused =
        "select count(*) from helpline.outbox where request ->> 'content' like '%no longer on the list%'";
    eventually("each is refused", async || (town.count(refused).await == 3).then_some(())).await;
    assert_eq!(titles(&town, 1).await, ["Backups", "Refunds"]);
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}
