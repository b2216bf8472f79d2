//! Tickets: what staff see and press, who may, and what comes late, twice or from elsewhere.

use helpline_sim::{Fault, Permissions, Phase, Route};
use serde_json::{Value, json};

use crate::faults::{append, entry_of};
use crate::support::{eventually, run};
use crate::ticket_desk::{
    FAILED, REFUND, button, calls, forwarded, helper, is, messages, offers, press, resolve, shows, standing,
    stands, told, town, transfer,
};

#[tokio::test]
async fn a_ticket_goes_through_every_step_and_its_message_shows_each() {
    let town = town().await;
    let _worker = town.worker();
    let (answer, message) = forwarded(&town).await;
    let (one, other) = (helper(&town, 0), helper(&town, 1));
    assert_eq!(
        (message.channel, message.pinged.roles.as_slice()),
        (answer.channel, [town.server(0).support_role].as_slice())
    );
    let jump = format!("https://discord.com/channels/{}/{}", town.server(0).id.get(), answer.channel.get());
    for part in [format!("> {REFUND}"), "What I answered:\n> ".to_owned(), "14 days".to_owned(), jump] {
        assert!(message.content.contains(&part), "{part} is not in {}", message.content);
    }
    assert_eq!(offers(&message), ["claim", "resolve", "bot", "suggest", "transcript"]);

    assert!(told(&town, press(&town, &message, "claim", one)).await.contains("yours"));
    let message = shows(&town, &format!("**Claimed** by <@{}>", one.get())).await;
    assert_eq!(offers(&message), ["resolve", "release", "bot", "suggest", "transcript", "transfer"]);
    assert_eq!(stands(&town).await, is("assigned", Some(one), "forwarded"));

    told(&town, transfer(&town, &message, one, other)).await;
    let message = shows(&town, &format!("**Claimed** by <@{}>", other.get())).await;
    assert_eq!(stands(&town).await, is("assigned", Some(other), "forwarded"));

    told(&town, press(&town, &message, "release", other)).await;
    let message = shows(&town, "**Waits**").await;
    assert_eq!(stands(&town).await, is("pending", None, "forwarded"));

    told(&town, resolve(&town, &message, one, "Paid back.").await).await;
    let message = shows(&town, &format!("**Resolved** by <@{}>", one.get())).await;
    assert!(message.content.ends_with("> Paid back."), "{}", message.content);
    assert_eq!(offers(&message), ["reopen", "transcript"]);
    assert_eq!(stands(&town).await, is("resolved", Some(one), "completed"));

    told(&town, press(&town, &message, "reopen", other)).await;
    let message = shows(&town, "**Waits**").await;
    assert_eq!(stands(&town).await, is("pending", None, "forwarded"));

    told(&town, press(&town, &message, "claim", other)).await;
    let message = shows(&town, "**Claimed**").await;
    told(&town, resolve(&town, &message, other, "").await).await;
    let message = shows(&town, "**Resolved**").await;
    assert_eq!(standing(&town).await.2, None);
    told(&town, press(&town, &message, "reopen", other)).await;
    let message = shows(&town, "**Waits**").await;
    told(&town, press(&town, &message, "bot", other)).await;
    let message = shows(&town, &format!("**Given back** to me by <@{}>", other.get())).await;
    assert_eq!(
        (offers(&message), stands(&town).await),
        (vec!["reopen", "transcript"], is("resolved", None, "active"))
    );

    told(&town, press(&town, &message, "reopen", one)).await;
    let message = shows(&town, "**Waits**").await;
    told(&town, press(&town, &message, "claim", one)).await;
    let message = shows(&town, "**Claimed**").await;
    told(&town, press(&town, &message, "bot", one)).await;
    shows(&town, "**Given back**").await;
    assert_eq!((calls(&town), messages(&town).len()), (1, 1), "staff were called once, with one message");
    assert_eq!(
        (town.count(FAILED).await, town.count("select count(*) from helpline.dead_letters").await),
        (0, 0)
    );
}

