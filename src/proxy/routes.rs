//! Which shard a server belongs to, where it is moving, and whether it wants support: the proxy's view of `servers`,
//! `server_shards` and `helpline.server_moves`.
//!
//! Loaded before the gateway is connected, then kept fresh: what changed is read about every second and at
//! once on a notification, everything every minute. Servers seen for the first time are added in batches.
//! Postgres being away leaves the table as it is; new servers wait.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use helpline_cluster::ids::{MoveId, ServerId, ShardId};
use helpline_cluster::membership::MOVES;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::cursors::{self, Cursors};
use super::markers::{OpenMove, OpenMoves};

const POLL_EVERY: Duration = Duration::from_secs(1);
const RELOAD_EVERY: Duration = Duration::from_secs(60);
/// A transaction becomes visible later than the time it stamps its rows with.
const OVERLAP: Duration = Duration::from_secs(10);
/// Servers added by one statement.
const ADD_AT_ONCE: usize = 500;
/// Pause after an error of the database.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where a server's events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub shard: ShardId,
    /// The bot is in the server and support is switched on.
    pub listening: bool,
}

/// The routing table; see the module's documentation.
#[derive(Debug)]
pub struct Routes {
    table: RwLock<HashMap<ServerId, Route>>,
    unknown: Mutex<HashSet<ServerId>>,
    wanted: Notify,
    changed: watch::Sender<u64>,
    moves: RwLock<Arc<OpenMoves>>,
    /// How many readings were asked for, and up to which of them the table is fresh.
    asked: watch::Sender<u64>,
    fresh: watch::Sender<u64>,
    cursors: watch::Sender<Cursors>,
}

struct Row {
    server: ServerId,
    route: Route,
    changed_at: OffsetDateTime,
}

impl Routes {
    /// Reads all servers.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load(pool: &PgPool) -> sqlx::Result<(Arc<Self>, Reader)> {
        // The moves first: one that is done by then has its effect in the table.
        let moves = read_moves(pool).await?;
        let (table, since) = read_all(pool).await?;
        tracing::info!(servers = table.len(), "loaded the shards of all servers");
        let routes = Arc::new(Self {
            table: RwLock::new(table),
            unknown: Mutex::default(),
            wanted: Notify::new(),
            changed: watch::Sender::new(0),
            moves: RwLock::new(Arc::new(moves)),
            asked: watch::Sender::new(0),
            fresh: watch::Sender::new(0),
            cursors: watch::Sender::new(Cursors::default()),
        });
        let reader = Reader { pool: pool.clone(), routes: Arc::clone(&routes), since };
        Ok((routes, reader))
    }

    /// The route of a server, if it has one yet.
    pub fn get(&self, server: ServerId) -> Option<Route> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(&server).copied()
    }

    /// Asks for servers to be added that have no route.
    pub fn want(&self, servers: impl IntoIterator<Item = ServerId>) {
        let new: Vec<_> = servers.into_iter().filter(|&server| self.get(server).is_none()).collect();
        if !new.is_empty() {
            self.unknown.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
            self.wanted.notify_one();
        }
    }

    /// The moves of servers that are not done.
    pub fn open_moves(&self) -> Arc<OpenMoves> {
        Arc::clone(&self.moves.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns once the table and the moves have been read after this call. Who begins to publish for a gateway shard
    /// calls it after its epoch is raised: he must not know less than the holder before him.
    pub async fn read_anew(&self) {
        let mut asked = 0;
        self.asked.send_modify(|number| {
            *number += 1;
            asked = *number;
        });
        let _ = self.fresh.subscribe().wait_for(|fresh| *fresh >= asked).await;
    }

    /// Changes whenever servers were added, or their moves changed.
    pub fn additions(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How far the shards' owners are, by the same connections.
    pub fn cursors(&self) -> watch::Receiver<Cursors> {
        self.cursors.subscribe()
    }

    fn some_unknown(&self) -> Vec<ServerId> {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.iter().copied().take(ADD_AT_ONCE).collect()
    }

    fn put(&self, rows: &[Row]) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            table.insert(row.server, row.route);
        }
    }

    fn put_moves(&self, moves: OpenMoves) {
        let mut known = self.moves.write().unwrap_or_else(PoisonError::into_inner);
        if **known != moves {
            *known = Arc::new(moves);
            drop(known);
            self.changed.send_modify(|version| *version += 1);
        }
    }

    fn added(&self, rows: &[Row]) {
        self.put(rows);
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            unknown.remove(&row.server);
        }
        drop(unknown);
        self.changed.send_modify(|version| *version += 1);
    }
}

/// Keeps a [`Routes`] fresh.
#[derive(Debug)]
pub struct Reader {
    pool: PgPool,
    routes: Arc<Routes>,
    since: OffsetDateTime,
}

impl Reader {
    /// Runs until cancelled. `session_url` is a direct connection for LISTEN.
    pub async fn run(mut self, session_url: String, cancel: CancellationToken) {
        let hint = Notify::new();
        let (pool, routes) = (self.pool.clone(), Arc::clone(&self.routes));
        tokio::select! {
            () = cancel.cancelled() => {}
            () = listen(&session_url, &hint) => {}
            () = cursors::follow(pool, &routes.cursors) => {}
            () = self.keep(&hint) => {}
        }
    }

