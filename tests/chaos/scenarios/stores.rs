//! Postgres crashes, Redis is wiped and comes back empty.

use crate::cluster::{Cluster, Setup};
use crate::crowd::{Crowd, Habits};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_of_postgres_everything_goes_on_where_it_stood() {
    let mut cluster = Cluster::start(Setup { own_postgres: true, ..Setup::default() }).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    for _ in 0..2 {
        crowd.waits_for(&cluster, 0).await;
        cluster.crash_postgres().await;
        crowd.served(15).await;
    }
    crowd.leaves(&cluster).await.passes("two crashes of Postgres");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_was_wiped_no_question_stays_unanswered() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    for _ in 0..3 {
        crowd.burst(6).await;
        cluster.redis.wipe();
        crowd.burst(6).await;
        crowd.served(20).await;
    }
    crowd.leaves(&cluster).await.passes("three times FLUSHALL");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_came_back_empty_no_question_stays_unanswered() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    for _ in 0..2 {
        crowd.burst(6).await;
        cluster.redis.restart();
        crowd.served(20).await;
    }
    crowd.leaves(&cluster).await.passes("two restarts of Redis");
}
