//! A real Postgres behind the contract's interface: `cluster::fence` for transactions, and the very files of SQL with
//! which `cluster::lease` claims and releases.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use helpline::proxy::gaps::{self, Missed, Places};
use helpline::worker::moving;
use helpline_cluster::consumer::{self, HeldStep, Item, Move, Place, State, Step};
use helpline_cluster::fence::{self, Fence, FencedTx};
use helpline_cluster::ids::{Epoch, GatewayShard, MoveId, ServerId, ShardId, StreamId, WorkerId};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Refused, moves};
use crate::support::{TestDb, run};

const CLAIM: &str = include_str!("../../../cluster/src/lease/sql/claim_held.sql");
const RELEASE: &str = include_str!("../../../cluster/src/lease/sql/release.sql");
const PLAN_MOVES: &str = include_str!("../../../cluster/src/claims/sql/plan_moves.sql");
const OPEN_MOVE: &str = include_str!("../../../src/worker/sql/open_move.sql");
const LEAVE: &str = include_str!("../../../src/worker/sql/leave.sql");
const NEXT_HELD: &str = include_str!("../../../src/worker/sql/next_held.sql");
const PASS_HELD_ON: &str = include_str!("../../../src/worker/sql/pass_held_on.sql");
const FINISH_MOVE: &str = include_str!("../../../src/worker/sql/finish_move.sql");
const ARRIVALS: &str = include_str!("../../../src/worker/sql/arrivals.sql");
/// As `worker::moving` has it.
const FORGET_HELD: &str =
    "delete from helpline.held_events where shard_id = $1 and server_id = $2 and id = any ($3)";

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

impl Real {
    /// As `worker::moving` reads it for a marker.
    async fn open_move(&self, tx: &mut FencedTx, id: MoveId) -> Option<Place> {
        let shard = tx.fence().shard;
        let asking = sqlx::query(OPEN_MOVE).bind(id.db()).bind(shard.db());
        let row = asking.fetch_optional(tx.conn()).await.expect("Postgres answers")?;
        let shard_at = |column: &str| ShardId::from_db(row.get(column));
        let moving = Move {
            id,
            server: ServerId::from_db(row.get("server_id!")),
            from: shard_at("from_shard!"),
            to: shard_at("to_shard!"),
            state: if row.get("left!") { State::Left } else { State::Planned },
        };
        Some(Place {
            lives_on: Some(shard_at("lives_on!")),
            moving: Some(moving),
            waiting: row.get("waiting!"),
        })
    }

    async fn place(&self, tx: &mut FencedTx, server: ServerId) -> Place {
        let places = moving::places(tx, &[server]).await.expect("Postgres answers");
        places.get(&server).copied().unwrap_or(Place { lives_on: None, moving: None, waiting: false })
    }

    async fn held(&self, tx: &mut FencedTx, server: ServerId) -> Vec<(i64, u64)> {
        let asking = sqlx::query(NEXT_HELD).bind(tx.fence().shard.db()).bind(server.db()).bind(32_i64);
        let rows = asking.fetch_all(tx.conn()).await.expect("Postgres answers");
        rows.iter().map(|row| (row.get("id"), moves::event(row.get("origin")))).collect()
    }
}

impl moves::Moves for Real {
    async fn plan_move(&self, server: ServerId, to: ShardId) -> Option<MoveId> {
        let lives_on: Option<i32> =
            sqlx::query_scalar("select shard_id from public.server_shards where server_id = $1")
                .bind(server.db())
                .fetch_optional(&self.db.pool)
                .await
                .expect("Postgres answers");
        // The planner moves nothing to where it is.
        let from = lives_on.filter(|from| *from != to.db())?;
        let planned = sqlx::query(PLAN_MOVES)
            .bind([server.db()].as_slice())
            .bind([from].as_slice())
            .bind([to.db()].as_slice())
            .execute(&self.db.pool)
            .await
            .expect("Postgres answers");
        if planned.rows_affected() == 0 {
            return None;
        }
        let id: i64 = sqlx::query_scalar(
            "select move_id from helpline.server_moves where server_id = $1 and state <> 'done'",
        )
        .bind(server.db())
        .fetch_one(&self.db.pool)
        .await
        .expect("it was just planned");
        Some(MoveId::from_db(id))
    }