#[tokio::test]
async fn who_is_no_staff_presses_in_vain_and_is_told_so_alone() {
    let town = town().await;
    let _worker = town.worker();
    let (_, message) = forwarded(&town).await;
    let (asker, server) = (town.member(0), town.server(0));
    for prefix in ["claim", "bot", "resolve"] {
        let said = told(&town, press(&town, &message, prefix, asker)).await;
        assert!(said.starts_with(&format!("Only <@&{}>", server.support_role.get())), "{said}");
    }
    assert_eq!(stands(&town).await, is("pending", None, "forwarded"));
    told(&town, press(&town, &message, "claim", helper(&town, 1))).await;
    let message = shows(&town, "**Claimed**").await;
    assert!(told(&town, press(&town, &message, "release", asker)).await.starts_with("Only"));
    assert!(told(&town, transfer(&town, &message, asker, asker)).await.starts_with("Only"));
    // To nobody who could do nothing with it.
    let other = helper(&town, 0);
    for to in [asker, town.sim.config().bot] {
        assert!(
            told(&town, transfer(&town, &message, other, to))
                .await
                .contains("somebody with the support role")
        );
    }
    assert_eq!(stands(&town).await, is("assigned", Some(helper(&town, 1)), "forwarded"));
    // Whoever may manage the server is staff without the role, and whoever lost it is not.
    let managers = town.sim.create_role(server.id, "managers", Permissions::MANAGE_GUILD).expect("a role");
    town.sim.give_role(server.id, server.members[1], managers).expect("given");
    told(&town, transfer(&town, &message, server.members[1], server.members[1])).await;
    assert_eq!(stands(&town).await, is("assigned", Some(server.members[1]), "forwarded"));
    let message = shows(&town, &format!("by <@{}>", server.members[1].get())).await;
    town.sim.take_role(server.id, helper(&town, 1), server.support_role).expect("taken");
    assert!(told(&town, press(&town, &message, "release", helper(&town, 1))).await.starts_with("Only"));
}

#[tokio::test]
async fn of_two_presses_at_once_the_first_counts_and_the_second_is_told() {
    let town = town().await;
    let worker = town.worker();
    let (_, message) = forwarded(&town).await;
    town.at_rest().await;
    worker.kill();
    let presses: Vec<_> = (0..2).map(|n| (n, press(&town, &message, "claim", helper(&town, n)))).collect();
    let late = press(&town, &message, "bot", helper(&town, 1));
    entry_of(&town, 0, late.get(), "INTERACTION_CREATE").await;
    // All wait, and are applied in one transaction.
    let worker = town.worker();
    assert!(told(&town, presses[0].1).await.contains("yours"));
    let said = told(&town, presses[1].1).await;
    assert!(said.contains(&format!("<@{}> has claimed", helper(&town, 0).get())), "{said}");
    told(&town, late).await;
    let message = shows(&town, "**Given back**").await;
    // What comes again changes nothing, also when the next owner reads it all anew.
    let (origin, payload) = entry_of(&town, 0, presses[0].1.get(), "INTERACTION_CREATE").await;
    append(&town, 0, &origin, "INTERACTION_CREATE", &payload).await;
    append(&town, 0, "another-session:1", "INTERACTION_CREATE", &payload).await;
    worker.kill();
    run(&town.db.pool, "update helpline.shard_streams set cursor_seq = 0").await;
    let _next = town.worker();
    told(&town, press(&town, &message, "reopen", helper(&town, 0))).await;
    shows(&town, "**Waits**").await;
    assert_eq!(stands(&town).await, is("pending", None, "forwarded"));
    assert_eq!((calls(&town), messages(&town).len()), (1, 1));
    let steps = "select count(*) from conversations, jsonb_array_elements(transcript) turn
                 where turn ->> 'role' = 'ticket'";
    assert_eq!((town.count(steps).await, town.count(FAILED).await), (3, 0));
}

#[tokio::test]
async fn a_form_that_was_opened_before_somebody_else_resolved_is_too_late() {
    let town = town().await;
    let _worker = town.worker();
    let (_, message) = forwarded(&town).await;
    let (one, other) = (helper(&town, 0), helper(&town, 1));
    let early = press(&town, &message, "resolve", one);
    eventually("the form is open", async || town.sim.modal(early)).await;
    told(&town, resolve(&town, &message, other, "mine").await).await;
    shows(&town, "**Resolved**").await;
    let late = town.sim.submit(early, one, &[("notes", json!("too late"))]).expect("it is sent");
    assert!(told(&town, late).await.contains(&format!("<@{}> has resolved", other.get())));
    assert_eq!(standing(&town).await.2.as_deref(), Some("mine"));
}

