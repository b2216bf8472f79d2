//! What the admins of a server have set, cached for a moment. A config that cannot be read leaves the last good one in
//! force: it is logged once for each such config and counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helpline_cluster::database::Database;
use helpline_cluster::ids::ServerId;
use tokio::time::Instant;

use crate::server_config::{self, ServerConfig};

/// How old a cached config may be.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Servers remembered at the most; then the whole cache starts anew.
const CAPACITY: usize = 20_000;

#[derive(Debug)]
pub struct Configs {
    database: Database,
    cache: Mutex<HashMap<ServerId, Cached>>,
}

#[derive(Debug, Clone)]
struct Cached {
    config: Arc<ServerConfig>,
    /// The version that was found unreadable, so that it is logged once.
    unreadable: Option<String>,
    read_at: Instant,
}

impl Configs {
    pub fn new(database: Database) -> Self {
        Self { database, cache: Mutex::default() }
    }

    /// The config in force, at most a second old. A server that is unknown or inactive has support switched off.
    pub async fn get(&self, server: ServerId) -> Result<Arc<ServerConfig>, sqlx::Error> {
        let known = self.cached(server);
        if let Some(cached) = &known
            && cached.read_at.elapsed() < FRESH_FOR
        {
            return Ok(Arc::clone(&cached.config));
        }
        let read_at = Instant::now();
        // As text: Postgres takes JSON that no other reader does (1e400), and a row that cannot be decoded would
        // stop the whole shard.
        let row = sqlx::query!(
            r#"select config::text as "config!", active from public.servers where id = $1"#,
            server.db()
        )
        .fetch_optional(self.database.read().await?.conn())
        .await?;
        let cached = match row {
            Some(row) if row.active => read(server, row.config, known, read_at),
            Some(_) | None => Cached { config: Arc::default(), unreadable: None, read_at },
        };
        let config = Arc::clone(&cached.config);
        self.remember(server, cached);
        Ok(config)
    }

    /// What is cached of the server is out of date: the next question finds what was set.
    pub fn forget(&self, server: ServerId) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).remove(&server);
    }

    fn cached(&self, server: ServerId) -> Option<Cached> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&server).cloned()
    }

    fn remember(&self, server: ServerId, cached: Cached) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CAPACITY {
            cache.clear();
        }
        cache.insert(server, cached);
    }
}

/// The config that a row holds, or the last good one.
fn read(server: ServerId, json: String, known: Option<Cached>, read_at: Instant) -> Cached {
    let problems = match server_config::parse_text(&json) {
        Ok(config) => return Cached { config: Arc::new(config), unreadable: None, read_at },
        Err(problems) => problems,
    };
    let seen = known.as_ref().and_then(|cached| cached.unreadable.as_ref()) == Some(&json);
    if !seen {
        metrics::counter!(crate::metrics::CONFIG_UNREADABLE).increment(1);
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        tracing::warn!(
            server = server.get(),
            problems = problems.join("; "),
            "the config of {server} cannot be read, the last good one stays in force: mend it with `/config` or `helpline config set`"
        );
    }
    let config = known.map(|cached| cached.config).unwrap_or_default();
    Cached { config, unreadable: Some(json), read_at }
}