    async fn keep(&mut self, hint: &Notify) {
        let mut reload_at = tokio::time::Instant::now() + RELOAD_EVERY;
        let mut poll_at = tokio::time::Instant::now() + POLL_EVERY;
        let mut failing = false;
        let routes = Arc::clone(&self.routes);
        let mut asked = routes.asked.subscribe();
        loop {
            let adding = tokio::select! {
                () = routes.wanted.notified() => true,
                Ok(()) = asked.changed() => false,
                () = hint.notified() => false,
                () = tokio::time::sleep_until(poll_at) => false,
            };
            let result = if adding {
                self.add().await
            } else if tokio::time::Instant::now() >= reload_at {
                self.reload().await
            } else {
                self.refresh().await
            };
            let now = tokio::time::Instant::now();
            if !adding {
                poll_at = now + POLL_EVERY;
            }
            if now >= reload_at && !adding && result.is_ok() {
                reload_at = now + RELOAD_EVERY;
            }
            match result {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("the database answers again; the shards of servers are fresh");
                }
                Ok(()) => {}
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "cannot read the shards of servers; going on with what is known");
                    }
                    failing = true;
                    tokio::time::sleep(RETRY_AFTER).await;
                    if adding {
                        self.routes.wanted.notify_one();
                    }
                }
            }
        }
    }

    async fn refresh(&mut self) -> sqlx::Result<()> {
        let asked = *self.routes.asked.borrow();
        let moves = read_moves(&self.pool).await?;
        let rows = read_changed(&self.pool, self.since - OVERLAP).await?;
        if let Some(newest) = rows.iter().map(|row| row.changed_at).max() {
            self.since = self.since.max(newest);
        }
        self.routes.put(&rows);
        self.routes.put_moves(moves);
        self.routes.fresh.send_replace(asked);
        Ok(())
    }

    async fn reload(&mut self) -> sqlx::Result<()> {
        let asked = *self.routes.asked.borrow();
        let moves = read_moves(&self.pool).await?;
        let (table, since) = read_all(&self.pool).await?;
        self.since = self.since.max(since);
        *self.routes.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        self.routes.put_moves(moves);
        self.routes.fresh.send_replace(asked);
        Ok(())
    }

    async fn add(&mut self) -> sqlx::Result<()> {
        loop {
            let batch = self.routes.some_unknown();
            if batch.is_empty() {
                return Ok(());
            }
            let ids: Vec<i64> = batch.iter().map(|server| server.db()).collect();
            let rows = add_servers(&self.pool, &ids).await?;
            if rows.len() < batch.len() {
                return Err(sqlx::Error::Protocol(format!(
                    "only {} of {} new servers got a shard",
                    rows.len(),
                    batch.len()
                )));
            }
            tracing::info!(servers = rows.len(), "added servers seen for the first time");
            self.routes.added(&rows);
        }
    }
}

/// Turns notifications into hints. A lost connection costs nothing but time: the table is polled as well.
async fn listen(session_url: &str, hint: &Notify) {
    let mut failing = false;
    loop {
        let result: sqlx::Result<()> = async {
            let mut listener = PgListener::connect(session_url).await?;
            listener.listen_all(["server_config_changed", MOVES]).await?;
            failing = false;
            loop {
                // None = the connection was lost and made again: something may have been missed.
                let _ = listener.try_recv().await?;
                hint.notify_one();
            }
        }
        .await;
        if let Err(error) = result
            && !failing
        {
            failing = true;
            tracing::warn!(%error, "no notifications of changed servers; polling every second instead");
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn read_all(pool: &PgPool) -> sqlx::Result<(HashMap<ServerId, Route>, OffsetDateTime)> {
    let mut rows = sqlx::query_file!("src/proxy/sql/all_routes.sql").fetch(pool);
    let mut table = HashMap::new();
    let mut since = OffsetDateTime::UNIX_EPOCH + OVERLAP;
    while let Some(row) = rows.try_next().await? {
        since = since.max(row.changed_at);
        let route = Route { shard: ShardId::from_db(row.shard_id), listening: row.listening };
        table.insert(ServerId::from_db(row.server_id), route);
    }
    Ok((table, since))
}

async fn read_moves(pool: &PgPool) -> sqlx::Result<OpenMoves> {
    let rows = sqlx::query_file!("src/proxy/sql/open_moves.sql").fetch_all(pool).await?;
    let moves = rows.into_iter().map(|row| {
        let moving = OpenMove {
            id: MoveId::from_db(row.move_id),
            from: ShardId::from_db(row.from_shard),
            to: ShardId::from_db(row.to_shard),
            left: row.left,
        };
        (ServerId::from_db(row.server_id), moving)
    });
    Ok(moves.collect())
}

async fn read_changed(pool: &PgPool, since: OffsetDateTime) -> sqlx::Result<Vec<Row>> {
    let rows = sqlx::query_file!("src/proxy/sql/changed_routes.sql", since).fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Row {
            server: ServerId::from_db(row.server_id),
            route: Route { shard: ShardId::from_db(row.shard_id), listening: row.listening },
            changed_at: row.changed_at,
        })
        .collect())
}

async fn add_servers(pool: &PgPool, ids: &[i64]) -> sqlx::Result<Vec<Row>> {
    sqlx::query!("select count(*) as added from helpline.add_servers($1)", ids).fetch_one(pool).await?;
    let rows = sqlx::query_file!("src/proxy/sql/routes_of.sql", ids).fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Row {
            server: ServerId::from_db(row.server_id),
            route: Route { shard: ShardId::from_db(row.shard_id), listening: row.listening },
            changed_at: row.changed_at,
        })
        .collect())
}