#[tokio::test]
async fn the_proxy_opens_the_form_when_no_worker_does_and_the_next_worker_takes_what_was_sent() {
    let town = town().await;
    let worker = town.worker();
    let (_, message) = forwarded(&town).await;
    town.at_rest().await;
    worker.kill();
    let (one, asker) = (helper(&town, 0), town.member(0));
    let openers = [press(&town, &message, "resolve", one), press(&town, &message, "resolve", asker)];
    let mut sent = Vec::new();
    for (opener, member) in openers.into_iter().zip([one, asker]) {
        let form = eventually("the form is open", async || town.sim.modal(opener)).await;
        let ticket = button(&message, "resolve").split(':').nth(1).expect("an id").to_owned();
        assert_eq!(form["custom_id"], format!("notes:{ticket}"));
        assert!(matches!(town.sim.interaction(opener), Some(Phase::Answered { callback: 9, .. })));
        sent.push(town.sim.submit(opener, member, &[("notes", json!("from afar"))]).expect("it is sent"));
    }
    let _next = town.worker();
    assert!(told(&town, sent[1]).await.starts_with("Only"));
    told(&town, sent[0]).await;
    shows(&town, "> from afar").await;
    assert_eq!(stands(&town).await, is("resolved", Some(one), "completed"));
    assert_eq!((town.count(FAILED).await, calls(&town)), (0, 1));
}

#[tokio::test]
async fn notes_ping_nobody_and_break_nothing_whatever_is_written() {
    let town = town().await;
    let _worker = town.worker();
    let (_, message) = forwarded(&town).await;
    let (one, role) = (helper(&town, 0), town.server(0).support_role.get());
    let opener = press(&town, &message, "resolve", one);
    eventually("the form is open", async || town.sim.modal(opener)).await;
    let long = json!("x".repeat(10_000));
    town.sim.submit(opener, one, &[("notes", long)]).expect_err("Discord takes no more than 4,000");
    let nasty =
        format!("@everyone @here <@&{role}> <@{}>\n```\n# \u{202e}\u{2067}[x](https://e.example)", one.get());
    let sent = town.sim.submit(opener, one, &[("notes", json!(nasty))]).expect("it is sent");
    told(&town, sent).await;
    let shown = shows(&town, "> @everyone @here").await;
    assert!(!shown.pinged.everyone && shown.pinged.roles.is_empty() && shown.pinged.users.is_empty());
    assert!(
        shown.content.lines().last().is_some_and(|last| last.starts_with("> @everyone")),
        "{}",
        shown.content
    );
    assert_eq!(standing(&town).await.2.as_deref(), Some(nasty.as_str()), "kept as they are");
    // No client of Discord's sends these.
    told(&town, press(&town, &shown, "reopen", one)).await;
    let (_, payload) = entry_of(&town, 0, sent.get(), "INTERACTION_CREATE").await;
    let mut payload: Value = serde_json::from_str(&payload).expect("JSON");
    payload["id"] = json!((sent.get() + 1).to_string());
    payload["data"]["components"][0]["components"][0]["value"] = json!("\0\u{202e}é".repeat(11_000));
    append(&town, 0, "forged:1", "INTERACTION_CREATE", &payload.to_string()).await;
    let shown = shows(&town, "**Resolved**").await;
    assert!(shown.content.chars().count() <= 2_000 && shown.content.ends_with('…'));
    let kept = "select max(char_length(resolution_notes))::bigint from forwarded_tickets";
    assert_eq!(town.count(kept).await, 10_000);
    assert_eq!((calls(&town), town.count("select count(*) from helpline.dead_letters").await), (1, 0));
}

