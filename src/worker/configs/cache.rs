//! Configs in memory, each with its version. Pure: time comes in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::ids::ServerId;
use tokio::time::Instant;

use crate::server_config::ServerConfig;

/// What stands in `servers`, as far as it decides how the bot behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The server is unknown, or the bot has left it.
    Off,
    /// The text of `servers.config`.
    Set(String),
}

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// A version below this one is known to be out of date.
    pub newest: i64,
    /// Only Postgres can tell: nobody could confirm the value for too long, or it was just changed here.
    pub in_doubt: bool,
}

#[derive(Debug)]
pub struct Cache {
    entries: HashMap<ServerId, Entry>,
    capacity: usize,
    confirmed_for: Duration,
}

#[derive(Debug)]
struct Entry {
    /// The newest version that is known; without a config a tombstone, which keeps older ones out.
    version: i64,
    config: Option<Arc<ServerConfig>>,
    /// Was in force before, for as long as what came after cannot be read.
    last_good: Option<Arc<ServerConfig>>,
    unreadable: Option<String>,
    in_doubt: bool,
    confirmed_at: Instant,
    used_at: Instant,
}

impl Cache {
    pub fn new(capacity: usize, confirmed_for: Duration) -> Self {
        Self { entries: HashMap::new(), capacity, confirmed_for }
    }

    /// The config, or what a read of it has to reach. Who reads has a place from now on, so that news meanwhile count.
    pub fn get(&mut self, server: ServerId, now: Instant) -> Result<Arc<ServerConfig>, Floor> {
        if let Some(entry) = self.entries.get_mut(&server) {
            entry.used_at = now;
            let overdue = now.saturating_duration_since(entry.confirmed_at) >= self.confirmed_for;
            return match &entry.config {
                Some(config) if !overdue && !entry.in_doubt => Ok(Arc::clone(config)),
                config => {
                    let in_doubt = entry.in_doubt || config.is_some();
                    Err(Floor { newest: entry.version, in_doubt })
                }
            };
        }
        if self.entries.len() >= self.capacity {
            self.make_room(now);
        }
        self.entries.insert(server, Entry::empty(now));
        Err(Floor { newest: 0, in_doubt: false })
    }

    fn make_room(&mut self, now: Instant) {
        let lately = Duration::from_secs(60);
        self.entries.retain(|_, entry| now.saturating_duration_since(entry.used_at) < lately);
        if self.entries.len() >= self.capacity {
            self.entries.clear();
        }
    }

    /// Takes what was read, unless something newer came meanwhile. Returns what is in force.
    pub fn learn(
        &mut self,
        server: ServerId,
        version: i64,
        config: Arc<ServerConfig>,
        confirmed_at: Instant,
    ) -> Arc<ServerConfig> {
        // Forgotten meanwhile: news of it were missed, so it is not kept.
        let Some(entry) = self.entries.get_mut(&server) else { return config };
        if version < entry.version {
            // A tombstone: it will be read again. What was read last is the best there is.
            return entry.config.clone().unwrap_or(config);
        }
        entry.version = version;
        entry.last_good = Some(Arc::clone(&config));
        entry.config = Some(Arc::clone(&config));
        entry.in_doubt = false;
        entry.confirmed_at = entry.confirmed_at.max(confirmed_at);
        config
    }

    /// There is a newer version, which is not known here.
    pub fn bury(&mut self, server: ServerId, version: i64) {
        if let Some(entry) = self.entries.get_mut(&server)
            && entry.version < version
        {
            entry.version = version;
            entry.config = None;
        }
    }

    /// Only Postgres can tell what is in force. The version stays: what it tells may have come meanwhile.
    pub fn doubt(&mut self, server: ServerId) {
        if let Some(entry) = self.entries.get_mut(&server) {
            entry.in_doubt = true;
        }
    }

    /// Postgres has gone back behind this version: it was restored. What was read under it says nothing any more.
    pub fn restart(&mut self, server: ServerId, from: i64) {
        if let Some(entry) = self.entries.get_mut(&server)
            && entry.version == from
        {
            (entry.version, entry.in_doubt) = (0, true);
        }
    }

    /// Whether news of the server matter here.
    pub fn knows(&self, server: ServerId) -> bool {
        self.entries.contains_key(&server)
    }

    pub fn last_good(&self, server: ServerId) -> Option<Arc<ServerConfig>> {
        self.entries.get(&server)?.last_good.clone()
    }

    /// Whether this text was not known to be unreadable.
    pub fn is_first_sight(&mut self, server: ServerId, json: &str) -> bool {
        let Some(entry) = self.entries.get_mut(&server) else { return true };
        let first = entry.unreadable.as_deref() != Some(json);
        entry.unreadable = Some(json.to_owned());
        first
    }

