//! Redis as the cluster reaches it: one server, a primary watched by sentinels, or a Redis Cluster.
//!
//! Owns how REDIS_URL is read and how connections are made and mended. Promises: a command that may have been executed
//! is never sent again behind the caller's back, and one that was refused by the wrong server (READONLY, MOVED, ASK,
//! CLUSTERDOWN, LOADING) is taken to the right one; a failover is followed within the time that a command may take; no
//! password is ever shown. Every command, script and pipeline touches keys of one hash tag ([`crate::keys`]).
//! Pub/sub is not used. Why this is not left to the redis crate: docs/adr/0014-our-own-way-to-the-primary.md.

mod connection;
mod locate;
mod once;
mod route;
mod url;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, ErrorKind, RedisResult};
use tokio::time::{Instant, sleep};

pub use connection::Connection;
pub use url::InvalidUrl;

use locate::{Address, Locator};

/// How long an answer and a connection may take, where nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(50);

/// The way to Redis. Cheap to clone; opens nothing by itself.
#[derive(Clone)]
pub struct RedisLink {
    locator: Arc<Locator>,
}

impl std::fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisLink").finish_non_exhaustive()
    }
}

impl RedisLink {
    /// Reads a URL: `redis://host:port`, `redis+sentinel://host:port,host:port/primary` or
    /// `redis+cluster://host:port,host:port`, each with a login before the hosts and with `rediss` for TLS.
    ///
    /// # Errors
    /// [`InvalidUrl`], which says what to write.
    pub fn open(url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self { locator: Arc::new(Locator::new(url::parse(url)?)) })
    }

    /// One server, as another client of the redis crate reaches it.
    pub fn single(info: ConnectionInfo) -> Self {
        Self { locator: Arc::new(Locator::new(url::single(info))) }
    }

    /// A connection for many users at once, which comes back by itself and gives up on an answer after two seconds.
    /// It connects with its first command.
    pub fn shared(&self) -> Connection {
        self.shared_within(PATIENCE)
    }

    /// As [`RedisLink::shared`], with another patience.
    pub fn shared_within(&self, patience: Duration) -> Connection {
        Connection::new(Arc::clone(&self.locator), patience)
    }

    /// Asks Redis once: whether it can be reached at all.
    ///
    /// # Errors
    /// Why not.
    pub async fn ping(&self) -> RedisResult<()> {
        redis::cmd("PING").query_async(&mut self.shared()).await
    }

    /// A connection of its own to where the key is now, for a command that blocks: answers are waited for without end.
    /// It does not come back by itself: after any error, or when it [is not there any more](Dedicated::is_current),
    /// the caller asks for another.
    ///
    /// # Errors
    /// When none was found within two seconds.
    pub async fn dedicated(&self, key: &str) -> RedisResult<Dedicated> {
        let deadline = Instant::now() + PATIENCE;
        let slot = route::slot(key.as_bytes());
        loop {
            match self.try_dedicated(slot, key).await {
                Ok(dedicated) => return Ok(dedicated),
                Err(error) if is_final(&error) || Instant::now() > deadline => return Err(error),
                Err(_) => sleep(RETRY.mul_f64(0.5 + fastrand::f64())).await,
            }
        }
    }

    async fn try_dedicated(&self, slot: u16, key: &str) -> RedisResult<Dedicated> {
        let at = self.locator.locate(Some(slot)).await?;
        let open = async {
            let mut connection = locate::connect(self.locator.info(&at.address), PATIENCE).await?;
            // Tells a demoted server and a slot that has moved, before anything waits there.
            let check = async {
                let _: bool = redis::cmd("EXISTS").arg(key).query_async(&mut connection).await?;
                match self.locator.is_fixed() || locate::is_primary(&mut connection).await? {
                    true => Ok(()),
                    false => Err((ErrorKind::Io, "the server is no primary any more").into()),
                }
            };
            tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| Err(connection::too_late()))?;
            Ok(connection)
        };
        match open.await {
            Ok(connection) => {
                Ok(Dedicated { connection, slot, address: at.address, locator: Arc::clone(&self.locator) })
            }
            Err(error) => {
                self.locator.doubt(at.version).await;
                Err(error)
            }
        }
    }
}

/// A wrong password or setting: waiting mends nothing.
fn is_final(error: &redis::RedisError) -> bool {
    matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig)
}

/// See [`RedisLink::dedicated`].
pub struct Dedicated {
    /// Used as it is.
    pub connection: MultiplexedConnection,
    slot: u16,
    address: Address,
    locator: Arc<Locator>,
}

impl std::fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dedicated").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Dedicated {
    /// False: what it was opened for is elsewhere by now, as others have found out.
    pub fn is_current(&self) -> bool {
        self.locator.is_fixed() || self.locator.still_at(self.slot, &self.address)
    }
}
