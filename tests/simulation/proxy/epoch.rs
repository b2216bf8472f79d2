//! Epochs of gateway shards in Redis, after `src/proxy/task.rs` and `publish/epoch.rs`: the era, Postgres, Redis.

use helpline_cluster::event_log::Raised;
use helpline_cluster::gateway_session::Session;

use super::{Failure, Gateway};
use crate::member::Life;
use crate::mutation::Mutation;
use crate::redis::Redis;

/// Makes every earlier holder unable to publish, then loads the session. None: it is ours no more.
pub async fn take(life: &Life, gateway: u32, epoch: &mut u64) -> Option<Option<Session>> {
    let (node, me) = (&life.node, life.id);
    let mut backoff = node.backoff();
    loop {
        let asked = *epoch;
        match raise(life, gateway, asked).await {
            Ok(true) => match node.redis(move |redis| redis.load_session(gateway, asked)).await {
                // None: a later holder has loaded it.
                Ok(session) => return session,
                Err(_) => backoff.wait().await,
            },
            Ok(false) => return None,
            Err(Raising::Below(stands)) => {
                let raising = node.postgres(move |store| store.raise_gateway(gateway, me, asked, stands));
                match raising.await {
                    Ok(raised) => *epoch = raised?,
                    Err(_) => backoff.wait().await,
                }
            }
            Err(Raising::Postgres | Raising::Redis) => backoff.wait().await,
        }
    }
}

enum Raising {
    Below(u64),
    Postgres,
    Redis,
}

/// The era, Postgres, Redis: as `event_log::Publisher` wants it. False: Postgres says that it is another's.
async fn raise(life: &Life, gateway: u32, epoch: u64) -> Result<bool, Raising> {
    let (node, me) = (&life.node, life.id);
    let era = node.redis(Redis::era).await.map_err(|_| Raising::Redis)?;
    if !node.world.is(Mutation::EpochUnasked) {
        let holding = node.postgres(move |store| store.holds_gateway(gateway, me, epoch));
        if !holding.await.map_err(|_| Raising::Postgres)? {
            return Ok(false);
        }
    }
    match node.redis(move |redis| redis.raise_gateway_epoch(gateway, epoch, era)).await {
        Ok(Raised::Stands) => Ok(true),
        Ok(Raised::Below(stands)) => Err(Raising::Below(stands)),
        Ok(Raised::EraOver) | Err(_) => Err(Raising::Redis),
    }
}

impl Gateway {
    pub async fn put_epoch_back(&self) -> Result<(), Failure> {
        match raise(&self.life, self.gateway, self.epoch).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(Raising::Below(_)) => Err(Failure::Superseded),
            Err(Raising::Postgres) => Err(Failure::Unproved),
            Err(Raising::Redis) => Err(Failure::Redis),
        }
    }
}
