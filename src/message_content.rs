//! Whether the processes that run read the content of messages: each says so in Redis, because proxies and workers have to have
//! the same setting and none of them sees the other's.

use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::Connection;
use redis::{RedisResult, Script};
use std::sync::LazyLock;
use std::time::Duration;

/// How often a process says it.
pub const SAY_EVERY: Duration = Duration::from_secs(10);
/// What was not said again for so long is of a process that has ended.
const FORGOTTEN_S: u64 = 60;

/// By the clock of Redis, because those of processes differ.
static SAY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1]) return redis.call('EXPIRE', KEYS[1], 3600)",
    )
});
static SEEN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now, all, seen = tonumber(redis.call('TIME')[1]), redis.call('HGETALL', KEYS[1]), {} \
         for i = 1, #all, 2 do \
             if tonumber(all[i + 1]) > now - tonumber(ARGV[1]) then seen[#seen + 1] = all[i] end \
         end \
         return seen",
    )
});

/// Says that a process of this role reads it, or not.
///
/// # Errors
/// When Redis does not answer.
pub async fn say(mut redis: Connection, keys: &Keys, role: &str, reads: bool) -> RedisResult<()> {
    SAY.key(keys.message_content()).arg(format!("{role}:{reads}")).invoke_async(&mut redis).await
}

/// Roles of processes that run, each with what it says; a role twice when its processes differ.
///
/// # Errors
/// When Redis does not answer.
pub async fn seen(mut redis: Connection, keys: &Keys) -> RedisResult<Vec<(String, bool)>> {
    let mut fields: Vec<String> =
        SEEN.key(keys.message_content()).arg(FORGOTTEN_S).invoke_async(&mut redis).await?;
    fields.sort();
    let told = fields.iter().filter_map(|field| field.split_once(':'));
    Ok(told.map(|(role, reads)| (role.to_owned(), reads == "true")).collect())
}
