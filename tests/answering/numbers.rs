//! `/stats` and the table behind it: each event counts once, whatever brings it again.

use helpline_sim::ids::{InteractionId, UserId};

use crate::faults::{append, entry_of, number};
use crate::harness::Town;
use crate::harness::wire::Harm;
use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, FAILED, REFUND, forwarded, helper, press, resolve, shows, told, town};

/// Questions, resolved, of them assumed, forwarded, answers.
async fn numbers(town: &Town) -> (i64, i64, i64, i64, i64) {
    sqlx::query_as(
        "select sum(total_queries), sum(resolved_queries), sum(assumed_resolutions), sum(forwarded_tickets),
             sum(responses) from analytics",
    )
    .fetch_one(&town.db.pool)
    .await
    .expect("numbers")
}

/// What the table says is the sum of what happened.
async fn add_up(town: &Town) {
    let wrong = "select count(*) from (
         select a.server_id, a.date, a.resolved_queries, a.assumed_resolutions,
             count(r.question_id) as resolved, count(r.question_id) filter (where r.assumed) as assumed
         from analytics a
         left join helpline.resolutions r on r.server_id = a.server_id and r.day = a.date
         group by a.id
     ) it where (resolved_queries, assumed_resolutions) <> (resolved, assumed)";
    assert_eq!(town.count(wrong).await, 0, "{:?}", numbers(town).await);
}

fn stats(town: &Town, server: usize, member: UserId) -> InteractionId {
    town.sim.slash(town.server(server).general_channel, member, "stats", &[]).expect("it is offered")
}

#[tokio::test]
async fn staff_see_what_was_asked_and_what_became_of_it_and_nobody_else_does() {
    let town = town().await;
    let _worker = town.worker();
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"stats".to_owned()).then_some(())
    })
    .await;
    let one = helper(&town, 0);
    assert!(told(&town, stats(&town, 0, one)).await.starts_with("Nobody has asked"));
    let answer = town.answer(town.ask(0, REFUND)).await;
    let helpful = answer.components.iter().find(|it| it.custom_id.starts_with("helpful:")).expect("a button");
    let vote = |prefix: &str| {
        let button = helpful.custom_id.replacen("helpful:", prefix, 1);
        town.sim.press(answer.channel, answer.message, &button, town.member(0)).expect("the button is there")
    };
    told(&town, vote("helpful:")).await;
    told(&town, vote("helpful:")).await;
    assert_eq!(numbers(&town).await, (1, 1, 0, 0, 1));
    told(&town, vote("unhelpful:")).await;
    assert_eq!(numbers(&town).await, (1, 0, 0, 0, 1));
    told(&town, vote("close:")).await;
    assert_eq!(numbers(&town).await, (1, 0, 0, 0, 1), "it did not help, whoever closes it");
    let (_, message) = forwarded(&town).await;
    told(&town, resolve(&town, &message, one, "").await).await;
    let message = shows(&town, "**Resolved**").await;
    assert_eq!(numbers(&town).await, (2, 1, 0, 1, 2));
    let text = told(&town, stats(&town, 0, one)).await;
    let line = |name: &str| {
        let found = text.lines().find(|line| line.ends_with(name)).expect("a line");
        found.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("questions"), ["2", "2", "2", "questions"]);
    assert_eq!(line("  confirmed"), ["1", "1", "1", "confirmed"]);
    told(&town, press(&town, &message, "reopen", one)).await;
    assert_eq!(numbers(&town).await, (2, 0, 0, 1, 2));
    assert!(told(&town, stats(&town, 0, town.member(0))).await.starts_with("Only <@&"));
    assert!(told(&town, stats(&town, 1, town.server(1).staff[0])).await.starts_with("Nobody has asked"));
    add_up(&town).await;
}

#[tokio::test]
async fn numbers_are_exact_over_replays_kills_and_lost_commits() {
    let town = town().await;
    let (worker, wire) = town.worker_on_a_wire().await;
    let mut asked = Vec::new();
    for harm in [Harm::LoseAnswer, Harm::LoseCommit, Harm::LoseAnswer] {
        wire.harm_next_commit(harm);
        let question = town.ask(0, REFUND);
        town.answer(question).await;
        // Another one hits the commit that says what was delivered, or the answer's own.
        wire.harm_next_commit(harm);
        asked.push(question);
        asked.push(town.ask(1, BACKUP));
    }
    for question in &asked {
        town.answer(*question).await;
    }
    town.at_rest().await;
    assert_eq!(numbers(&town).await, (6, 0, 0, 0, 6));
    // Between T1 and T2.
    let last = town.ask(0, REFUND);
    eventually("it waits for its answer, or has it", async || {
        let seen = town.count("select sum(total_queries)::bigint from analytics").await;
        (seen == 7).then_some(())
    })
    .await;
    worker.kill();
    let _next = town.worker();
    town.answer(last).await;
    for (server, question) in [(0, asked[0]), (1, asked[1]), (0, last)] {
        let (origin, payload) = entry_of(&town, server, number(question), "MESSAGE_CREATE").await;
        append(&town, server, &origin, "MESSAGE_CREATE", &payload).await;
        let other = format!("another-session:{}", number(question));
        append(&town, server, &other, "MESSAGE_CREATE", &payload).await;
    }
    for server in [0, 1] {
        town.answer(town.ask(server, BACKUP)).await;
    }
    town.at_rest().await;
    assert_eq!(numbers(&town).await, (9, 0, 0, 0, 9));
    let average = "select count(*) from analytics where average_response_time is null
                   or abs(average_response_time - response_ms / 1000.0 / responses) > 0.01";
    assert_eq!((town.count(average).await, town.count(FAILED).await), (0, 0));
}

#[tokio::test]
async fn what_a_dashboard_resolves_and_reopens_counts_like_a_press() {
    let town = town().await;
    let _worker = town.worker();
    let (_, _) = forwarded(&town).await;
    let as_service =
        |set: &str| format!("begin; set local role service_role; update forwarded_tickets set {set}; commit");
    let resolve = "status = 'resolved', assigned_to = '77', resolution_notes = 'done'";
    run(&town.db.pool, as_service(resolve)).await;
    assert_eq!(numbers(&town).await, (1, 1, 0, 1, 1));
    run(&town.db.pool, as_service("status = 'pending', assigned_to = null")).await;
    assert_eq!(numbers(&town).await, (1, 0, 0, 1, 1));
    run(&town.db.pool, as_service(resolve)).await;
    run(&town.db.pool, as_service("resolution_notes = 'amended'")).await;
    assert_eq!(numbers(&town).await, (1, 1, 0, 1, 1));
    let message = shows(&town, "**Resolved**").await;
    told(&town, press(&town, &message, "reopen", helper(&town, 0))).await;
    assert_eq!(numbers(&town).await, (1, 0, 0, 1, 1));
    add_up(&town).await;
}
