//! A real Postgres behind the contract's interface: `cluster::fence` for transactions, and the very files of SQL with
//! which `cluster::lease` claims and releases.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use helpline_cluster::fence::{self, Fence, FencedTx};
use helpline_cluster::ids::{Epoch, ServerId, ShardId, StreamId, WorkerId};
use sqlx::Row as _;
use uuid::Uuid;

use super::Refused;
use crate::support::{TestDb, run};

const CLAIM: &str = include_str!("../../../cluster/src/lease/sql/claim_held.sql");
const RELEASE: &str = include_str!("../../../cluster/src/lease/sql/release.sql");

pub struct Real {
    db: TestDb,
    workers: Cell<u32>,
}

impl Real {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        run(&db.pool, include_str!("../../../cluster/src/claims/sql/add_rows.sql")).await;
        Self { db, workers: Cell::new(0) }
    }

    /// A worker that is a member, and to whom the shard is assigned; whoever was before is dead.
    async fn next_owner(&self, shard: ShardId) -> WorkerId {
        let worker = WorkerId::random();
        self.workers.set(self.workers.get() + 1);
        run(
            &self.db.pool,
            format!(
                "delete from helpline.workers w using helpline.shard_fences f
                     where f.shard_id = {shard} and f.owner = w.id;
                 insert into helpline.workers (id, name) values ('{worker}', 'worker {n}');
                 insert into helpline.shard_assignments (shard_id, worker_id) values ({shard}, '{worker}')
                     on conflict (shard_id) do update set worker_id = excluded.worker_id",
                shard = shard.db(),
                worker = worker.db(),
                n = self.workers.get(),
            ),
        )
        .await;
        worker
    }
}

fn refused(error: fence::Error) -> Refused {
    match error {
        fence::Error::Superseded { .. } => Refused::Superseded,
        fence::Error::ServerElsewhere { .. } => Refused::Elsewhere,
        fence::Error::Database(_) | fence::Error::Unknown { .. } => Refused::Gone,
    }
}

impl super::Store for Real {
    type Tx = FencedTx;

    async fn claim(&self, shard: ShardId) -> Fence {
        let owner = self.next_owner(shard).await;
        let row = sqlx::query(CLAIM)
            .bind(owner.db())
            .bind(shard.db())
            .bind(0_i64)
            .fetch_one(&self.db.pool)
            .await
            .expect("it may be claimed");
        Fence {
            shard,
            epoch: Epoch::from_db(row.get("epoch")),
            claim_token: row.get::<Uuid, _>("claim_token!"),
            owner,
        }
    }

    async fn release(&self, fence: &Fence) -> bool {
        sqlx::query(RELEASE)
            .bind(fence.shard.db())
            .bind(fence.epoch.db())
            .bind(fence.claim_token)
            .bind(fence.owner.db())
            .fetch_optional(&self.db.pool)
            .await
            .expect("Postgres answers")
            .is_some()
    }

    async fn begin(&self, fence: &Fence) -> Result<FencedTx, Refused> {
        FencedTx::begin(&self.db.pool, fence).await.map_err(refused)
    }

    async fn lock_server(&self, tx: &mut FencedTx, server: ServerId) -> Result<(), Refused> {
        tx.lock_server(server).await.map_err(refused)
    }

    async fn move_cursor(&self, tx: &mut FencedTx, to: StreamId) -> bool {
        tx.move_cursor(to).await.expect("the transaction is open")
    }

    async fn remember(&self, tx: &mut FencedTx, key: &str) -> bool {
        tx.remember_event(key).await.expect("the transaction is open")
    }

    async fn commit(&self, tx: FencedTx) -> Result<(), Refused> {
        tx.commit().await.map_err(refused)
    }

    async fn rollback(&self, tx: FencedTx) {
        tx.rollback().await.expect("Postgres answers");
    }

    async fn cursor(&self, shard: ShardId) -> StreamId {
        let (incarnation, seq): (i64, i64) =
            sqlx::query_as("select incarnation, cursor_seq from helpline.shard_streams where shard_id = $1")
                .bind(shard.db())
                .fetch_one(&self.db.pool)
                .await
                .expect("the shard has a stream row");
        StreamId::from_db(incarnation, seq)
    }

    async fn begin_incarnation(&self, shard: ShardId, incarnation: u64) {
        run(
            &self.db.pool,
            format!(
                "update helpline.shard_streams set incarnation = {incarnation}, cursor_seq = 0 where shard_id = {}",
                shard.db()
            ),
        )
        .await;
    }

    async fn put_server(&self, server: ServerId, shard: ShardId) {
        run(
            &self.db.pool,
            format!(
                "insert into public.servers (id, name) values ({server}, 'a server') on conflict do nothing;
                 insert into public.server_shards (server_id, shard_id) values ({server}, {shard})
                     on conflict (server_id) do update set shard_id = excluded.shard_id",
                server = server.db(),
                shard = shard.db()
            ),
        )
        .await;
    }

    async fn waits<F: Future>(&self, mut work: Pin<&mut F>) -> bool {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let done = std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_ready())).await;
            if done {
                return false;
            }
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
            )
            .fetch_one(&self.db.pool)
            .await
            .expect("Postgres answers");
            if waiting > 0 {
                return true;
            }
            assert!(tokio::time::Instant::now() < deadline, "it neither ends nor waits for a lock");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
