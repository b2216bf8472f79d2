//! What was lost on the way and has to be had from Discord or from the proxy's memory again.

use std::time::Duration;

use crate::cluster::{Cluster, Setup};
use crate::crowd::{Crowd, Habits};

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_had_read_when_redis_was_wiped_is_answered_all_the_same() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(10).await;
    for _ in 0..2 {
        for worker in &cluster.workers {
            worker.process.freeze();
        }
        crowd.burst(12).await;
        // Long enough for what was asked to reach the streams, shorter than a lease.
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.redis.wipe();
        for worker in &cluster.workers {
            worker.process.thaw();
        }
        crowd.served(20).await;
    }
    crowd.leaves(&cluster).await.passes("FLUSHALL with events that nobody had read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_discord_ends_leaves_no_question_unanswered() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    // Beside support channels and threads those are read again where the bot was spoken to before.
    crowd.mentioned_everywhere(&cluster).await;
    for _ in 0..2 {
        for session in cluster.sim.sessions() {
            cluster.sim.invalidate(&session.id);
        }
        // While there is no session nobody hears them.
        crowd.burst(8).await;
        crowd.served(20).await;
    }
    crowd.leaves(&cluster).await.passes("sessions ended by Discord");
}
