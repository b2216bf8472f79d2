//! `/knowledge` from the simulated Discord: files, forms and links become documents that answer; who may, what comes twice,
//! late, too large or from elsewhere.

use helpline_sim::ids::{InteractionId, UserId};
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::transcript::Kind;
use helpline_sim::{Config, Phase};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::faults::{append, entry_of};
use crate::harness::Town;
use crate::pdf_file;
use crate::settled::{BACKUPS, REFUNDS};
use crate::support::{eventually, run};

pub const DOCUMENTS: &str = "select count(*) from knowledge_documents";

/// The simulator waits longer for the first reply than Discord, so that a slow machine fails nothing.
pub async fn town() -> Town {
    let config =
        Config { servers: 2, interaction_deadline: std::time::Duration::from_secs(60), ..Config::default() };
    let town = Town::with(config).await;
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"knowledge".to_owned()).then_some(())
    })
    .await;
    town
}

pub fn admin(town: &Town) -> UserId {
    town.server(0).staff[0]
}

/// An admin of the first server uses a command, in the support channel.
pub fn begin(town: &Town, command: &str, options: &[(&str, Value)]) -> InteractionId {
    let used = town.sim.slash(town.server(0).support_channel, admin(town), command, options);
    used.expect("the command is offered")
}

/// What whoever used it is told, once it says so.
pub async fn says(town: &Town, used: InteractionId, text: &str) -> Answer {
    let question = QuestionId::Interaction(used);
    let answer = eventually(&format!("it is told {text:?}"), async || {
        town.answers(question).pop().filter(|answer| answer.content.contains(text))
    })
    .await;
    assert!(answer.ephemeral, "everybody reads {}", answer.content);
    assert!(answer.pinged.roles.is_empty() && answer.pinged.users.is_empty() && !answer.pinged.everyone);
    assert_eq!(town.answers(question).len(), 1, "one message");
    answer
}

pub fn press(town: &Town, answer: &Answer, label: &str, member: UserId) -> InteractionId {
    let button = answer.components.iter().find(|it| it.label == label);
    let button = button.unwrap_or_else(|| panic!("no {label:?} in {:?}", answer.components));
    town.sim.press(answer.channel, answer.message, &button.custom_id, member).expect("it can be pressed")
}

