//! Gateway sessions as a proxy leaves them for the next one: what RESUME needs.
//!
//! Owns one Redis hash for each gateway shard. Promises: the saved sequence never goes back within a session, a
//! sequence of another session is never written into it, and a holder of an earlier gateway epoch changes nothing once
//! the next has loaded. The sequence is saved after its event was published, by the caller.
//! Source: Discord developer docs, "Gateway", "Resuming".

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{RedisError, Script, ScriptInvocation};

use crate::ids::GatewayShard;
use crate::keys::Keys;
use crate::redis_link::{Connection, RedisLink};

/// A session that can be resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub session_id: String,
    pub resume_url: String,
    /// Everything at or below it is in the event log, or was dropped on purpose.
    pub sequence: u64,
    /// READY says who the bot is; RESUMED does not.
    pub user_id: u64,
    pub application_id: u64,
    /// Events of before this session are missing since then (Unix time, 0 = not known), which is recorded nowhere else yet.
    pub missed_since_ms: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another proxy holds the gateway shard now.
    #[error("the session of {0} belongs to another proxy now")]
    Superseded(GatewayShard),
    #[error("gateway session: {0}")]
    Redis(#[from] RedisError),
}

/// Each script begins with this: ARGV[1] is the epoch of the caller, which only rises in the hash.
macro_rules! fenced {
    ($script:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                "if tonumber(redis.call('hget', KEYS[1], 'epoch') or '0') > tonumber(ARGV[1]) then return -1 end ",
                $script
            ))
        })
    };
}

/// Marks the hash as this epoch's.
static TAKE: LazyLock<Script> = fenced!("redis.call('hset', KEYS[1], 'epoch', ARGV[1]) return 1");

/// Leaves nothing but the epoch and the fields given, if any.
static REPLACE: LazyLock<Script> = fenced!(
    "redis.call('del', KEYS[1]) \
     redis.call('hset', KEYS[1], 'epoch', unpack(ARGV)) \
     return 1"
);

/// Moves the sequence forward, of this session only.
static SAVE_SEQUENCE: LazyLock<Script> = fenced!(
    "local now = redis.call('hmget', KEYS[1], 'id', 'seq') \
     if now[1] ~= ARGV[2] then return 0 end \
     if tonumber(ARGV[3]) > tonumber(now[2] or '0') then redis.call('hset', KEYS[1], 'seq', ARGV[3]) end \
     return 1"
);

/// Sessions as the holder of one gateway epoch may use them. Cheap to clone.
#[derive(Clone)]
pub struct SessionStore {
    redis: Connection,
    keys: Keys,
    epoch: u64,
}

impl std::fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl SessionStore {
    /// Connects with the first command.
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        Self { redis: redis.shared(), keys, epoch: 0 }
    }

    /// The store for the holder of this epoch, which [`crate::event_log::Publisher::raise_gateway_epoch`] gave.
    #[must_use]
    pub fn for_epoch(&self, epoch: u64) -> Self {
        Self { epoch, ..self.clone() }
    }

    /// None: nothing was saved, or not by a release of ours; the gateway shard identifies then. From now on holders of
    /// earlier epochs save nothing.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::Redis`].
    pub async fn load(&self, gateway: GatewayShard) -> Result<Option<Session>, Error> {
        self.run(TAKE.prepare_invoke(), gateway, |_| {}).await?;
        let key = self.keys.gateway_session(gateway);
        let hash: HashMap<String, String> =
            redis::cmd("HGETALL").arg(key).query_async(&mut self.redis.clone()).await?;
        Ok(read(&hash))
    }

    /// Saves a session as a whole; replaces whatever was there.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::Redis`].
    pub async fn save(&self, gateway: GatewayShard, session: &Session) -> Result<(), Error> {
        let fields = |call: &mut ScriptInvocation<'_>| {
            call.arg("id").arg(&session.session_id).arg("url").arg(&session.resume_url);
            call.arg("seq").arg(session.sequence).arg("user").arg(session.user_id);
            call.arg("application").arg(session.application_id);
            if let Some(since) = session.missed_since_ms {
                call.arg("missed_since").arg(since);
            }
        };
        self.run(REPLACE.prepare_invoke(), gateway, fields).await.map(drop)
    }

    /// Moves the sequence of the saved session forward, never back. False: Redis has another session or none, and the
    /// whole one is to be saved.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::Redis`].
    pub async fn save_sequence(
        &self,
        gateway: GatewayShard,
        session_id: &str,
        sequence: u64,
    ) -> Result<bool, Error> {
        let fields = |call: &mut ScriptInvocation<'_>| {
            call.arg(session_id).arg(sequence);
        };
        Ok(self.run(SAVE_SEQUENCE.prepare_invoke(), gateway, fields).await? == 1)
    }

    /// Forgets a session that Discord does not resume.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::Redis`].
    pub async fn forget(&self, gateway: GatewayShard) -> Result<(), Error> {
        self.run(REPLACE.prepare_invoke(), gateway, |_| {}).await.map(drop)
    }

    async fn run(
        &self,
        mut call: ScriptInvocation<'_>,
        gateway: GatewayShard,
        arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<i64, Error> {
        call.key(self.keys.gateway_session(gateway)).arg(self.epoch);
        arguments(&mut call);
        match call.invoke_async(&mut self.redis.clone()).await? {
            -1 => Err(Error::Superseded(gateway)),
            answer => Ok(answer),
        }
    }
}

fn read(hash: &HashMap<String, String>) -> Option<Session> {
    let number = |field: &str| hash.get(field).and_then(|value| value.parse::<u64>().ok());
    Some(Session {
        session_id: hash.get("id")?.clone(),
        resume_url: hash.get("url")?.clone(),
        sequence: number("seq")?,
        user_id: number("user").unwrap_or(0),
        application_id: number("application").unwrap_or(0),
        missed_since_ms: number("missed_since"),
    })
}
