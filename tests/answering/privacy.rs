//! `/privacy`: what a member gets, what is forgotten, and of whom. And a server that the bot has left.

use std::time::Duration;

use helpline_sim::Config;
use helpline_sim::ids::{InteractionId, UserId};
use helpline_sim::matching::QuestionId;
use helpline_sim::transcript::Kind;

use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, REFUND, forwarded, told};

async fn town() -> Town {
    Town::with(Config { servers: 2, interaction_deadline: Duration::from_secs(60), ..Config::default() })
        .await
}

async fn privacy(town: &Town, server: usize, member: UserId, subcommand: &str) -> InteractionId {
    let channel = town.server(server).general_channel;
    eventually("the command is registered", async || {
        town.sim.slash(channel, member, &format!("privacy {subcommand}"), &[]).ok()
    })
    .await
}

/// Asks for it, and confirms.
async fn forget(town: &Town, member: UserId) -> String {
    let asked = privacy(town, 0, member, "delete").await;
    let sure = town.answer(QuestionId::Interaction(asked)).await;
    assert!(sure.ephemeral && sure.components[0].custom_id.starts_with("forget:"), "{}", sure.content);
    let pressed = town.sim.press(sure.channel, sure.message, &sure.components[0].custom_id, member);
    told(town, pressed.expect("the button is there")).await
}

const WORDS: &str = "select count(*) from conversations where transcript::text like '%refund%'";

#[tokio::test]
async fn a_member_gets_what_is_kept_of_him_as_a_file_that_he_alone_sees() {
    let town = town().await;
    let _worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    let used = privacy(&town, 0, town.member(0), "export").await;
    let answer = town.answer(QuestionId::Interaction(used)).await;
    assert!(answer.ephemeral && answer.content.starts_with("Here is all"), "{}", answer.content);
    let files = town.sim.transcript().snapshot().into_iter().find_map(|entry| match &entry.kind {
        Kind::BotMessage(message) | Kind::BotEdit(message) if message.id == answer.message => {
            (!message.attachments.is_empty()).then(|| message.attachments.clone())
        }
        _ => None,
    });
    assert_eq!(files.expect("a file"), ["helpline-data.json"]);
    let kept = "select count(*) from helpline.outbox where effect = 'data' and request::text like '%refund%'";
    assert_eq!(town.count(kept).await, 0, "the outbox keeps no copy");
}

#[tokio::test]
async fn what_a_member_said_is_forgotten_where_he_wants_it_and_nowhere_else() {
    let town = town().await;
    let _worker = town.worker();
    let (asker, other) = (town.member(0), town.server(0).members[1]);
    let (answer, _) = forwarded(&town).await;
    let vote = town.sim.press(answer.channel, answer.message, &answer.components[1].custom_id, asker);
    told(&town, vote.expect("the button is there")).await;
    let theirs = town.answer(town.say(town.server(0).support_channel, other, BACKUP)).await;
    town.say(theirs.channel, asker, "I had the same with my refund");
    town.answer(town.ask(1, REFUND)).await;
    town.at_rest().await;
    town.caught_up(0).await;
    assert_eq!(town.count(WORDS).await, 3);
    assert_eq!(
        forget(&town, asker).await,
        "Forgotten: what you said in 2 conversations, and 1 vote. What only counts how \
        much was asked stays. Your messages on Discord are yours to delete."
    );
    assert_eq!(town.count(WORDS).await, 1, "another server's is its own matter");
    assert_eq!(town.count("select count(*) from helpline.feedback").await, 0);
    assert_eq!(
        town.count("select count(*) from conversations where transcript::text like '%backup%'").await,
        1
    );
    assert_eq!(town.count("select count(*) from forwarded_tickets where status = 'pending'").await, 1);
    assert!(town.count("select count(*) from helpline.asked").await > 0);
    eventually("the ticket's message quotes nothing", async || {
        crate::ticket_desk::messages(&town)
            .pop()
            .filter(|message| !message.content.contains("refund"))
            .map(drop)
    })
    .await;
    assert!(forget(&town, asker).await.starts_with("There is nothing"));
}

#[tokio::test]
async fn a_server_that_the_bot_has_left_is_forgotten_in_time_and_one_that_comes_back_is_not() {
    let town = town().await;
    let worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    town.answer(town.ask(1, REFUND)).await;
    town.at_rest().await;
    worker.kill();
    run(&town.db.pool, "update servers set active = false").await;
    let days = |days: u32| format!("update servers set left_at = now() - interval '{days} days'");
    let worker = town.db.role("helpline_worker");
    let forgotten = async || {
        let mut gone = 0i64;
        for shard in 0..4 {
            let forget =
                sqlx::query_scalar::<_, i64>("select helpline.forget_left_servers($1, 30)").bind(shard);
            gone += forget.fetch_one(&worker).await.expect("workers may");
        }
        gone
    };
    run(&town.db.pool, days(29)).await;
    assert_eq!(forgotten().await, 0, "there is time left");
    let back = format!("update servers set active = true where id = {}", town.server(1).id.get());
    run(&town.db.pool, days(31)).await;
    run(&town.db.pool, back).await;
    assert_eq!(forgotten().await, 1);
    for (table, left) in [("conversations", 1), ("knowledge_documents", 2), ("servers", 2)] {
        let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&town.db.pool).await.expect("a count");
        assert_eq!(count, left, "{table}");
    }
    let of_servers = "select n.nspname || '.' || c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid \
                      join pg_namespace n on n.oid = c.relnamespace where a.attname = 'server_id' \
                      and c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('public', 'helpline')";
    let tables: Vec<String> =
        sqlx::query_scalar(of_servers).fetch_all(&town.db.pool).await.expect("the tables");
    let mut kept = Vec::new();
    for table in tables {
        let sql = format!("select count(*) from {table} where server_id = {}", town.server(0).id.get());
        let sql = sqlx::AssertSqlSafe(sql);
        if sqlx::query_scalar::<_, i64>(sql).fetch_one(&town.db.pool).await.expect("a count") > 0 {
            kept.push(table);
        }
    }
    // What it cost is a hint for placement, and may be noted a moment later.
    kept.retain(|table| table != "helpline.server_load");
    kept.sort_unstable();
    let numbers = ["helpline.knowledge_derived", "helpline.knowledge_versions", "public.analytics"];
    assert_eq!(kept, [&numbers[..], &["public.server_shards"]].concat());
    let reset = "select count(*) from servers where not active and config ->> 'enabled' = 'false' and left_at is null";
    assert_eq!(town.count(reset).await, 1);
    assert_eq!(forgotten().await, 0);
}
