//! A held event that cannot be applied, panics, or ends its owner's process is put aside, and nothing else is.

use helpline_sim::matching::QuestionId;
use sqlx::{Connection as _, PgConnection};

use crate::counted::Counted;
use crate::crashes::Scene;
use crate::harness::Town;
use crate::record::{keep_from_leaving, let_go, moved_out_is_written, plan, until};
use crate::support::{eventually, execute, run};

/// Applying it hangs until its owner dies.
const POISON: &str = "how do I restore a poisoned backup?";
const LETTERS: &str = "select count(*) from helpline.dead_letters where stream_id like 'held-%'";

/// From now on whoever stores the poison hangs, as long as the connection lives.
async fn poisoned(town: &Town) -> PgConnection {
    let trap = "create function trap() returns trigger language plpgsql as $$ begin
                    if new.transcript::text like '%poisoned%' then perform pg_advisory_xact_lock(4711); end if;
                    return new;
                end $$;
                create trigger trap before insert on public.conversations for each row execute function trap();";
    run(&town.db.pool, trap).await;
    let mut holder = PgConnection::connect(&town.db.url).await.expect("connect");
    execute(&mut holder, "select pg_advisory_lock(4711)".to_owned()).await;
    holder
}

/// The backend of an owner that hangs at the poison, or none when it was put aside.
async fn caught(town: &Town) -> Option<i32> {
    eventually("an owner hangs, or the event is put aside", async || {
        let trapped: Option<i32> = sqlx::query_scalar(
            "select pid from pg_locks where locktype = 'advisory' and objid = 4711 and not granted
             and database = (select oid from pg_database where datname = current_database())",
        )
        .fetch_optional(&town.db.pool)
        .await
        .expect("locks");
        match trapped {
            Some(pid) => Some(Some(pid)),
            None if town.count(LETTERS).await == 1 => Some(None),
            None => None,
        }
    })
    .await
}

#[tokio::test]
async fn a_held_event_that_panics_is_put_aside_and_counted_and_those_around_it_are_answered() {
    let counted = Counted::alone().await;
    let scene = Scene::new().await;
    let holder = keep_from_leaving(&scene.town, 0).await;
    let id = plan(&scene.town, 0, scene.to).await;
    moved_out_is_written(&scene.town, scene.from).await;
    let before = scene.town.ask(0, "how long do I have to ask for a refund?");
    let poison = scene.town.ask(0, POISON);
    let behind = scene.town.ask(0, "how do I restore a backup?");
    eventually("all three are held", async || {
        (scene.town.count("select count(*) from helpline.held_events").await == 3).then_some(())
    })
    .await;
    // Two hours old: to be told, which is counted, in the midst of the transaction.
    let late = "update helpline.held_events set received_at_ms = received_at_ms - 7200000
                where convert_from(payload, 'UTF8') like '%poisoned%'";
    run(&scene.town.db.pool, late).await;
    counted.late_questions_panic();
    let_go(holder).await;
    scene.town.answer(before).await;
    scene.town.answer(behind).await;
    until(&scene.town, id, "done").await;
    assert_eq!(scene.town.count(LETTERS).await, 1);
    let panicked =
        "select count(*) from helpline.dead_letters where error = 'applying it panicked' and tries = 3";
    assert_eq!(scene.town.count(panicked).await, 1);
    assert_eq!(counted.dead_letters(), 1);
    assert!(counted.panics() >= 3, "it was tried {} times", counted.panics());
    assert!(scene.town.answers(poison).is_empty());
    eventually("the trial is over", async || {
        (scene.town.count("select count(*) from helpline.shard_trials").await == 0).then_some(())
    })
    .await;
    scene.town.at_rest().await;
    for question in [before, behind] {
        assert_eq!(scene.town.answers(question).len(), 1);
    }
}

#[tokio::test]
async fn a_held_event_that_ended_its_owners_is_put_aside_and_those_behind_it_are_answered() {
    let counted = Counted::alone().await;
    let mut scene = Scene::new().await;
    let holder = keep_from_leaving(&scene.town, 0).await;
    let id = plan(&scene.town, 0, scene.to).await;
    moved_out_is_written(&scene.town, scene.from).await;
    let (poison, behind) = (scene.town.ask(0, POISON), scene.town.ask(0, "how do I restore a backup?"));
    eventually("both are held", async || {
        (scene.town.count("select count(*) from helpline.held_events").await == 2).then_some(())
    })
    .await;
    let trap = poisoned(&scene.town).await;
    let_go(holder).await;
    let mut deaths = 0;
    let (mut next, mut pids) = (None, Vec::new());
    while let Some(pid) = caught(&scene.town).await {
        deaths += 1;
        assert!(deaths <= 3, "owner after owner: {pids:?}");
        // Its process ends, and with it what it did in Postgres.
        drop((scene.old.take(), scene.new.take(), next.take()));
        let end = format!("select pg_terminate_backend({pid})");
        run(&scene.town.db.pool, end).await;
        pids.push(pid);
        // The backend ends a moment after it is told to, and would be taken for the next owner's.
        eventually("its backend has ended", async || {
            let living = "select count(*) from pg_stat_activity where pid = $1";
            let living: i64 =
                sqlx::query_scalar(living).bind(pid).fetch_one(&scene.town.db.pool).await.expect("activity");
            (living == 0).then_some(())
        })
        .await;
        next = Some(scene.town.worker_named("next"));
    }
    assert_eq!(deaths, 2, "{pids:?}");
    assert_eq!(counted.dead_letters(), 1);
    scene.town.answer(behind).await;
    assert!(scene.town.answers(poison).is_empty());
    until(&scene.town, id, "done").await;
    eventually("the trial is over", async || {
        (scene.town.count("select count(*) from helpline.shard_trials").await == 0).then_some(())
    })
    .await;
    // An operator has it applied once the cause is mended.
    drop(trap);
    helpline::dead_letters::replay(&scene.town.db.pool, None).await.expect("asked for");
    let QuestionId::Message(_) = poison else { panic!("it is a message") };
    scene.town.answer(poison).await;
}
