//! Epochs of gateway shards in Redis: who of several proxies may publish.
//!
//! Promise: an epoch comes into a Redis that has lost it only from a proxy that asked Postgres afterwards. He asks for the
//! eras first, then Postgres whether the gateway shard is still his, and raises at last; if Redis has lost anything since
//! he asked for the eras, nothing is raised and he begins again. So a former holder, however late his calls arrive,
//! never publishes behind the back of the next one.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use redis::Script;

use super::{Error, Publisher};
use crate::ids::GatewayShard;
use crate::keys::GROUPS;

static ERA: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("lua/standing.lua"), include_str!("lua/era.lua"), "return era(KEYS[1])"))
});

static RAISE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/standing.lua"),
        include_str!("lua/era.lua"),
        include_str!("lua/raise.lua")
    ))
});

/// The era of each slot group: changes when Redis loses what it knew, by a wipe, a restart or a failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eras(Vec<String>);

/// What came of raising an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It stands in all slot groups: no holder below it publishes any more.
    Stands,
    /// This higher one stands.
    Below(u64),
    /// Redis has lost something since it was asked for the eras: all of it anew.
    EraOver,
}

impl Publisher {
    /// To be asked for before Postgres is asked whose a gateway shard is.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn eras(&self) -> Result<Eras, Error> {
        let asking = (0..GROUPS).map(|group| async move {
            let key = self.keys.era(group);
            Ok::<String, Error>(ERA.key(key).invoke_async(&mut self.redis.clone()).await?)
        });
        Ok(Eras(try_join_all(asking).await?))
    }

    /// Makes every holder below `epoch` unable to publish, in all slot groups. The caller has asked Postgres, after the
    /// eras, whether the gateway shard is his under this epoch.
    ///
    /// # Errors
    /// [`Error::Redis`]; to be repeated then, before anything is published.
    pub async fn raise_gateway_epoch_to(
        &self,
        gateway: GatewayShard,
        epoch: u64,
        eras: &Eras,
    ) -> Result<Raised, Error> {
        let (_, raised) = self.raise_everywhere(gateway, epoch, eras).await?;
        Ok(raised)
    }

    /// As a holder whom no table knows: with an epoch of its own that is at least the time in ms, so that Redis may lose
    /// it without an epoch being given out twice. It supersedes every earlier holder.
    ///
    /// # Errors
    /// [`Error::Redis`]; to be repeated then, before anything is published.
    pub async fn raise_gateway_epoch(&self, gateway: GatewayShard) -> Result<u64, Error> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut epoch = u64::try_from(since_1970.as_millis()).unwrap_or_default();
        loop {
            let eras = self.eras().await?;
            match self.raise_everywhere(gateway, epoch, &eras).await? {
                (true, Raised::Stands) => return Ok(epoch),
                // Of two that raise at once, one has to find its epoch taken in some group, and goes above it.
                (false, Raised::Stands) => epoch += 1,
                (_, Raised::Below(stands)) => epoch = stands + 1,
                (_, Raised::EraOver) => {}
            }
        }
    }

    /// Also whether it was lower or unknown in every group.
    async fn raise_everywhere(
        &self,
        gateway: GatewayShard,
        epoch: u64,
        eras: &Eras,
    ) -> Result<(bool, Raised), Error> {
        let raising = eras.0.iter().zip(0..).map(|(era, group)| async move {
            let (key, era_key) = (self.keys.gateway_epoch(group, gateway), self.keys.era(group));
            let mut redis = self.redis.clone();
            let answer: (i64, String) =
                RAISE.key(key).key(era_key).arg(epoch).arg(era).invoke_async(&mut redis).await?;
            Ok::<_, Error>(answer)
        });
        let answers = try_join_all(raising).await?;
        if answers.iter().any(|(raised, _)| *raised < 0) {
            return Ok((false, Raised::EraOver));
        }
        let stands = answers.iter().filter_map(|(_, stands)| stands.parse().ok()).max().unwrap_or(epoch);
        let raised = if stands > epoch { Raised::Below(stands) } else { Raised::Stands };
        Ok((answers.iter().all(|(raised, _)| *raised == 1), raised))
    }
}
