//! The network between two parts breaks, falls silent, becomes slow and heals.

use std::time::Duration;

use crate::cluster::{Cluster, Line, Setup};
use crate::crowd::{Crowd, Habits};
use crate::wire::State;

/// Longer than a lease, shorter than what members wait.
const FOR: Duration = Duration::from_millis(2_500);

/// In turn: connections are reset, then nothing gets through any more and nobody is told. Each lasts longer than a
/// lease and heals.
async fn disturb(cluster: &Cluster, crowd: &Crowd, worker: bool, line: Line) {
    let member = if worker { &cluster.workers[0] } else { &cluster.proxies[0] };
    for state in [State::Cut, State::Silent] {
        if worker {
            crowd.waits_for(cluster, 0).await;
        } else {
            crowd.burst(cluster.setup.servers).await;
        }
        member.set(line, state);
        // How long it lasts is the fault itself.
        tokio::time::sleep(FOR).await;
        member.set(line, State::Works);
        crowd.served(8).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cut_off_from_postgres_stops_and_another_goes_on() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(5).await;
    disturb(&cluster, &crowd, true, Line::Postgres).await;
    crowd.leaves(&cluster).await.passes("worker and Postgres apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cut_off_from_redis_loses_nothing() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(5).await;
    disturb(&cluster, &crowd, true, Line::Redis).await;
    crowd.leaves(&cluster).await.passes("worker and Redis apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cut_off_from_the_proxy_repeats_nothing() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(5).await;
    disturb(&cluster, &crowd, true, Line::Outward).await;
    crowd.leaves(&cluster).await.passes("worker and proxy apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_cut_off_from_postgres_goes_on() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(5).await;
    disturb(&cluster, &crowd, false, Line::Postgres).await;
    crowd.leaves(&cluster).await.passes("proxy and Postgres apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_cut_off_from_redis_keeps_what_discord_sends() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(5).await;
    disturb(&cluster, &crowd, false, Line::Redis).await;
    crowd.leaves(&cluster).await.passes("proxy and Redis apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_cut_off_from_discord_resumes() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(5).await;
    disturb(&cluster, &crowd, false, Line::Outward).await;
    let verdict = crowd.leaves(&cluster).await;
    verdict.passes("proxy and Discord apart");
    assert_eq!(verdict.identifies, 0, "sessions are resumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_wires_change_nothing_but_the_time() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(5).await;
    for line in [Line::Postgres, Line::Redis, Line::Outward] {
        for member in cluster.workers.iter().chain(&cluster.proxies) {
            member.set(line, State::Slow(Duration::from_millis(30)));
        }
    }
    crowd.served(25).await;
    crowd.leaves(&cluster).await.passes("30 ms on every wire");
}