#[tokio::test]
async fn tickets_of_another_server_and_crafted_ones_are_out_of_reach() {
    let town = town().await;
    let _worker = town.worker();
    let (_, message) = forwarded(&town).await;
    let claim = press(&town, &message, "claim", helper(&town, 0));
    told(&town, claim).await;
    let message = shows(&town, "**Claimed**").await;
    let before = stands(&town).await;
    // As if staff of server 1 had pressed there what belongs to server 0.
    let (_, payload) = entry_of(&town, 0, claim.get(), "INTERACTION_CREATE").await;
    let theirs = town.server(1);
    let buttons = ["resolve", "release", "bot", "suggest", "transcript", "transfer"]
        .map(|prefix| button(&message, prefix).to_owned());
    let crafted = buttons.into_iter().chain([
        "claim:".to_owned(),
        "bot:%00".to_owned(),
        format!("release:{}", "9".repeat(80)),
    ]);
    let mut sent = 0;
    for (n, custom_id) in (1_u64..).zip(crafted) {
        let mut payload: Value = serde_json::from_str(&payload).expect("JSON");
        payload["id"] = json!((claim.get() + n).to_string());
        payload["guild_id"] = json!(theirs.id);
        payload["member"]["user"]["id"] = json!(theirs.staff[0]);
        payload["member"]["permissions"] = json!("8");
        payload["data"]["custom_id"] = json!(custom_id);
        payload["data"]["values"] = json!([theirs.staff[0]]);
        payload["data"]["resolved"] =
            json!({ "members": { theirs.staff[0].get().to_string(): { "permissions": "8" } } });
        append(&town, 1, &format!("forged:{n}"), "INTERACTION_CREATE", &payload.to_string()).await;
        sent += 1;
    }
    let told =
        "select count(*) from helpline.outbox where request ->> 'content' = 'That ticket is no longer here.'";
    eventually("each is told", async || (town.count(told).await == sent).then_some(())).await;
    assert_eq!(stands(&town).await, before);
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

#[tokio::test]
async fn what_a_dashboard_does_to_a_ticket_shows_in_discord() {
    let town = town().await;
    let _worker = town.worker();
    let (_, message) = forwarded(&town).await;
    let one = helper(&town, 0);
    run(
        &town.db.pool,
        format!("update forwarded_tickets set status = 'assigned', assigned_to = '{}'", one.get()),
    )
    .await;
    let claimed = shows(&town, &format!("**Claimed** by <@{}>", one.get())).await;
    assert_eq!(
        (claimed.id, offers(&claimed)),
        (message.id, vec!["resolve", "release", "bot", "suggest", "transcript", "transfer"])
    );
    run(&town.db.pool, "update forwarded_tickets set status = 'resolved', resolution_notes = 'by mail'")
        .await;
    shows(&town, "> by mail").await;
    run(&town.db.pool, "update forwarded_tickets set resolution_notes = 'by letter'").await;
    shows(&town, "> by letter").await;
    // Discord archives a thread in which nobody writes.
    town.sim.set_thread(message.channel, one, Some(true), None).expect("archived");
    run(&town.db.pool, "update forwarded_tickets set status = 'assigned'").await;
    shows(&town, "**Claimed**").await;
    town.at_rest().await;
    assert_eq!((calls(&town), town.count(FAILED).await), (1, 0));
}

#[tokio::test]
async fn an_owner_that_dies_between_the_post_and_its_note_calls_staff_once_and_the_buttons_work() {
    let town = town().await;
    let worker = town.worker();
    let (_, message) = forwarded(&town).await;
    town.at_rest().await;
    town.caught_up(0).await;
    worker.kill();
    run(
        &town.db.pool,
        "update helpline.outbox set state = 'pending', message_id = null, sent_at = null;
         update forwarded_tickets set message_id = null",
    )
    .await;
    let _next = town.worker();
    told(&town, press(&town, &message, "claim", helper(&town, 0))).await;
    shows(&town, "**Claimed**").await;
    assert_eq!((calls(&town), messages(&town).len()), (1, 1));
}

#[tokio::test]
async fn a_ticket_that_was_posted_in_the_channel_for_want_of_a_thread_follows_there() {
    let town = town().await;
    let _worker = town.worker();
    town.sim.fail_next(Some(Route::StartThread), 1, Fault::Status(403));
    let (_, message) = forwarded(&town).await;
    assert_eq!(message.channel, town.server(0).support_channel);
    told(&town, press(&town, &message, "claim", helper(&town, 0))).await;
    shows(&town, "**Claimed**").await;
    assert_eq!(calls(&town), 1);
}
