//! Finds the event that ends its owner's process, so that it does not end owner after owner.
//!
//! The first batch after an owner that did not release the shard is applied under a marker (`helpline.shard_trials`),
//! written before in a transaction of its own. Who finds a marker knows that its predecessor ended there, after another
//! one had: it applies event by event, each under a marker that names it, one at a time in the whole process, because an
//! end blames every event that was being applied. The third owner's end puts the named event aside. What panics is
//! caught and needs no marker.
//!
//! Held events of a server ([`super::arriving`]) wait beside the stream, so the first of each server under an ownership
//! has a marker of its own.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use helpline_cluster::database::Database;
use helpline_cluster::fence::{self, Fence, FencedTx};
use helpline_cluster::ids::ServerId;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Ends of owners, after the one that left the first marker's owner its shard, until an event is put aside.
const DEATHS: i32 = 2;
/// Why such an event is put aside.
pub const ENDED_ITS_OWNERS: &str = "the process ended while it was applied, three times";
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// Where the events of a trial wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the shard's stream.
    Stream,
    /// Held until the server came.
    Held(ServerId),
}

impl Place {
    const fn db(self) -> i64 {
        match self {
            Self::Stream => 0,
            Self::Held(server) => server.db(),
        }
    }
}

/// What an owner finds at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The predecessor got through its first batch, or did not end by itself.
    Nothing,
    /// It did not. `dead`: this event has ended as many owners as it may.
    Suspects { deaths: i32, dead: Option<String> },
}

/// Marks the first batch of an ownership.
pub async fn begin(pool: &Database, fence: &Fence, place: Place) -> Result<Found, fence::Error> {
    let mut tx = FencedTx::begin(pool, fence).await?;
    let row = sqlx::query_file!("src/worker/sql/begin_trial.sql", fence.shard.db(), place.db())
        .fetch_one(tx.conn())
        .await?;
    tx.commit().await?;
    if row.is_new {
        return Ok(Found::Nothing);
    }
    let dead = row.stream_id.filter(|_| row.deaths >= DEATHS);
    Ok(Found::Suspects { deaths: row.deaths.min(DEATHS - 1), dead })
}

/// Marks one event; the permit is held until it is applied.
pub async fn suspect(
    pool: &Database,
    fence: &Fence,
    place: Place,
    event: &str,
    deaths: i32,
) -> Result<SemaphorePermit<'static>, fence::Error> {
    let permit = ONE_AT_A_TIME.acquire().await.expect("it is never closed");
    let mut tx = FencedTx::begin(pool, fence).await?;
    sqlx::query!(
        "update helpline.shard_trials set stream_id = $3, deaths = $4, since = now()
         where shard_id = $1 and held_of = $2",
        fence.shard.db(),
        place.db(),
        event,
        deaths
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(permit)
}

/// The owner got through, or stops of its own accord.
pub async fn end(pool: &Database, fence: &Fence, place: Place) -> Result<(), fence::Error> {
    let mut tx = FencedTx::begin(pool, fence).await?;
    sqlx::query!(
        "delete from helpline.shard_trials where shard_id = $1 and held_of = $2",
        fence.shard.db(),
        place.db()
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}

/// The outcome, or none when it panicked: the panic's message is in the log already.
pub async fn caught<T>(applying: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(applying).catch_unwind().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_outcome_and_not_an_end() {
        assert_eq!(caught(async { 7 }).await, Some(7));
        let panics = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "as a defect would");
        };
        assert_eq!(caught(panics).await, None);
    }
}
