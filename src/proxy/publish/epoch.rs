//! What the publisher does when Redis has lost the epoch of its gateway shard.
//!
//! A wiped Redis cannot tell the holder from a former one that has not heard of its end; Postgres can. The order (eras,
//! Postgres, raise) is what [`Publisher::raise_gateway_epoch_to`](helpline_cluster::event_log::Publisher) asks for.

use helpline_cluster::event_log::Raised;

use super::{Failure, Publishing};

impl Publishing {
    /// Puts the epoch back if the gateway shard still is ours. The backlog waits meanwhile.
    pub(super) async fn put_epoch_back(&self) -> Result<(), Failure> {
        let eras = self.publisher.eras().await?;
        let unproved = |error| Failure::Unproved(format!("it has lost the epoch, and postgres: {error}"));
        if !self.claims.holds(&self.lease).await.map_err(unproved)? {
            return Err(Failure::Superseded);
        }
        match self.publisher.raise_gateway_epoch_to(self.gateway, self.lease.epoch, &eras).await? {
            Raised::Stands => {
                tracing::warn!("{}: redis had lost its epoch; it stands again", self.gateway);
                Ok(())
            }
            Raised::Below(_) => Err(Failure::Superseded),
            Raised::EraOver => Err(Failure::Redis("it has lost the epoch again".to_owned())),
        }
    }
}
