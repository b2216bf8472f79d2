//! The budget of invalid requests, counted over all proxies in Redis: Discord bans an address after 10,000 answers
//! with 401, 403 or 429 in ten minutes. A breaker opens far below that; while it is open single probes are sent,
//! and three good ones in a row close it.
//! Source: <https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisError, Script};

use crate::keys::Keys;
use crate::redis_link::{Connection, RedisLink};

static BREAKER: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("invalid_requests/breaker.lua")));
const PATIENCE: Duration = Duration::from_millis(400);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("breaker of invalid requests: {0}")]
    Redis(#[from] RedisError),
    #[error("breaker of invalid requests: no answer in time")]
    Slow,
}

/// Settings of a [`Breaker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Refused requests in ten minutes at which it opens; half of Discord's bound at most.
    pub threshold: u32,
    /// Time between two probes of all proxies.
    pub probe_every: Duration,
}

/// How the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub open: bool,
    /// Refused requests of the last ten minutes, of all proxies.
    pub refused: u32,
    /// The number of them at which it opens.
    pub opens_at: u32,
    /// Until the next probe.
    pub probe_in: Duration,
    /// The caller may send one.
    pub may_probe: bool,
}

/// What is told to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    Sync,
    /// May a probe be sent?
    Probe,
    /// A probe was answered, and whether well.
    Probed {
        good: bool,
    },
}

/// See the module's documentation. Cheap to clone.
#[derive(Clone)]
pub struct Breaker {
    redis: Connection,
    keys: Keys,
    settings: Settings,
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breaker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Breaker {
    /// Connects with its first call.
    pub fn new(redis: &RedisLink, keys: Keys, settings: Settings) -> Self {
        Self { redis: redis.shared_within(PATIENCE), keys, settings }
    }

    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Tells the breaker, and adds `refused` requests to the count.
    ///
    /// # Errors
    /// When Redis does not answer in time: whether the requests were counted is not known then.
    pub async fn tell(&self, tell: Tell, refused: u32) -> Result<State, Error> {
        let what = match tell {
            Tell::Sync => "sync",
            Tell::Probe => "probe",
            Tell::Probed { good: true } => "ok",
            Tell::Probed { good: false } => "bad",
        };
        let mut call = BREAKER.prepare_invoke();
        for key in self.keys.invalid_requests() {
            call.key(key);
        }
        let probe_every = u64::try_from(self.settings.probe_every.as_micros()).unwrap_or(u64::MAX);
        call.arg(what).arg(refused).arg(self.settings.threshold).arg(probe_every);
        let mut redis = self.redis.clone();
        let answer = tokio::time::timeout(PATIENCE, call.invoke_async(&mut redis)).await;
        let (open, refused, opens_at, probe_in, may): (u8, u32, u32, u64, u8) =
            answer.map_err(|_| Error::Slow)??;
        let probe_in = Duration::from_micros(probe_in);
        Ok(State { open: open == 1, refused, opens_at, probe_in, may_probe: may == 1 })
    }
}
