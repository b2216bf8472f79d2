//! The playground with the real Helpline behind it: a question, its answer with citations, and a ticket, as people see
//! them in a browser. With SCREENSHOTS set to a directory the pictures of the documentation are taken into it.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

#[path = "../../sim/tests/playground/browser.rs"]
#[allow(dead_code, reason = "the simulator's own tests use the rest")]
mod browser;
#[path = "../answering/harness.rs"]
#[allow(dead_code, reason = "the tests of answering use the rest")]
mod harness;
#[path = "../support/settled.rs"]
mod settled;
#[path = "../support/mod.rs"]
mod support;

use browser::Browser;
use harness::Town;
use helpline_sim::Config;
use serde_json::json;
use support::eventually;

#[tokio::test]
async fn a_question_its_citations_and_a_ticket_are_seen_in_the_browser() {
    let town = Town::with(Config { servers: 8, members_per_server: 8, ..Config::default() }).await;
    let _worker = town.worker();
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"ask".to_owned()).then_some(())
    })
    .await;
    let settings = json!({"screenshots": std::env::var("SCREENSHOTS").ok()});
    Browser::open("support", &town.sim, &settings).end().await;
    town.at_rest().await;
    let tickets = "select count(*) from forwarded_tickets where status = 'pending'";
    assert_eq!(town.count(tickets).await, 1, "the ticket seen in the browser is in the database");
    assert_eq!(town.count("select count(*) from conversations").await, 2);
}
