//! `helpline partition`: gives a busy server's conversations a partition of their own.
//!
//! Postgres attaches no partition while the default one holds a row that belongs there, and a row cannot be in two
//! places: so a promotion builds the server's partition and a new default partition beside the one in use, follows
//! what is written meanwhile, and swaps them in one short transaction. docs/adr/0007 weighs the other ways,
//! docs/runbooks/partition-promotion.md is for the operator.
//!
//! Only the owner of the schema may promote, over a direct connection. Whatever moment a promotion dies at, every
//! conversation is where it is looked for; running it again starts anew, or finishes when the swap was done.

mod catalog;
mod copy;
mod swap;

use std::fmt;
use std::time::Duration;

use helpline_cluster::ids::ServerId;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::time::Instant;

pub use catalog::{Holder, Partition, list};

use crate::migrate;

/// More partitions make planning and the swap slow.
pub const MOST_PARTITIONS: usize = 500;

/// How a promotion behaves towards everybody else.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long any step tries to get its locks before the promotion gives up.
    pub patience: Duration,
    /// How long others may wait behind one attempt to get them.
    pub lock_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Duration::from_secs(300), lock_timeout: Duration::from_millis(40) }
    }
}

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    Promoted {
        table: String,
        /// Conversations of all servers that were copied.
        copied: u64,
        /// Tries to get the locks of the swap.
        attempts: u32,
        /// How long the successful one took: the locks, the swap and its commit.
        swap: Duration,
    },
    /// An earlier promotion had been interrupted after the swap.
    Finished { table: String },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promoted { table, copied, attempts, swap } => {
                write!(
                    f,
                    "the server's conversations are in {table} now ({copied} of all servers were copied; \
                     the swap took {} ms, attempt {attempts})",
                    swap.as_millis()
                )
            }
            Self::Finished { table } => {
                write!(f, "finished an interrupted promotion: the conversations are in {table}")
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} is unknown: the bot has not seen it yet (nothing was changed)")]
    UnknownServer(ServerId),
    #[error("{server} has a partition of its own already: {table}")]
    AlreadyPromoted { server: ServerId, table: String },
    #[error(
        "there are {MOST_PARTITIONS} partitions already, more would slow every query down (nothing was changed)"
    )]
    TooMany,
    #[error("{user} does not own the conversations: run this as {owner}, the user that migrates")]
    NotOwner { user: String, owner: String },
    #[error(
        "cannot {step}: others held the tables for all of {} s{}; end those transactions or wait for a quieter \
         hour, then run the same command again (no conversation was lost)",
        .waited.as_secs(),
        in_brackets(.holders)
    )]
    Busy { step: &'static str, waited: Duration, holders: Vec<Holder> },
    #[error(
        "{rows} conversations were not copied as they are: nothing was swapped; \
         run `helpline partition abandon` and report this"
    )]
    Differs { rows: i64 },
    #[error(transparent)]
    Migrate(#[from] migrate::Error),
    #[error("cannot {step}: {source}")]
    Database { step: &'static str, source: sqlx::Error },
}

fn in_brackets(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return String::new();
    }
    let holders: Vec<String> = holders.iter().map(ToString::to_string).collect();
    format!(" ({})", holders.join("; "))
}

fn database(step: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Database { step, source }
}

/// Gives a server its own partition.
///
/// # Errors
/// As [`Error`] says; nothing but tables that nobody reads is left behind, and [`abandon`] removes them.
pub async fn promote(pool: &PgPool, server: ServerId, options: Options) -> Result<Report, Error> {
    let mut session = Session::open(pool, options).await?;
    let outcome = session.promote(server).await;
    session.close().await;
    outcome
}

/// Removes what an interrupted promotion left behind; finishes it when the swap was done. False: there was nothing.
pub async fn abandon(pool: &PgPool, options: Options) -> Result<bool, Error> {
    let mut session = Session::open(pool, options).await?;
    let outcome = session.tidy().await;
    session.close().await;
    Ok(outcome? != Tidied::Nothing)
}

/// What was found of an earlier promotion and dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tidied {
    Nothing,
    /// It had not come to the swap: its tables are gone.
    Removed,
    /// It had: what was left to do is done.
    Finished,
}

