//! What decides is recorded outside the code under test: a trigger writes down every question as T1 stores it, and the
//! simulator's transcript has what Discord saw.

use std::collections::HashMap;

use helpline_cluster::consumer::{MOVED_IN, MOVED_OUT};
use helpline_cluster::ids::ShardId;
use helpline_sim::matching::QuestionId;
use sqlx::{Connection, PgConnection, Row};

use crate::harness::Town;
use crate::support::{eventually, run};

/// Begins to write down questions in the order in which they are applied.
pub async fn begin(town: &Town) {
    run(
        &town.db.pool,
        "create table public.seen (n bigserial, server_id bigint, event_id text, at timestamptz default clock_timestamp());
         create function public.note_question() returns trigger language plpgsql security definer as $$
         begin
             insert into public.seen (server_id, event_id) values (new.server_id, new.event_id);
             return null;
         end $$;
         create trigger note_question after insert on helpline.answer_jobs
             for each row execute function public.note_question()",
    )
    .await;
}

/// The questions of a server in the order in which they were applied.
pub async fn applied(town: &Town, server: usize) -> Vec<u64> {
    sqlx::query("select event_id from public.seen where server_id = $1 order by n")
        .bind(town.server(server).id.get().cast_signed())
        .fetch_all(&town.db.pool)
        .await
        .expect("read the record")
        .into_iter()
        .map(|row| row.get::<String, _>(0).parse().expect("an id"))
        .collect()
}

pub fn number(question: &QuestionId) -> u64 {
    match question {
        QuestionId::Message(id) => id.get(),
        QuestionId::Interaction(id) => id.get(),
    }
}

/// Every question of the server was applied once, in the order in which they were asked.
pub async fn assert_in_order(town: &Town, server: usize, asked: &[QuestionId]) {
    let asked: Vec<u64> = asked.iter().map(number).collect();
    let what = format!("all {} questions of server {server} are applied", asked.len());
    eventually(&what, async || (applied(town, server).await.len() >= asked.len()).then_some(())).await;
    assert_eq!(applied(town, server).await, asked, "lost, doubled or out of order");
}

/// And every one has one answer.
pub async fn assert_answered_once(town: &Town, server: usize, asked: &[QuestionId]) {
    assert_in_order(town, server, asked).await;
    for question in asked {
        town.answer(*question).await;
    }
    town.at_rest().await;
    for question in asked {
        assert_eq!(town.answers(*question).len(), 1, "answers of {question:?}");
    }
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
    assert_eq!(town.count("select count(*) from helpline.held_events").await, 0);
}

/// Plans a move as the leader does.
pub async fn plan(town: &Town, server: usize, to: ShardId) -> i64 {
    let id: i64 = sqlx::query_scalar(
        "insert into helpline.server_moves (server_id, from_shard, to_shard)
         select server_id, shard_id, $2 from public.server_shards where server_id = $1 for share returning move_id",
    )
    .bind(town.server(server).id.get().cast_signed())
    .bind(to.db())
    .fetch_one(&town.db.pool)
    .await
    .expect("the move is planned");
    run(&town.db.pool, "select pg_notify('helpline_moves', '')").await;
    id
}

pub async fn state(town: &Town, id: i64) -> String {
    sqlx::query_scalar("select state from helpline.server_moves where move_id = $1")
        .bind(id)
        .fetch_one(&town.db.pool)
        .await
        .expect("the move has a row")
}

pub async fn until(town: &Town, id: i64, wanted: &str) {
    let what = format!("move {id} is {wanted}");
    eventually(&what, async || (state(town, id).await == wanted).then_some(())).await;
}

/// From now on no owner can let the server go: his transaction waits until this is let go of.
pub async fn keep_from_leaving(town: &Town, server: usize) -> PgConnection {
    let mut holder = PgConnection::connect(&town.db.url).await.expect("connect");
    let id = town.server(server).id.get();
    let lock = format!("select 1 from public.server_shards where server_id = {id} for share");
    for statement in ["begin".to_owned(), lock] {
        crate::support::execute(&mut holder, statement).await;
    }
    holder
}

pub async fn let_go(mut holder: PgConnection) {
    crate::support::execute(&mut holder, "rollback".to_owned()).await;
    holder.close().await.expect("close");
}

/// How many entries of a kind the stream of a shard has.
pub async fn entries(town: &Town, shard: ShardId, kind: &str) -> usize {
    let mut redis = town.redis.connection().await;
    let mut range = redis::cmd("XRANGE");
    range.arg(town.keys.stream(shard)).arg("-").arg("+");
    let entries: Vec<(String, HashMap<String, String>)> = range.query_async(&mut redis).await.expect("range");
    entries.iter().filter(|(_, fields)| fields.get("t").is_some_and(|known| known == kind)).count()
}

pub async fn moved_out_is_written(town: &Town, shard: ShardId) {
    eventually("moved out is in the stream", async || {
        (entries(town, shard, MOVED_OUT).await > 0).then_some(())
    })
    .await;
}

pub async fn moved_in_is_written(town: &Town, shard: ShardId) {
    eventually("moved in is in the stream", async || {
        (entries(town, shard, MOVED_IN).await > 0).then_some(())
    })
    .await;
}

pub async fn something_is_held(town: &Town) {
    eventually("an event is held", async || {
        (town.count("select count(*) from helpline.held_events").await > 0).then_some(())
    })
    .await;
}

/// The name of the worker that owns a shard.
pub async fn owner(town: &Town, shard: ShardId) -> String {
    eventually("the shard has an owner", async || {
        sqlx::query_scalar(
            "select w.name from helpline.shard_fences f join helpline.workers w on w.id = f.owner where f.shard_id = $1",
        )
        .bind(shard.db())
        .fetch_optional(&town.db.pool)
        .await
        .expect("read the owner")
    })
    .await
}
