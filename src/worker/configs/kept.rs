//! Configs in Redis, for the next owner of a server: a hash with the version and what stands under it.
//!
//! Promise: a version never goes back; what is newer and not known is a tombstone (a version alone). Redis away = nothing
//! is found, and nobody waits for long.

use std::time::Duration;

use helpline_cluster::ids::ServerId;
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::{Connection, RedisLink};
use redis::{AsyncCommands as _, Script};

use super::cache::Setting;

/// Kept for a server that nobody reads any more.
const LIFE: Duration = Duration::from_secs(3_600);
/// Postgres is asked when Redis takes longer.
const PATIENCE: Duration = Duration::from_millis(100);

/// KEYS[1]: the hash. ARGV: version, setting ("" = a tombstone), life in seconds.
const WRITE: &str = r"
local known = tonumber(redis.call('HGET', KEYS[1], 'v') or '-1')
local version = tonumber(ARGV[1])
if version < known or (version == known and ARGV[2] == '') then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1])
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], 'c') else redis.call('HSET', KEYS[1], 'c', ARGV[2]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
";

/// What stands for a server that is switched off: no JSON begins like this.
const OFF: &str = "off";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub version: i64,
    pub setting: Setting,
}

/// See the module's documentation. Cheap to clone.
#[derive(Clone)]
pub struct Kept {
    redis: Connection,
    keys: Keys,
    write: Script,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Kept {
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        Self { redis: redis.shared_within(PATIENCE), keys, write: Script::new(WRITE) }
    }

    /// None: nothing, a tombstone, or Redis does not answer.
    pub async fn read(&self, server: ServerId) -> Option<Found> {
        let key = self.keys.server_config(server);
        let read: redis::RedisResult<(Option<i64>, Option<String>)> =
            self.redis.clone().hmget(key, &["v", "c"]).await;
        match read {
            Ok((version, setting)) => {
                let setting = match setting? {
                    off if off == OFF => Setting::Off,
                    json => Setting::Set(json),
                };
                Some(Found { version: version?, setting })
            }
            Err(error) => {
                tracing::debug!(%error, "reading the config of {server} from redis");
                None
            }
        }
    }

    /// What is there says nothing any more.
    pub async fn forget(&self, server: ServerId) {
        let gone: redis::RedisResult<()> = self.redis.clone().del(self.keys.server_config(server)).await;
        if let Err(error) = gone {
            tracing::debug!(%error, "forgetting the config of {server} in redis");
        }
    }

    /// Unless something newer is there. None: the version alone is known.
    pub async fn write(&self, server: ServerId, version: i64, setting: Option<&Setting>) {
        let text = match setting {
            None => "",
            Some(Setting::Off) => OFF,
            Some(Setting::Set(json)) => json,
        };
        let mut write = self.write.key(self.keys.server_config(server));
        let write = write.arg(version).arg(text).arg(LIFE.as_secs());
        let written: redis::RedisResult<i64> = write.invoke_async(&mut self.redis.clone()).await;
        if let Err(error) = written {
            tracing::debug!(%error, "keeping the config of {server} in redis");
        }
    }
}