fn file(name: &str, bytes: &[u8]) -> (&'static str, Value) {
    use base64::Engine as _;
    ("file", json!({ "filename": name, "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }))
}

async fn add(town: &Town, name: &str, bytes: &[u8], told: &str) -> Answer {
    says(town, begin(town, "knowledge add", &[file(name, bytes)]), told).await
}

pub async fn titles(town: &Town, server: usize) -> Vec<String> {
    sqlx::query_scalar("select title from knowledge_documents where server_id = $1 order by title")
        .bind(town.server(server).id.get().cast_signed())
        .fetch_all(&town.db.pool)
        .await
        .expect("titles")
}

const PARKING: &str =
    "# Parking\n\n## Bicycles\n\nBicycles are parked behind the blue gate, next to the mill.\n";
const WHERE: &str = "where do I park my bicycle?";

#[tokio::test]
async fn a_file_becomes_a_document_that_the_next_question_is_answered_from() {
    let town = town().await;
    let _worker = town.worker();
    let told = add(&town, "parking.md", PARKING.as_bytes(), "searchable now").await;
    assert!(told.content.contains("**Parking** is added: 1 passage"), "{}", told.content);
    let answer = town.answer(town.ask(0, WHERE)).await;
    assert!(answer.content.contains("behind the blue gate"), "{}", answer.content);
    assert_eq!(titles(&town, 0).await, ["Backups", "Parking", "Refunds"]);
    assert_eq!(titles(&town, 1).await, ["Backups", "Refunds"], "no other server has it");
    let by = "select added_by from helpline.knowledge_originals where file is null";
    assert_eq!(town.count(by).await, admin(&town).get().cast_signed());

    let again = add(&town, "other name.md", PARKING.as_bytes(), "exactly this already").await;
    assert!(again.content.contains("as **Parking**"), "{}", again.content);
    for (name, bytes, told) in [
        ("a.docx", "x".as_bytes(), "text (.txt), Markdown (.md) and PDF"),
        ("a.md", b"# Title\n", "is empty"),
        ("a.txt", b"caf\xe9", "text in UTF-8"),
        ("a.pdf", b"no pdf", "not what its ending says"),
        ("a.pdf", pdf_file::encrypted("x", true).as_slice(), "protected with a password"),
        ("a.pdf", pdf_file::scanned().as_slice(), "only pictures"),
        ("a.pdf", b"%PDF-1.4 and nothing more", "print it to a new PDF"),
        ("a.txt", "x ".repeat(400_000).as_bytes(), "I read up to"),
    ] {
        add(&town, name, bytes, told).await;
    }
    town.at_rest().await;
    assert_eq!(town.count(DOCUMENTS).await, 5);
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}

#[tokio::test]
async fn a_pdf_is_searched_by_its_text_and_given_back_as_it_was() {
    let town = town().await;
    let _worker = town.worker();
    let pdf = pdf_file::with_pages(&[
        "Opening hours",
        "The of\u{fb01}ce is open from nine to five, but not on Mondays.",
    ]);
    add(&town, "hours.pdf", &pdf, "**hours** is added").await;
    let answer = town.answer(town.ask(0, "when is the office open?")).await;
    assert!(answer.content.contains("nine to five"), "{}", answer.content);
    let viewed = begin(&town, "knowledge view", &[("document", json!("HOURS"))]);
    let shown = says(&town, viewed, "**hours**").await;
    assert!(shown.content.contains(&format!("by <@{}>", admin(&town).get())), "{}", shown.content);
    assert_eq!(attached(&town, viewed), ["hours.pdf"]);
    let kept: Vec<u8> = sqlx::query_scalar("select file from helpline.knowledge_originals")
        .fetch_one(&town.db.pool)
        .await
        .expect("the file");
    assert_eq!(kept, pdf);
    // Once a dashboard has changed the text, the file is no longer its original.
    run(&town.db.pool, "update knowledge_documents set content = 'Always open.' where title = 'hours'").await;
    let viewed = begin(&town, "knowledge view", &[("document", json!("hours"))]);
    says(&town, viewed, "**hours**").await;
    assert_eq!(attached(&town, viewed), ["hours.txt"]);
}

fn attached(town: &Town, used: InteractionId) -> Vec<String> {
    let transcript = town.sim.transcript().snapshot();
    let files = transcript.iter().rev().find_map(|entry| match &entry.kind {
        Kind::BotMessage(message) | Kind::BotEdit(message) if message.interaction == Some(used) => {
            Some(message.attachments.clone())
        }
        _ => None,
    });
    files.unwrap_or_default()
}

#[tokio::test]
async fn a_text_is_written_into_a_form_and_documents_are_listed_found_and_removed() {
    let town = town().await;
    let _worker = town.worker();
    let opener = begin(&town, "knowledge add", &[]);
    eventually("the form is open", async || town.sim.modal(opener)).await;
    let fields =
        [("title", json!("Parking | @everyone")), ("text", json!("Bicycles stand behind the blue gate."))];
    let sent = town.sim.submit(opener, admin(&town), &fields).expect("it is sent");
    says(&town, sent, "searchable now").await;
    let found = begin(&town, "knowledge search", &[("question", json!(WHERE))]);
    let found = says(&town, found, "This is what I would read").await;
    assert!(found.content.contains("> Bicycles stand behind the blue gate."), "{}", found.content);

    for n in 0..12 {
        let text = format!(
            "insert into knowledge_documents (server_id, title, content, file_type)
            values ({}, 'Extra {n:02}', 'Extra text {n}.', 'txt')",
            town.server(0).id.get()
        );
        run(&town.db.pool, text).await;
    }
    let listed = says(&town, begin(&town, "knowledge list", &[]), "Page 1 of 2").await;
    assert!(listed.content.contains("15 documents of 1000"), "{}", listed.content);
    press(&town, &listed, "Next ▶", admin(&town));
    let first = listed.message;
    let second = eventually("the page is turned", async || {
        shown(&town, first).filter(|answer| answer.content.contains("Page 2 of 2"))
    })
    .await;
    assert!(second.content.contains("**Refunds**"), "{}", second.content);

    let channel = town.server(0).support_channel;
    let typing = town.sim.autocomplete(
        channel,
        admin(&town),
        "knowledge remove",
        &[("document", json!("park"))],
        "document",
    );
    let typing = typing.expect("it offers choices");
    let offered = eventually("choices are offered", async || town.sim.choices(typing)).await;
    assert_eq!(offered[0]["name"], "Parking | @everyone");
    let id = offered[0]["value"].clone();
    let asked =
        says(&town, begin(&town, "knowledge remove", &[("document", id.clone())]), "Remove **Parking").await;
    press(&town, &asked, "Keep", admin(&town));
    eventually("it is kept", async || {
        shown(&town, asked.message).filter(|it| it.content.contains("Nothing was removed"))
    })
    .await;
    let asked = says(&town, begin(&town, "knowledge remove", &[("document", id)]), "Remove **Parking").await;
    let remove = asked.components[0].custom_id.clone();
    // Pressed twice at once: the second finds nothing any more.
    let both = [(); 2].map(|()| town.sim.press(asked.channel, asked.message, &remove, admin(&town)));
    for pressed in both {
        pressed.expect("it can be pressed");
    }
    eventually("the second press finds nothing any more", async || {
        shown(&town, asked.message).filter(|it| it.content.contains("no such document"))
    })
    .await;
    town.at_rest().await;
    assert_eq!(town.count("select count(*) from knowledge_documents where title like 'Parking%'").await, 0);
    assert_eq!(
        town.count("select count(*) from helpline.knowledge_passages where content like '%blue gate%'").await,
        0
    );
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
    assert!(!town.answer(town.ask(0, WHERE)).await.content.contains("blue gate"));
}

/// A message of the bot as it stands now.
pub fn shown(
    town: &Town,
    message: helpline_sim::ids::MessageId,
) -> Option<helpline_sim::transcript::BotMessage> {
    let transcript = town.sim.transcript().snapshot();
    transcript.iter().rev().find_map(|entry| match &entry.kind {
        Kind::BotMessage(it) | Kind::BotEdit(it) if it.id == message => Some(it.clone()),
        _ => None,
    })
}

#[tokio::test]
async fn a_title_that_is_taken_is_asked_about_and_decided_once() {
    let town = town().await;
    let _worker = town.worker();
    let content = async || -> Vec<String> {
        sqlx::query_scalar("select content from knowledge_documents where server_id = $1 and title = 'Backups' order by created_at")
            .bind(town.server(0).id.get().cast_signed())
            .fetch_all(&town.db.pool)
            .await
            .expect("contents")
    };
    let new = |n: u32| format!("# Backups\n\nVersion {n} is made at noon.\n");
    let decide = async |n: u32, label: &str, expected: Vec<String>| {
        let asked = add(&town, "b.md", new(n).as_bytes(), "already, with another text").await;
        let first = press(&town, &asked, label, admin(&town));
        let second = press(&town, &asked, label, admin(&town));
        for pressed in [first, second] {
            eventually("the press is answered", async || {
                matches!(town.sim.interaction(pressed), Some(Phase::Answered { .. })).then_some(())
            })
            .await;
        }
        town.at_rest().await;
        assert_eq!(content().await, expected, "{label}");
    };
    decide(1, "Cancel", vec![BACKUPS.to_owned()]).await;
    decide(2, "Replace it", vec![new(2)]).await;
    decide(3, "Keep both", vec![new(2), new(3)]).await;
    assert_eq!(town.count("select count(*) from helpline.knowledge_drafts").await, 0);
    // Named, it needs no question.
    let options = [("document", json!("Refunds")), file("r.md", b"# Other\n\nNo refunds on Mondays.\n")];
    says(&town, begin(&town, "knowledge replace", &options), "**Refunds** has its new version").await;
    let answer = town.answer(town.ask(0, "are there refunds on mondays?")).await;
    assert!(answer.content.contains("No refunds on Mondays"), "{}", answer.content);
    let gone = [("document", json!("Nowhere")), file("r.md", REFUNDS.as_bytes())];
    says(&town, begin(&town, "knowledge replace", &gone), "no such document").await;
}

#[tokio::test]
async fn a_link_leads_to_a_message_of_the_channel_and_nowhere_else() {
    let town = town().await;
    let _worker = town.worker();
    let (here, elsewhere) = (town.server(0), town.server(1));
    let say = |channel, member, text| town.sim.say(channel, member, text).expect("it is written").get();
    let message = say(here.support_channel, here.staff[1], "Bicycles are parked behind the blue gate.");
    let secret = say(elsewhere.support_channel, elsewhere.staff[0], "A secret of others.");
    let link = |server: u64, channel: u64, message: u64| {
        [("link", json!(format!("https://discord.com/channels/{server}/{channel}/{message}")))]
    };
    let (id, channel) = (here.id.get(), here.support_channel.get());
    says(&town, begin(&town, "knowledge add", &link(id, channel, message)), "searchable now").await;
    let theirs = (elsewhere.id.get(), elsewhere.support_channel.get());
    for (link, told) in [
        (link(theirs.0, theirs.1, secret), "another server"),
        (link(id, theirs.1, secret), "in the channel of that message"),
        (link(id, here.general_channel.get(), message), "in the channel of that message"),
        (link(id, channel, secret), "no longer there"),
        ([("link", json!("https://evil.example/x"))], "no link to a message"),
    ] {
        says(&town, begin(&town, "knowledge add", &link), told).await;
    }
    assert_eq!(town.count(DOCUMENTS).await, 5);
}

#[tokio::test]
async fn whoever_does_not_manage_the_server_and_ids_of_others_get_nowhere() {
    let town = town().await;
    let _worker = town.worker();
    let (here, elsewhere) = (town.server(0), town.server(1));
    let document_of = async |server: i64| {
        sqlx::query_scalar::<_, uuid::Uuid>("select id from knowledge_documents where server_id = $1 limit 1")
            .bind(server)
            .fetch_one(&town.db.pool)
            .await
            .expect("a document")
    };
    let theirs = document_of(elsewhere.id.get().cast_signed()).await;
    let ours = document_of(here.id.get().cast_signed()).await;
    let command = begin(&town, "knowledge list", &[]);
    let listed = says(&town, command, "What I know").await;
    let (_, payload) = entry_of(&town, 0, command.get(), "INTERACTION_CREATE").await;
    let mut number = command.get();
    let mut forge = |change: &dyn Fn(&mut Value)| {
        number += 1;
        let mut payload: Value = serde_json::from_str(&payload).expect("JSON");
        payload["id"] = json!(number.to_string());
        change(&mut payload);
        (number, payload.to_string())
    };
    let sub = |name: &str, options: Value| json!([{ "name": name, "type": 1, "options": options }]);
    let document = json!([{ "name": "document", "type": 3, "value": theirs }]);
    let mut forged = Vec::new();
    for name in ["view", "remove", "replace"] {
        forged.push(forge(&|it| it["data"]["options"] = sub(name, document.clone())));
    }
    for custom_id in [
        format!("kremove:{theirs}"),
        format!("kdraft:{theirs}:replace"),
        format!("gap:{theirs}"),
        "kremove:x".to_owned(),
    ] {
        forged.push(forge(&|it| {
            it["type"] = json!(3);
            it["data"] = json!({ "custom_id": custom_id, "component_type": 2 });
        }));
    }
    forged.push(forge(&|it| {
        it["type"] = json!(5);
        it["data"] = json!({ "custom_id": format!("kanswer:{theirs}"), "components": [
            { "type": 1, "components": [{ "type": 4, "custom_id": "text", "value": "x" }] }] });
    }));
    // Those who may not are told so, whatever they press.
    let nobody = |it: &mut Value| it["member"]["permissions"] = json!("0");
    forged.push(forge(&|it| nobody(it)));
    forged.push(forge(&|it| {
        nobody(it);
        it["type"] = json!(3);
        it["data"] = json!({ "custom_id": format!("kremove:{ours}"), "component_type": 2 });
    }));
    let expected = forged.len() as i64;
    for (n, payload) in &forged {
        append(&town, 0, &format!("forged:{n}"), "INTERACTION_CREATE", payload).await;
    }
    eventually("each is answered", async || {
        let told = "select count(*) from helpline.outbox where event_id::bigint > (
                select max(event_id::bigint) - 100 from helpline.outbox where event_id ~ '^[0-9]+$'
            ) and (request #>> '{panel,content}' ~ 'no such document|decided already'
                or request ->> 'content' ~ 'no such document|no longer on the list|permission')";
        (town.count(told).await == expected).then_some(())
    })
    .await;
    for server in 0..2 {
        assert_eq!(titles(&town, server).await, ["Backups", "Refunds"]);
    }
    // An admin offers the command to everybody, who still may not.
    town.sim
        .slash(here.support_channel, town.member(0), "knowledge list", &[])
        .expect_err("it is not offered");
    assert!(!listed.components.iter().any(|it| !it.disabled), "one page has nothing to turn");
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

#[tokio::test]
async fn a_plan_bounds_what_discord_and_a_dashboard_bring_in() {
    let town = town().await;
    let _worker = town.worker();
    let id = town.server(0).id.get();
    run(
        &town.db.pool,
        format!(
            "insert into billing_plans (id, name, price, interval, features) values
             ('70000000-0000-0000-0000-000000000001', 'small', 0, 'monthly',
              '{{\"max_documents\": 3, \"max_knowledge_bytes\": 1000}}');
             update servers set plan_id = '70000000-0000-0000-0000-000000000001' where id = {id}"
        ),
    )
    .await;
    let large = format!("# Large\n\n{}", "Many words here. ".repeat(60));
    let told = add(&town, "l.md", large.as_bytes(), "larger than its plan allows").await;
    assert!(
        told.content.contains("of 1 kB are used") && told.content.contains("/knowledge remove"),
        "{}",
        told.content
    );
    add(&town, "p.md", PARKING.as_bytes(), "searchable now").await;
    let told = add(&town, "q.md", b"# One more\n\nText.", "its plan allows 3").await;
    assert!(told.content.contains("has 3 documents"), "{}", told.content);
    let insert = format!(
        "insert into knowledge_documents (server_id, title, content, file_type) values ({id}, 'x', 'x', 'txt')"
    );
    let mut dashboard = PgConnection::connect(&town.db.url).await.expect("a connection");
    let refused =
        dashboard.execute(sqlx::AssertSqlSafe(insert.as_str())).await.expect_err("the plan is full");
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("HL003"));
    // Smaller is always possible, and so is another server.
    let smaller = format!(
        "update knowledge_documents set content = 'Short.' where server_id = {id} and title = 'Parking'"
    );
    dashboard.execute(sqlx::AssertSqlSafe(smaller.as_str())).await.expect("it shrinks");
    let other = insert.replace(&id.to_string(), &town.server(1).id.get().to_string());
    dashboard.execute(sqlx::AssertSqlSafe(other.as_str())).await.expect("another server has no plan");
}

#[tokio::test]
async fn a_worker_that_dies_while_it_learns_neither_loses_nor_doubles_a_document() {
    let town = town().await;
    let worker = town.worker();
    says(&town, begin(&town, "knowledge list", &[]), "What I know").await;
    let mut holding = PgConnection::connect(&town.db.url).await.expect("a connection");
    let lock = format!("begin; select from servers where id = {} for no key update", town.server(0).id.get());
    holding.execute(sqlx::AssertSqlSafe(lock.as_str())).await.expect("it is locked");
    let used = begin(&town, "knowledge add", &[file("parking.md", PARKING.as_bytes())]);
    eventually("the worker waits in the middle of storing it", async || {
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'
                       and datname = current_database() and query like '%select 1 as held%'";
        (town.count(waiting).await > 0).then_some(())
    })
    .await;
    worker.kill();
    holding.execute("commit").await.expect("it is let go");
    let second = town.worker();
    says(&town, used, "searchable now").await;
    town.at_rest().await;
    town.caught_up(0).await;
    second.kill();
    // Stored, and not yet known to be told.
    run(
        &town.db.pool,
        "update helpline.outbox set state = 'pending', sent_at = null where effect = 'learned'",
    )
    .await;
    let _third = town.worker();
    town.at_rest().await;
    assert_eq!(titles(&town, 0).await, ["Backups", "Parking", "Refunds"]);
    assert_eq!(town.answers(QuestionId::Interaction(used)).len(), 1);
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}
