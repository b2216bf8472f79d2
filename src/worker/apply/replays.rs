//! An event that was put aside, applied again.

use std::collections::HashSet;

use helpline_cluster::fence::{self, Fence};
use helpline_cluster::ids::ServerId;

use super::{Error, Relevant, T1};
use crate::deliver::outbox::Lane;
use crate::worker::{Shared, letters};

/// Applies an event that was put aside, whose letter goes in the same transaction. The cursor stays.
pub async fn replay(
    shared: &Shared,
    fence: &Fence,
    event: Option<Relevant>,
    letter: i64,
) -> Result<HashSet<Lane>, Error> {
    let servers: Vec<ServerId> = event.iter().filter_map(Relevant::of_server).collect();
    let config = match &event {
        Some(event) => event.config(shared).await?,
        None => std::sync::Arc::default(),
    };
    let (mut t1, places) = T1::begin(shared, fence, &servers).await?;
    if let Some(event) = event {
        let (server, shard) = (event.server, fence.shard);
        if event.of_server().is_some()
            && places.get(&server).is_none_or(|place| place.lives_on != Some(shard))
        {
            return Err(fence::Error::ServerElsewhere { server, shard }.into());
        }
        t1.apply(&Relevant { replayed: true, ..event }, &config).await?;
    }
    t1.settle().await?;
    if letters::applied(&mut t1.tx, letter).await? {
        t1.tx.commit().await?;
        if t1.at_the_desk {
            shared.reception.notify_one();
        }
        return Ok(t1.lanes);
    }
    t1.tx.rollback().await?;
    Ok(HashSet::new())
}
