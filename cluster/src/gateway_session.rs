//! Gateway sessions as a proxy leaves them for the next one: what RESUME needs.
//!
//! Owns one Redis hash for each gateway shard. Promises: the saved sequence never goes back within a session, and a
//! sequence of another session is never written into it. It is saved after its event was published, by the caller.
//! Source: Discord developer docs, "Gateway", "Resuming".

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::aio::ConnectionManager;
use redis::{RedisError, Script};

use crate::event_log::connect;
use crate::ids::GatewayShard;
use crate::keys::Keys;

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
}

#[derive(Debug, thiserror::Error)]
#[error("gateway session: {0}")]
pub struct Error(#[from] RedisError);

/// Moves the sequence forward, of this session only.
static SAVE_SEQUENCE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('hget', KEYS[1], 'id') ~= ARGV[1] then return 0 end
        if tonumber(ARGV[2]) <= tonumber(redis.call('hget', KEYS[1], 'seq') or '0') then return 0 end
        redis.call('hset', KEYS[1], 'seq', ARGV[2])
        return 1
        ",
    )
});

/// Cheap to clone.
#[derive(Clone)]
pub struct SessionStore {
    redis: ConnectionManager,
    keys: Keys,
}

impl std::fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl SessionStore {
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn new(client: &redis::Client, keys: Keys) -> Result<Self, Error> {
        Ok(Self { redis: connect(client).await?, keys })
    }

    /// None: nothing was saved, or not by a release of ours; the gateway shard identifies then.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn load(&self, gateway: GatewayShard) -> Result<Option<Session>, Error> {
        let key = self.keys.gateway_session(gateway);
        let hash: HashMap<String, String> =
            redis::cmd("HGETALL").arg(key).query_async(&mut self.redis.clone()).await?;
        Ok(read(&hash))
    }

    /// Saves a session as a whole; replaces whatever was there.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn save(&self, gateway: GatewayShard, session: &Session) -> Result<(), Error> {
        let mut save = redis::cmd("HSET");
        save.arg(self.keys.gateway_session(gateway))
            .arg("id")
            .arg(&session.session_id)
            .arg("url")
            .arg(&session.resume_url)
            .arg("seq")
            .arg(session.sequence)
            .arg("user")
            .arg(session.user_id)
            .arg("application")
            .arg(session.application_id);
        Ok(save.query_async(&mut self.redis.clone()).await?)
    }

    /// Moves the sequence of the saved session forward. False: another session is saved, or the sequence is not ahead.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn save_sequence(
        &self,
        gateway: GatewayShard,
        session_id: &str,
        sequence: u64,
    ) -> Result<bool, Error> {
        let key = self.keys.gateway_session(gateway);
        Ok(SAVE_SEQUENCE.key(key).arg(session_id).arg(sequence).invoke_async(&mut self.redis.clone()).await?)
    }

    /// # Errors
    /// When Redis does not answer.
    pub async fn forget(&self, gateway: GatewayShard) -> Result<(), Error> {
        let key = self.keys.gateway_session(gateway);
        Ok(redis::cmd("DEL").arg(key).query_async(&mut self.redis.clone()).await?)
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
    })
}