    async fn state(&self, id: MoveId) -> State {
        let state: String = sqlx::query_scalar("select state from helpline.server_moves where move_id = $1")
            .bind(id.db())
            .fetch_one(&self.db.pool)
            .await
            .expect("the move is there");
        match state.as_str() {
            "planned" => State::Planned,
            "left" => State::Left,
            _ => State::Done,
        }
    }

    async fn step(&self, tx: &mut FencedTx, server: ServerId, item: Item) -> Step {
        let place = match item {
            Item::Event => Some(self.place(tx, server).await),
            Item::MovedOut(id) | Item::MovedIn(id) => self.open_move(tx, id).await,
        };
        place.map_or(Step::Ignore, |place| consumer::step(tx.fence().shard, item, &place))
    }

    async fn held_step(&self, tx: &mut FencedTx, server: ServerId) -> HeldStep {
        consumer::held_step(tx.fence().shard, &self.place(tx, server).await)
    }

    async fn leave(&self, tx: &mut FencedTx, server: ServerId, to: ShardId) -> bool {
        let leaving = sqlx::query(LEAVE).bind(server.db()).bind(tx.fence().shard.db()).bind(to.db());
        leaving.execute(tx.conn()).await.expect("Postgres answers").rows_affected() == 1
    }

    async fn hold(&self, tx: &mut FencedTx, server: ServerId, shard: ShardId, event: u64) {
        moving::hold(tx, shard, server, &moves::entry(server, event)).await.expect("Postgres answers");
    }

    async fn next_held(&self, tx: &mut FencedTx, server: ServerId) -> Vec<u64> {
        self.held(tx, server).await.into_iter().map(|(_, event)| event).collect()
    }

    async fn forget_held(&self, tx: &mut FencedTx, server: ServerId) {
        let ids: Vec<i64> = self.held(tx, server).await.into_iter().map(|(id, _)| id).collect();
        let forgetting = sqlx::query(FORGET_HELD).bind(tx.fence().shard.db()).bind(server.db()).bind(ids);
        forgetting.execute(tx.conn()).await.expect("Postgres answers");
    }

    async fn pass_on(&self, tx: &mut FencedTx, server: ServerId, to: ShardId) {
        let passing = sqlx::query(PASS_HELD_ON).bind(tx.fence().shard.db()).bind(server.db()).bind(to.db());
        passing.execute(tx.conn()).await.expect("Postgres answers");
    }

    async fn finish(&self, tx: &mut FencedTx, server: ServerId, moved_in: &[MoveId]) {
        let moved_in: Vec<i64> = moved_in.iter().map(|id| id.db()).collect();
        let finishing = sqlx::query(FINISH_MOVE).bind(server.db()).bind(tx.fence().shard.db()).bind(moved_in);
        finishing.execute(tx.conn()).await.expect("Postgres answers");
    }

    async fn read_for_gap(&self, shard: Option<ShardId>) -> BTreeSet<ServerId> {
        let config = r#"{"enabled": true, "channels": ["5"]}"#;
        run(&self.db.pool, format!("update public.servers set config = '{config}', active = true")).await;
        let (gateway, missed) = (
            GatewayShard::new(0, 1),
            Missed {
                cause: gaps::Cause::StreamFull,
                shard,
                from_ms: Some(0),
                interactions: 0,
                places: Places::default(),
            },
        );
        let opened = gaps::open(&self.db.pool, gateway, &missed, Duration::from_secs(3_600)).await;
        let gap = opened.expect("Postgres answers").expect("something is missing");
        let channels = gaps::channels(&self.db.pool, gap).await.expect("Postgres answers");
        channels.into_iter().map(|channel| channel.server).collect()
    }

    async fn arrivals(&self, shard: ShardId) -> BTreeSet<ServerId> {
        let asking = sqlx::query_scalar(ARRIVALS).bind(shard.db());
        let servers: Vec<i64> = asking.fetch_all(&self.db.pool).await.expect("Postgres answers");
        servers.into_iter().map(ServerId::from_db).collect()
    }
}
