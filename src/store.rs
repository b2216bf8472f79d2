//! Opens the connections every role needs: waits for a store that is away, with a message and not for ever.

use std::time::Duration;

use anyhow::{Context, bail};
use helpline_cluster::fence;
use helpline_cluster::redis_link::RedisLink;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a start waits for Postgres or Redis.
const START_DEADLINE: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// A pool whose sessions end a transaction that idles longer than `idle_tx_timeout`.
pub async fn postgres(
    url: &str,
    size: u32,
    idle_tx_timeout: Duration,
    cancel: &CancellationToken,
) -> anyhow::Result<PgPool> {
    let options = fence::pool_options(idle_tx_timeout)
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5));
    wait_for(
        "Postgres",
        "DATABASE_URL",
        cancel,
        || async {
            reach(url).await?;
            options.clone().connect(url).await
        },
        |error| {
            // Wrong password, no such role, no such database: waiting mends nothing.
            let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
            code.is_some_and(|code| code.starts_with("28") || code == "3D000")
        },
    )
    .await
}

/// The way to Redis, once it has answered.
pub async fn redis(url: &str, cancel: &CancellationToken) -> anyhow::Result<RedisLink> {
    let redis = RedisLink::open(url).context("REDIS_URL cannot be read")?;
    wait_for(
        "Redis",
        "REDIS_URL",
        cancel,
        || redis.ping(),
        |error| {
            matches!(
                error.kind(),
                redis::ErrorKind::AuthenticationFailed | redis::ErrorKind::InvalidClientConfig
            )
        },
    )
    .await?;
    Ok(redis)
}

// A plain closure and not an async one: a future with a borrowing async closure is not seen to be `Send`.
async fn wait_for<T, E: std::error::Error + Send + Sync + 'static, F: Future<Output = Result<T, E>>>(
    what: &str,
    setting: &str,
    cancel: &CancellationToken,
    mut open: impl FnMut() -> F,
    is_hopeless: impl Fn(&E) -> bool,
) -> anyhow::Result<T> {
    let started = Instant::now();
    let mut told = false;
    loop {
        let error = match open().await {
            Ok(opened) => {
                if told {
                    tracing::info!("{what} is there");
                }
                return Ok(opened);
            }
            Err(error) => error,
        };
        if is_hopeless(&error) {
            return Err(error).with_context(|| format!("{what} refuses us: check {setting}"));
        }
        if started.elapsed() > START_DEADLINE {
            let waited = START_DEADLINE.as_secs();
            return Err(error)
                .with_context(|| format!("{what} did not answer for {waited} s: check {setting}"));
        }
        if !told {
            tracing::warn!(%error, "waiting for {what} ({setting}), at most {} s", START_DEADLINE.as_secs());
            told = true;
        }
        if cancel.run_until_cancelled(tokio::time::sleep(RETRY_EVERY)).await.is_none() {
            bail!("stopped while waiting for {what}");
        }
    }
}

/// A pool hides why a connection fails behind its own timeout; one connection tells.
async fn reach(url: &str) -> Result<(), sqlx::Error> {
    PgConnection::connect(url).await?.close().await
}

/// A small pool for a command that a person waits for: no retries.
pub async fn postgres_once(url: &str) -> anyhow::Result<PgPool> {
    reach(url).await.context("Postgres cannot be reached: check DATABASE_URL")?;
    sqlx::postgres::PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(5))
        .connect(url)
        .await
        .context("Postgres cannot be reached: check DATABASE_URL")
}