/// A connection of its own that holds the lock of migrations, so that nobody changes the schema meanwhile.
struct Session {
    connection: PgConnection,
    options: Options,
    /// The server whose copies have to be kept like the partition in use.
    copying: Option<ServerId>,
}

impl Session {
    async fn open(pool: &PgPool, options: Options) -> Result<Self, Error> {
        const STEP: &str = "connect to the database";
        let mut connection = pool.connect_options().connect().await.map_err(database(STEP))?;
        migrate::lock(&mut connection).await?;
        migrate::check_connection(&mut connection).await?;
        catalog::become_owner(&mut connection).await?;
        Ok(Self { connection, options, copying: None })
    }

    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the promoting connection did not close cleanly");
        }
    }

    async fn promote(&mut self, server: ServerId) -> Result<Report, Error> {
        let tidied = self.tidy().await?;
        let own = catalog::own_table(server);
        let promoted = catalog::promoted(&mut self.connection).await?;
        if promoted.contains(&own) {
            return match tidied {
                Tidied::Finished => Ok(Report::Finished { table: own }),
                Tidied::Nothing | Tidied::Removed => Err(Error::AlreadyPromoted { server, table: own }),
            };
        }
        if !catalog::server_exists(&mut self.connection, server).await? {
            return Err(Error::UnknownServer(server));
        }
        if promoted.len() >= MOST_PARTITIONS {
            return Err(Error::TooMany);
        }
        let copied = self.copy(server).await?;
        let (attempts, swap) = self.swap(server).await?;
        self.finish().await?;
        Ok(Report::Promoted { table: own, copied, attempts, swap })
    }

    async fn tidy(&mut self) -> Result<Tidied, Error> {
        let left = catalog::left_behind(&mut self.connection).await?;
        if left.swapped {
            tracing::info!("an earlier promotion was interrupted after its swap: finishing it");
            self.finish().await?;
            return Ok(Tidied::Finished);
        }
        if left.tables.is_empty() && !left.noting {
            return Ok(Tidied::Nothing);
        }
        tracing::info!("an earlier promotion was interrupted before its swap: removing what it built");
        self.patiently(
            "stop noting changes",
            "drop trigger if exists note_conversation_change on helpline.conversations_default",
        )
        .await?;
        for table in left.tables {
            self.patiently("remove a copy", &format!("drop table if exists helpline.{table}")).await?;
        }
        self.execute("forget noted changes", "delete from helpline.conversation_changes").await?;
        Ok(Tidied::Removed)
    }

    async fn execute(&mut self, step: &'static str, statement: &str) -> Result<(), Error> {
        self.connection.execute(AssertSqlSafe(statement)).await.map(|_| ()).map_err(database(step))
    }

    /// Runs a statement that needs locks which others hold: each attempt makes the others wait for `lock_timeout` at
    /// most, and the pauses between attempts grow. Returns how many it took and how long the last one lasted.
    async fn patiently(&mut self, step: &'static str, statement: &str) -> Result<(u32, Duration), Error> {
        let began = Instant::now();
        let timeout = format!("set lock_timeout = {}", self.options.lock_timeout.as_millis());
        self.execute(step, &timeout).await?;
        let mut attempts = 1;
        loop {
            let tried = Instant::now();
            let Err(error) = self.connection.execute(AssertSqlSafe(statement)).await else {
                self.execute(step, "set lock_timeout = 0").await?;
                return Ok((attempts, tried.elapsed()));
            };
            // lock_not_available, deadlock_detected
            let code = error.as_database_error().and_then(|error| error.code());
            if !matches!(code.as_deref(), Some("55P03" | "40P01")) {
                return Err(database(step)(error));
            }
            let holders = catalog::holders(&mut self.connection).await?;
            if began.elapsed() >= self.options.patience {
                return Err(Error::Busy { step, waited: began.elapsed(), holders });
            }
            tracing::info!(attempts, %error, "others hold the tables: trying to {step} again");
            tokio::time::sleep(pause(attempts)).await;
            self.catch_up_if_copying().await?;
            attempts += 1;
        }
    }
}

/// Between a quarter of a second and ten; a random part, so that it does not fall in step with somebody's timer.
fn pause(attempts: u32) -> Duration {
    let longest = (250_u64 << attempts.min(6)).min(10_000);
    Duration::from_millis(fastrand::u64(longest / 2..=longest))
}