    /// The versions of what is in force, to be compared with Postgres.
    pub fn versions(&self) -> Vec<(ServerId, i64)> {
        let known = self.entries.iter().filter(|(_, entry)| entry.config.is_some());
        known.map(|(server, entry)| (*server, entry.version)).collect()
    }

    /// These were the versions of Postgres at that moment.
    pub fn confirm(&mut self, same: &[(ServerId, i64)], at: Instant) {
        for (server, version) in same {
            if let Some(entry) = self.entries.get_mut(server)
                && entry.version == *version
            {
                entry.confirmed_at = entry.confirmed_at.max(at);
            }
        }
    }
}

impl Entry {
    fn empty(now: Instant) -> Self {
        Self {
            version: 0,
            config: None,
            last_good: None,
            unreadable: None,
            in_doubt: false,
            confirmed_at: now,
            used_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerId = ServerId(81);
    const CONFIRMED_FOR: Duration = Duration::from_secs(12);

    fn config(messages: u32) -> Arc<ServerConfig> {
        Arc::new(ServerConfig { max_messages_per_user: messages, ..ServerConfig::default() })
    }

    fn known(version: i64, now: Instant) -> Cache {
        let mut cache = Cache::new(10, CONFIRMED_FOR);
        assert_eq!(cache.get(SERVER, now), Err(Floor { newest: 0, in_doubt: false }));
        cache.learn(SERVER, version, config(1), now);
        cache
    }

    #[test]
    fn a_slow_read_overwrites_nothing_newer() {
        let now = Instant::now();
        let mut cache = Cache::new(10, CONFIRMED_FOR);
        assert!(cache.get(SERVER, now).is_err(), "a read begins");
        cache.learn(SERVER, 7, config(7), now);
        assert_eq!(cache.learn(SERVER, 5, config(5), now), config(7), "the read ends");
        assert_eq!(cache.get(SERVER, now), Ok(config(7)));
    }

    #[test]
    fn a_tombstone_keeps_out_what_is_older() {
        let now = Instant::now();
        let mut cache = known(5, now);
        cache.bury(SERVER, 7);
        cache.bury(SERVER, 6);
        assert_eq!(cache.get(SERVER, now), Err(Floor { newest: 7, in_doubt: false }));
        cache.learn(SERVER, 6, config(6), now);
        assert!(cache.get(SERVER, now).is_err());
        cache.learn(SERVER, 7, config(7), now);
        assert_eq!(cache.get(SERVER, now), Ok(config(7)));
    }

    #[test]
    fn what_nobody_could_confirm_is_read_again_from_postgres() {
        let now = Instant::now();
        let mut cache = known(5, now);
        let later = now + CONFIRMED_FOR;
        assert_eq!(cache.get(SERVER, later), Err(Floor { newest: 5, in_doubt: true }));
        cache.confirm(&[(SERVER, 4)], later);
        assert!(cache.get(SERVER, later).is_err(), "another version was compared");
        cache.confirm(&[(SERVER, 5)], later);
        assert_eq!(cache.get(SERVER, later), Ok(config(1)));
    }

    #[test]
    fn what_was_changed_here_is_in_doubt_until_it_is_read() {
        let now = Instant::now();
        let mut cache = known(5, now);
        cache.doubt(SERVER);
        assert_eq!(cache.get(SERVER, now), Err(Floor { newest: 5, in_doubt: true }));
        // The notification of the change came before, or comes now.
        cache.learn(SERVER, 6, config(6), now);
        assert_eq!(cache.get(SERVER, now), Ok(config(6)));
    }

    #[test]
    fn a_database_that_has_gone_back_is_believed() {
        let now = Instant::now();
        let mut cache = known(5, now);
        cache.restart(SERVER, 4);
        assert!(cache.get(SERVER, now).is_ok(), "it was learned meanwhile");
        cache.restart(SERVER, 5);
        assert_eq!(cache.get(SERVER, now), Err(Floor { newest: 0, in_doubt: true }));
        cache.learn(SERVER, 2, config(2), now);
        assert_eq!(cache.get(SERVER, now), Ok(config(2)));
    }

    #[test]
    fn a_full_cache_forgets_whom_nobody_asked_for_lately() {
        let now = Instant::now();
        let mut cache = Cache::new(2, CONFIRMED_FOR);
        let later = now + Duration::from_secs(90);
        for (server, at) in [(1, now), (2, later), (3, later)] {
            assert!(cache.get(ServerId(server), at).is_err());
        }
        assert!(!cache.knows(ServerId(1)));
        assert!(cache.knows(ServerId(2)) && cache.knows(ServerId(3)));
        // Nothing is kept of a server that was forgotten while it was read.
        cache.learn(ServerId(1), 1, config(1), later);
        assert!(!cache.knows(ServerId(1)));
    }
}
