//! A database of its own for each test, with a trigger that writes down every change of a fence row.

use std::time::Duration;

use helpline_cluster::ids::{ShardId, WorkerId};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Urls, eventually};
use crate::support::{TestDb, TestRedis};

const AUDIT: &str = "
    create table helpline.fence_history (
        id bigint generated always as identity,
        shard_id integer,
        at timestamptz default clock_timestamp(),
        old_epoch bigint, new_epoch bigint,
        old_owner uuid, new_owner uuid,
        old_owner_lived boolean
    );
    create function helpline.write_history() returns trigger language plpgsql security definer as $$
    begin
        insert into helpline.fence_history
            (shard_id, old_epoch, new_epoch, old_owner, new_owner, old_owner_lived)
        values (
            new.shard_id, old.epoch, new.epoch, old.owner, new.owner,
            exists (select from helpline.workers where id = old.owner)
        );
        return null;
    end $$;
    create trigger write_history after update on helpline.shard_fences
        for each row execute function helpline.write_history();
";

/// A [`TestDb`] and a [`TestRedis`] with what the tests of workers ask of them.
#[derive(Debug)]
pub struct Db {
    /// As the owner of the schema.
    pub pool: PgPool,
    pub urls: Urls,
    redis: TestRedis,
    _db: TestDb,
}

impl Db {
    pub async fn new(shards: i32) -> Self {
        let (db, redis) = (TestDb::new().await, TestRedis::new());
        let urls = Urls {
            postgres: db.url_as("helpline_worker"),
            redis: redis.url.clone(),
            prefix: redis.keys.prefix().to_owned(),
            session_locks: true,
        };
        let db = Self { pool: db.pool.clone(), urls, redis, _db: db };
        db.run(AUDIT).await;
        db.run("delete from public.shards").await;
        db.add_shards(0, shards).await;
        db
    }

    pub async fn run(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.expect("the statement runs");
    }

    /// From now on the heartbeats of the worker that is named "a" leave no trace.
    pub async fn keep_a_stale(&self) {
        self.run(
            "create function helpline.keep_stale() returns trigger language plpgsql as $$
            begin
                if new.name = 'a' then new.last_heartbeat := old.last_heartbeat; end if;
                return new;
            end $$;
            create trigger keep_stale before update on helpline.workers
                for each row execute function helpline.keep_stale();",
        )
        .await;
    }

    pub async fn add_shards(&self, from: i32, to: i32) {
        sqlx::query("insert into public.shards (id) select generate_series($1::int, $2::int - 1)")
            .bind(from)
            .bind(to)
            .execute(&self.pool)
            .await
            .expect("shards are added");
    }

    /// The living owner of each shard that has one.
    pub async fn owners(&self) -> Vec<(ShardId, WorkerId)> {
        let rows: Vec<(i32, Uuid)> = sqlx::query_as(
            "select f.shard_id, f.owner from helpline.shard_fences f
            join helpline.workers w on w.id = f.owner order by 1",
        )
        .fetch_all(&self.pool)
        .await
        .expect("fences are read");
        rows.into_iter().map(|(shard, owner)| (ShardId::from_db(shard), WorkerId::from_db(owner))).collect()
    }

    pub async fn owned_by(&self, worker: WorkerId) -> usize {
        self.owners().await.iter().filter(|(_, owner)| *owner == worker).count()
    }

    pub async fn workers(&self) -> Vec<(String, WorkerId)> {
        let rows: Vec<(String, Uuid)> =
            sqlx::query_as("select name, id from helpline.workers order by name, started_at")
                .fetch_all(&self.pool)
                .await
                .expect("workers are read");
        rows.into_iter().map(|(name, id)| (name, WorkerId::from_db(id))).collect()
    }

    pub async fn worker(&self, name: &str) -> Option<WorkerId> {
        self.workers().await.into_iter().find(|(other, _)| other == name).map(|(_, id)| id)
    }

    /// Waits until so many workers own the shards in equal parts.
    pub async fn settled(&self, shards: usize, workers: usize) -> Duration {
        eventually("every shard has an owner and every worker its share", async || {
            let owners = self.owners().await;
            let ids = self.workers().await;
            let fair = |id: WorkerId| {
                let count = owners.iter().filter(|(_, owner)| *owner == id).count();
                count.abs_diff(shards / workers) <= 1 + shards / workers / 5
            };
            owners.len() == shards && ids.len() == workers && ids.iter().all(|(_, id)| fair(*id))
        })
        .await
    }

    pub async fn redis(&self) -> redis::aio::MultiplexedConnection {
        self.redis.connection().await
    }

    pub async fn changes(&self) -> i64 {
        self.number("select count(*) from helpline.fence_history").await
    }

    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.expect("the query runs")
    }

    /// Looks at all that ever happened to the fences: no live owner lost its shard without releasing it,
    /// and every change of owner raised the epoch.
    pub async fn assert_lawful(&self) {
        let broken = self
            .number(
                "select count(*) from helpline.fence_history
                where case when new_owner is null
                    then new_epoch <> old_epoch
                    else new_epoch <> old_epoch + 1
                        or (old_owner <> new_owner and old_owner_lived)
                end",
            )
            .await;
        assert_eq!(broken, 0, "fences changed against the rules");
        let repeated = self
            .number(
                "select count(*) from (
                    select new_epoch <= lag(new_epoch) over (partition by shard_id order by id) as repeated
                    from helpline.fence_history where new_owner is not null
                ) as claims where repeated",
            )
            .await;
        assert_eq!(repeated, 0, "an epoch was handed out twice");
    }

    /// Ends the direct connections of some purpose ("alive", "watch", "lead"; "%" = all), of one worker or all.
    pub async fn cut(&self, purpose: &str, worker: Option<WorkerId>) {
        let whose = worker.map_or("%".to_owned(), |id| id.get().to_string());
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
            where application_name like $1 and datname = current_database()",
        )
        .bind(format!("helpline-{purpose} {whose}"))
        .execute(&self.pool)
        .await
        .expect("connections are cut");
    }
}
