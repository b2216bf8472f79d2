//! How changes of configs become known: Postgres notifies, and versions are compared from time to time.

use std::time::Duration;

use helpline_cluster::ids::ServerId;
use serde_json::Value;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::Configs;
use super::cache::Setting;
use crate::metrics as names;

/// The channel on which `servers` tells of its changes (migration 3).
const CHANNEL: &str = "server_config_changed";
const RECONNECT_EVERY: Duration = Duration::from_secs(1);

/// A change as Postgres tells it.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    server: ServerId,
    version: i64,
    /// None: to be read.
    setting: Option<Setting>,
}

impl Configs {
    /// Follows the changes until cancelled. `session_url`: a direct connection; through a pooler nothing is heard.
    pub async fn follow(&self, session_url: &str, cancel: CancellationToken) {
        // A connection that was just made may have missed something.
        let look = Notify::new();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.listen(session_url, &look) => {}
            () = self.confirm(&look) => {}
        }
    }

    async fn listen(&self, session_url: &str, look: &Notify) {
        let mut failing = false;
        loop {
            if let Err(error) = self.listen_once(session_url, look, &mut failing).await
                && !std::mem::replace(&mut failing, true)
            {
                tracing::warn!(%error, "no notifications of changed configs; they are compared every {:?}",
                    self.confirm_every);
            }
            sleep(RECONNECT_EVERY).await;
        }
    }

    async fn listen_once(&self, session_url: &str, look: &Notify, failing: &mut bool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect(session_url).await?;
        listener.listen(CHANNEL).await?;
        *failing = false;
        look.notify_one();
        loop {
            match listener.try_recv().await? {
                Some(said) => match read(said.payload()) {
                    Some(change) => self.changed(change).await,
                    None => look.notify_one(),
                },
                // The connection was lost and made again.
                None => look.notify_one(),
            }
        }
    }

    async fn changed(&self, change: Change) {
        let Change { server, version, setting } = change;
        metrics::counter!(names::CONFIG_NEWS, "by" => "notification").increment(1);
        // The last reader of a server may be gone, and its next owner reads what Redis has.
        self.kept.write(server, version, setting.as_ref()).await;
        if !self.cache().knows(server) {
            return;
        }
        match setting {
            Some(setting) => drop(self.learn(server, version, setting, Instant::now())),
            None => self.cache().bury(server, version),
        }
    }

    async fn confirm(&self, look: &Notify) {
        let mut every = interval(self.confirm_every);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = look.notified() => {}
            }
            if let Err(error) = self.confirm_once().await {
                tracing::debug!(%error, "comparing cached configs with postgres");
            }
        }
    }

    async fn confirm_once(&self) -> sqlx::Result<()> {
        let (at, known) = (Instant::now(), self.cache().versions());
        if known.is_empty() {
            return Ok(());
        }
        let (ids, versions): (Vec<i64>, Vec<i64>) =
            known.iter().map(|(server, version)| (server.db(), *version)).unzip();
        let changed = sqlx::query_file!("src/worker/sql/changed_configs.sql", &ids, &versions)
            .fetch_all(self.database.read().await?.conn())
            .await?;
        self.cache().confirm(&known, at);
        for row in changed {
            metrics::counter!(names::CONFIG_NEWS, "by" => "comparison").increment(1);
            let server = ServerId::from_db(row.server_id);
            match row.is {
                None => {
                    self.kept.write(server, row.was, Some(&Setting::Off)).await;
                    self.learn(server, row.was, Setting::Off, at);
                }
                Some(is) if is < row.was => {
                    self.kept.forget(server).await;
                    self.cache().restart(server, row.was);
                }
                Some(is) => {
                    self.kept.write(server, is, None).await;
                    self.cache().bury(server, is);
                }
            }
        }
        Ok(())
    }
}

/// None: not one of ours.
fn read(payload: &str) -> Option<Change> {
    let said: Value = serde_json::from_str(payload).ok()?;
    let server = ServerId(said.get("server_id")?.as_str()?.parse().ok()?);
    let version = said.get("config_version")?.as_i64()?;
    let setting = match (said.get("active")?.as_bool()?, said.get("config")?) {
        (false, _) => Some(Setting::Off),
        (true, Value::Null) => None,
        (true, config) => Some(Setting::Set(config.to_string())),
    };
    Some(Change { server, version, setting })
}
