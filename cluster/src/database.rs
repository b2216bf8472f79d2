//! A worker's handle on Postgres: it reads, and it writes under a fence. Nothing else compiles.
//!
//! [`Database`] is no executor of statements. [`Database::read`] gives a transaction that Postgres itself keeps from
//! writing; writes go through [`FencedTx`](crate::fence::FencedTx), which stores take as `&mut FencedTx`; what belongs to
//! no shard names its reason ([`Unowned`]). Read-only transactions and not a read-only session, because behind a
//! transaction pooler a session's setting would stay with the next one who gets the connection.
//!
//! A statement cannot be run on the handle:
//! ```compile_fail,E0277
//! async fn sweep(db: &helpline_cluster::database::Database) {
//!     sqlx::query("delete from helpline.outbox").execute(db).await.unwrap();
//! }
//! ```
//! nor does a store that writes take what reads:
//! ```compile_fail,E0308
//! # use helpline_cluster::{database::{Database, ReadTx}, fence::FencedTx};
//! async fn mark_sent(tx: &mut FencedTx, id: i64) {}
//! async fn deliver(db: &Database) {
//!     let mut read = db.read().await.unwrap();
//!     mark_sent(&mut read, 7).await;
//! }
//! ```
//! and nobody makes a fenced transaction but by locking the fence:
//! ```compile_fail,E0451
//! # use helpline_cluster::fence::{Fence, FencedTx};
//! fn forge(tx: sqlx::Transaction<'static, sqlx::Postgres>, fence: Fence) -> FencedTx {
//!     FencedTx { tx, fence }
//! }
//! ```
//! The same calls with the right types:
//! ```
//! # use helpline_cluster::{database::Database, fence::{Fence, FencedTx}};
//! async fn mark_sent(tx: &mut FencedTx, id: i64) -> Result<(), sqlx::Error> {
//!     sqlx::query("delete from helpline.outbox").execute(tx.conn()).await.map(drop)
//! }
//! async fn deliver(db: &Database, fence: &Fence) {
//!     let mut tx = FencedTx::begin(db, fence).await.unwrap();
//!     mark_sent(&mut tx, 7).await.unwrap();
//! }
//! ```

mod turns;

use turns::Turn;
pub use turns::{Turns, WaitingSince};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::time::Instant;

/// See the module's documentation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    /// None: whoever asks first is first.
    turns: Option<(Turns, WaitingSince)>,
}

impl From<PgPool> for Database {
    fn from(pool: PgPool) -> Self {
        Self { pool, turns: None }
    }
}

impl Database {
    /// The same for somebody whose work waits since then: his transactions begin before those of others in the same turns
    /// whose work waits less long. He must not begin one while he has another.
    #[must_use]
    pub fn in_turn(&self, turns: &Turns, since: &WaitingSince) -> Self {
        Self { pool: self.pool.clone(), turns: Some((turns.clone(), since.clone())) }
    }

    /// Begins a transaction that can only read. Dropping it ends it.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn read(&self) -> Result<ReadTx, sqlx::Error> {
        Ok(ReadTx { tx: begin_in_turn(self, Some("begin read only")).await? })
    }

    /// How many connections are open, and how many of them nobody uses.
    pub fn connections(&self) -> (u32, u32) {
        (self.pool.size(), u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX))
    }

    /// A connection for writes that belong to no shard.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn unowned(&self, why: Unowned) -> Result<UnownedConn, sqlx::Error> {
        Ok(UnownedConn { conn: self.pool.acquire().await?, why })
    }
}

