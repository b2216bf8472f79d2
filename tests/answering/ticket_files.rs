//! What staff are shown alone below a ticket: what the bot would answer, and the conversation as files.

use helpline_sim::ids::{InteractionId, UserId};
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::transcript::{BotMessage, Kind};
use serde_json::Value;

use crate::faults::{append, entry_of};
use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{
    FAILED, REFUND, button, forwarded, helper, press, resolve, shows, stands, told, town,
};

async fn shown(town: &Town, pressed: InteractionId) -> Answer {
    told(town, pressed).await;
    town.answers(QuestionId::Interaction(pressed)).remove(0)
}

fn send(town: &Town, suggestion: &Answer, by: UserId) -> InteractionId {
    let id = &suggestion.components[0].custom_id;
    town.sim.press(suggestion.channel, suggestion.message, id, by).expect("the button is there")
}

fn spoken(town: &Town, by: UserId) -> Vec<BotMessage> {
    let from = format!("-# From <@{}>", by.get());
    let transcript = town.sim.transcript().snapshot();
    let said = transcript.iter().filter_map(|entry| match &entry.kind {
        Kind::BotMessage(message) if message.content.ends_with(&from) => Some(message.clone()),
        _ => None,
    });
    said.collect()
}

#[tokio::test]
async fn staff_are_shown_alone_what_the_bot_would_answer_and_send_it_once_with_their_name() {
    let town = town().await;
    let _worker = town.worker();
    let (answer, message) = forwarded(&town).await;
    let one = helper(&town, 1);
    assert!(told(&town, press(&town, &message, "suggest", town.member(0))).await.starts_with("Only <@&"));
    let first = shown(&town, press(&town, &message, "suggest", one)).await;
    for part in ["What I would answer", "14 days", "-# Sources: "] {
        assert!(first.content.contains(part), "{part} is not in {}", first.content);
    }
    let second = shown(&town, press(&town, &message, "suggest", one)).await;
    assert!(told(&town, send(&town, &first, one)).await.contains("there is a newer one"));
    let both = [send(&town, &second, one), send(&town, &second, one)];
    let said = [told(&town, both[0]).await, told(&town, both[1]).await];
    assert!(said.iter().any(|text| text.contains("sent already")), "{said:?}");
    let posted = spoken(&town, one);
    assert_eq!(posted.len(), 1);
    assert!(posted[0].channel == answer.channel && posted[0].content.contains("14 days"));
    assert!(posted[0].pinged.users.is_empty());
    assert_eq!(stands(&town).await.0, "pending", "nobody has claimed it by that");
    assert_eq!(town.count(FAILED).await, 0);
}

#[tokio::test]
async fn what_the_documents_do_not_say_is_not_suggested_and_other_servers_tickets_are_not_found() {
    let town = town().await;
    let _worker = town.worker();
    let (answer, message) = forwarded(&town).await;
    let one = helper(&town, 1);
    town.say(answer.channel, town.member(0), "which wine goes with grilled salmon?");
    eventually("it was heard", async || {
        let heard = "select count(*) from conversations where transcript::text like '%salmon%'";
        (town.count(heard).await == 1).then_some(())
    })
    .await;
    let pressed = press(&town, &message, "suggest", one);
    let nothing = shown(&town, pressed).await;
    assert!(
        nothing.content.contains("I find nothing") && nothing.components.is_empty(),
        "{}",
        nothing.content
    );
    let (_, payload) = entry_of(&town, 0, pressed.get(), "INTERACTION_CREATE").await;
    let mut forged: Value = serde_json::from_str(&payload).expect("JSON");
    for (n, prefix) in ["suggest", "transcript", "send"].into_iter().enumerate() {
        let id = 999_999_999_999_990_000_u64 + n as u64;
        let (_, rest) = button(&message, "suggest").split_once(':').expect("an id");
        forged["id"] = id.to_string().into();
        forged["token"] = "none".into();
        forged["guild_id"] = town.server(1).id.get().to_string().into();
        forged["member"]["permissions"] = "8".into();
        forged["data"]["custom_id"] = format!("{prefix}:{rest}").into();
        append(&town, 1, &format!("forged:{n}"), "INTERACTION_CREATE", &forged.to_string()).await;
    }
    let refused = "select count(*) from helpline.outbox where event_id like '99999999999999000%'
                   and (request ->> 'content' like '%no longer here%' or request ->> 'content' like '%sent already%')";
    eventually("all are refused", async || (town.count(refused).await == 3).then_some(())).await;
}

/// The files of the last transcript, as Discord serves them.
async fn files(town: &Town) -> Vec<(String, String)> {
    let token: String = sqlx::query_scalar(
        "select request ->> 'token' from helpline.outbox where request ->> 'do' = 'transcript' order by id desc limit 1",
    )
    .fetch_one(&town.db.pool)
    .await
    .expect("a transcript");
    let http = reqwest::Client::new();
    let bot = town.sim.config().bot.get();
    let url = format!("{}/api/v10/webhooks/{bot}/{token}/messages/@original", town.sim.rest_base());
    let agent = "DiscordBot (https://helpline.example, 1)";
    let message: Value = http
        .get(url)
        .header("user-agent", agent)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let mut files = Vec::new();
    for file in message["attachments"].as_array().unwrap_or_else(|| panic!("{message}")) {
        let got = http.get(file["url"].as_str().expect("a URL")).send().await.expect("it is served");
        files.push((file["filename"].as_str().expect("a name").to_owned(), got.text().await.expect("text")));
    }
    files
}

#[tokio::test]
async fn whoever_resolves_a_ticket_gets_the_conversation_as_files_once_and_others_by_a_button() {
    let town = town().await;
    let worker = town.worker();
    let asked = town.say(
        town.server(0).support_channel,
        town.member(0),
        &format!("<script>alert(1)</script> & \"{REFUND}\""),
    );
    let answer = town.answer(asked).await;
    let human = &answer.components[0].custom_id;
    let pressed = town.sim.press(answer.channel, answer.message, human, town.member(0)).expect("a button");
    told(&town, pressed).await;
    let message = crate::ticket_desk::ticket(&town).await;
    let one = helper(&town, 1);
    assert!(told(&town, press(&town, &message, "transcript", town.member(0))).await.starts_with("Only <@&"));
    assert!(told(&town, press(&town, &message, "transcript", one)).await.contains("Only you see them"));
    assert_eq!(files(&town).await.len(), 2);
    let resolved = resolve(&town, &message, one, "Paid </article> back.").await;
    assert!(told(&town, resolved).await.contains("resolved"));
    shows(&town, "**Resolved**").await;
    let got = files(&town).await;
    let [(html, page), (plain, text)] = got.as_slice() else { panic!("two files: {got:?}") };
    assert!(html.ends_with(".html") && plain.ends_with(".txt"), "{html} {plain}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;how long"), "{page}");
    assert!(page.contains("Paid &lt;/article&gt; back.") && !page.contains("<script"), "{page}");
    assert!(
        text.contains("  <script>alert(1)</script> &") && text.contains("resolve unclaimed by"),
        "{text}"
    );
    town.at_rest().await;
    worker.kill();
    // As if the owner had died after Discord took it and before it could note that.
    run(
        &town.db.pool,
        "update helpline.outbox set state = 'pending', message_id = null, sent_at = null
         where request ->> 'do' = 'transcript'",
    )
    .await;
    let _next = town.worker();
    town.at_rest().await;
    assert_eq!(town.answers(QuestionId::Interaction(resolved)).len(), 1);
    assert_eq!((files(&town).await.len(), town.count(FAILED).await), (2, 0));
}
