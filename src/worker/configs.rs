//! What the admins of a server have set: in memory, behind it in Redis for whoever takes the server over, and in Postgres.
//!
//! Promise 11: a committed change is seen by every worker within milliseconds, because Postgres notifies; where no
//! notification comes, within [`CONFIRM_EVERY`] and a moment, because versions are compared with Postgres. Versions only
//! rise, in memory ([`cache`]) and in Redis ([`kept`]), so that a slow read never overwrites what is newer.
//!
//! A config that cannot be read leaves the last good one in force: it is logged once for each such config, counted, and
//! reported in the server itself ([`super::reports`]).

mod cache;
mod kept;
mod news;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helpline_cluster::database::Database;
use helpline_cluster::ids::ServerId;
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;
use tokio::time::Instant;

use crate::metrics as names;
use crate::server_config::{self, Problem, ServerConfig};
use cache::Cache;
pub use cache::Setting;
pub use kept::{Found, Kept};

/// Cached versions are compared with those of Postgres that often.
pub const CONFIRM_EVERY: Duration = Duration::from_secs(5);
/// Servers remembered at the most; then those that nobody asked for lately are forgotten.
const CAPACITY: usize = 20_000;
/// Unreadable configs that wait to be reported; one more is reported when it is read again.
const UNREADABLE: usize = 1_000;

/// See the module's documentation. [`Configs::follow`] has to run, or each value is read again after twelve seconds.
#[derive(Debug)]
pub struct Configs {
    database: Database,
    kept: Kept,
    cache: Mutex<Cache>,
    unreadable: Mutex<HashMap<ServerId, Vec<Problem>>>,
    confirm_every: Duration,
}

impl Configs {
    pub fn new(database: Database, redis: &RedisLink, keys: Keys) -> Self {
        Self::confirming(database, redis, keys, CONFIRM_EVERY)
    }

    /// [`Configs::new`] with another time between two comparisons. What could not be compared for two of them and a
    /// half is read again: promise 11 gives 15 s.
    pub fn confirming(database: Database, redis: &RedisLink, keys: Keys, confirm_every: Duration) -> Self {
        let cache = Mutex::new(Cache::new(CAPACITY, confirm_every * 5 / 2));
        Self { database, kept: Kept::new(redis, keys), cache, unreadable: Mutex::default(), confirm_every }
    }

    /// The config in force. A server that is unknown or inactive has support switched off.
    ///
    /// # Errors
    /// When it is not cached and Postgres cannot be read.
    pub async fn get(&self, server: ServerId) -> Result<Arc<ServerConfig>, sqlx::Error> {
        let asked_at = Instant::now();
        let floor = match self.cache().get(server, asked_at) {
            Ok(config) => return Ok(config),
            Err(floor) => floor,
        };
        // Redis has what others read; only Postgres tells whether something that was in force too long still is.
        if let Some(found) = self.kept.read(server).await
            && found.version >= floor.newest
            && !floor.in_doubt
        {
            metrics::counter!(names::CONFIG_READS, "from" => "redis").increment(1);
            return Ok(self.learn(server, found.version, found.setting, asked_at));
        }
        metrics::counter!(names::CONFIG_READS, "from" => "postgres").increment(1);
        let (version, setting) = self.read(server).await?;
        self.kept.write(server, version, Some(&setting)).await;
        Ok(self.learn(server, version, setting, asked_at))
    }

    /// It was changed: the next question finds what was set.
    pub fn forget(&self, server: ServerId) {
        self.cache().doubt(server);
    }

    /// Configs that could not be read since this was asked last, with what is wrong with them.
    pub fn take_unreadable(&self) -> HashMap<ServerId, Vec<Problem>> {
        std::mem::take(&mut *self.unreadable.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is to be reported.
    pub fn note_unreadable(&self, server: ServerId, problems: Vec<Problem>) {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if unreadable.len() < UNREADABLE {
            unreadable.insert(server, problems);
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Nothing panics while it holds the lock, and every change is one step.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, server: ServerId) -> Result<(i64, Setting), sqlx::Error> {
        // As text: Postgres takes JSON that no other reader does (1e400), and a row that cannot be decoded would
        // stop the whole shard.
        let row = sqlx::query!(
            r#"select config::text as "config!", active, config_version from public.servers where id = $1"#,
            server.db()
        )
        .fetch_optional(self.database.read().await?.conn())
        .await?;
        Ok(match row {
            Some(row) if row.active => (row.config_version, Setting::Set(row.config)),
            Some(row) => (row.config_version, Setting::Off),
            None => (0, Setting::Off),
        })
    }

    /// Remembers it unless something newer is known. Returns what is in force now.
    fn learn(
        &self,
        server: ServerId,
        version: i64,
        setting: Setting,
        confirmed_at: Instant,
    ) -> Arc<ServerConfig> {
        let known = self.cache().last_good(server);
        let (config, unreadable) = match setting {
            Setting::Off => (Arc::default(), None),
            Setting::Set(json) => match server_config::parse_text(&json) {
                Ok(config) => (Arc::new(config), None),
                Err(problems) => (known.unwrap_or_default(), Some((json, problems))),
            },
        };
        if let Some((json, problems)) = unreadable
            && self.cache().is_first_sight(server, &json)
        {
            metrics::counter!(names::CONFIG_UNREADABLE).increment(1);
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            tracing::warn!(
                server = server.get(),
                problems = said.join("; "),
                "the config of {server} cannot be read, the last good one stays in force: mend it with `/config` or `helpline config set`"
            );
            self.note_unreadable(server, problems);
        }
        self.cache().learn(server, version, config, confirmed_at)
    }
}