/// Begins a transaction, with a statement of its own if need be. Everybody who might be cancelled begins with this.
///
/// The beginning is a task of its own, so that it comes to its end also when nobody waits for it any more. sqlx (0.9) gives
/// a connection whose BEGIN was not answered yet back to its pool as if nothing was open: whatever is executed on it next
/// is in that transaction, committed by nobody, or refused because it is read only.
pub(crate) async fn begin(
    pool: &PgPool,
    statement: Option<&'static str>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let beginning = tokio::spawn(async move {
        match statement {
            Some(statement) => pool.begin_with(statement).await,
            None => pool.begin().await,
        }
    });
    match beginning.await {
        Ok(begun) => begun,
        Err(end) if end.is_panic() => std::panic::resume_unwind(end.into_panic()),
        // The runtime ends.
        Err(_) => Err(sqlx::Error::PoolClosed),
    }
}

/// A transaction, and the turn that it is begun in.
#[derive(Debug)]
pub(crate) struct Begun {
    // Ends before the turn does.
    pub tx: Transaction<'static, Postgres>,
    _turn: Option<Turn>,
}

/// As [`begin`], when it is its turn.
pub(crate) async fn begin_in_turn(
    source: &impl Source,
    statement: Option<&'static str>,
) -> Result<Begun, sqlx::Error> {
    let kind = if statement.is_some() { "read" } else { "write" };
    let asked_at = Instant::now();
    let turn = match source.turns() {
        Some((turns, since)) => Some(turns.take(since.get()).await),
        None => None,
    };
    let tx = begin(source.pool(), statement).await?;
    metrics::histogram!("helpline_database_begin_seconds", "kind" => kind).record(asked_at.elapsed());
    Ok(Begun { tx, _turn: turn })
}

/// A transaction in which Postgres refuses every write.
#[derive(Debug)]
pub struct ReadTx {
    tx: Begun,
}

impl ReadTx {
    /// The connection, for the statements of stores.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx.tx
    }
}

/// Why a write needs no fence: whoever does it, however late, does no harm. All such writes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unowned {
    /// Event keys are unique across shards and say nothing of the shard that stored them. They are deleted by an age
    /// at which nothing can bring their event again, so that who deletes them does not matter.
    AgedEventKeys,
    /// Passages are derived from a server's documents, which dashboards and the command line write too. They are made
    /// again by whoever needs them, under a lock of the document and only from the content that it has then.
    DerivedPassages,
    /// What servers cost is a hint for placement, and a move that is done says only who has to cool down.
    PlacementHints,
    /// Who asked when counts for an hour; it is deleted when nothing can look at it any more.
    AgedQuestions,
    /// Choices of members who have not written for a year, and messages of those who made none for a day.
    AgedDirectMessages,
    /// Drafts of documents that nobody decided about, and lists of questions that nobody looked at for months.
    AgedDrafts,
    /// Days of statistics that nobody counts for any more, questions that are as old, and dead letters that nobody looked at for
    /// months.
    AgedStatistics,
    /// Gaps that were repaired or given up are looked at by people only, and nobody writes to them any more.
    FinishedGaps,
}

/// A connection that writes without a fence, for its [`Unowned`] reason.
#[derive(Debug)]
pub struct UnownedConn {
    conn: PoolConnection<Postgres>,
    why: Unowned,
}

impl UnownedConn {
    /// The connection, for the statements of stores.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    pub const fn why(&self) -> Unowned {
        self.why
    }
}

/// Where a fenced transaction can be begun: a [`Database`], or the pool of those who make one.
pub trait Source: sealed::Pooled {}

impl Source for Database {}
impl Source for PgPool {}

pub(crate) mod sealed {
    use sqlx::PgPool;

    use super::{Turns, WaitingSince};

    /// Private, so that nobody gets at the pool of a [`super::Database`] this way.
    pub trait Pooled {
        fn pool(&self) -> &PgPool;

        fn turns(&self) -> Option<&(Turns, WaitingSince)> {
            None
        }
    }

    impl Pooled for super::Database {
        fn pool(&self) -> &PgPool {
            &self.pool
        }

        fn turns(&self) -> Option<&(Turns, WaitingSince)> {
            self.turns.as_ref()
        }
    }

    impl Pooled for PgPool {
        fn pool(&self) -> &PgPool {
            self
        }
    }
}
