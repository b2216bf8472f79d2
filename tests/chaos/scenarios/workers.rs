//! Workers that die, freeze, leave and come, with answers in flight.

use std::time::Duration;

use crate::cluster::{Cluster, Setup, patiently};
use crate::crowd::{Crowd, Habits};
use crate::history::What;
use crate::process::now_us;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_loses_nothing_and_repeats_nothing() {
    let mut cluster = Cluster::start(Setup { workers: 3, ..Setup::default() }).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    for victim in [0, 1, 2, 0] {
        crowd.waits_for(&cluster, victim).await;
        cluster.workers[victim].kill();
        crowd.served(10).await;
        cluster.restart_worker(victim);
        crowd.served(5).await;
    }
    crowd.leaves(&cluster).await.passes("four kills of workers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_frozen_for_five_leases_writes_nothing_when_it_thaws() {
    let cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    crowd.waits_for(&cluster, 0).await;
    cluster.workers[0].process.freeze();
    // Frozen with answers in flight; the time is part of the fault.
    tokio::time::sleep(cluster.setup.lease_ttl * 5).await;
    crowd.served(10).await;
    cluster.workers[0].process.thaw();
    crowd.served(15).await;
    crowd.leaves(&cluster).await.passes("a worker frozen for five leases");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_told_to_stop_one_after_the_other_hand_over() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    for leaving in [0, 1, 0] {
        crowd.waits_for(&cluster, leaving).await;
        cluster.workers[leaving].process.terminate();
        let status = cluster.workers[leaving].process.ended().await;
        assert!(status.success(), "a drain ends well: {status}");
        crowd.served(5).await;
        cluster.restart_worker(leaving);
        patiently("the new worker owns shards", async || !cluster.shards_of(leaving).await.is_empty()).await;
    }
    crowd.leaves(&cluster).await.passes("three drains");
}

/// Tells the worker to stop and waits for its end. From its last release to the end of its process.
async fn exits_after(cluster: &mut Cluster, leaving: usize) -> Duration {
    let mark = cluster.recorder.end().await;
    cluster.workers[leaving].process.terminate();
    let status = cluster.workers[leaving].process.ended().await;
    let ended_us = now_us();
    assert!(status.success(), "a drain ends well: {status}");
    let records = cluster.recorder.since(mark).await;
    let process = &cluster.workers[leaving].process.name;
    let releases = records.iter().filter(|record| {
        record.process == *process && matches!(record.what, What::Fence { owner: None, .. })
    });
    let last_us = releases.map(|record| record.at_us).max().expect("it has released its shards");
    Duration::from_micros(u64::try_from(ended_us - last_us).unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_exits_at_once_when_it_holds_nothing_any_more() {
    // Far below any patience within the worker; the best of three, because others use the machine as well.
    const AT_ONCE: Duration = Duration::from_millis(700);
    let mut cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    let mut beside_another = Vec::new();
    for _ in 0..3 {
        crowd.waits_for(&cluster, 0).await;
        beside_another.push(exits_after(&mut cluster, 0).await);
        cluster.restart_worker(0);
        patiently("the new worker owns shards", async || !cluster.shards_of(0).await.is_empty()).await;
    }
    cluster.workers[1].process.terminate();
    cluster.workers[1].process.ended().await;
    let mut alone = Vec::new();
    for _ in 0..3 {
        cluster.in_service().await;
        crowd.served(5).await;
        alone.push(exits_after(&mut cluster, 0).await);
        cluster.restart_worker(0);
    }
    crowd.leaves(&cluster).await.passes("seven drains");
    println!("exits after the last release: {beside_another:?} beside another, {alone:?} alone");
    for took in [beside_another, alone] {
        assert!(took.iter().min().is_some_and(|least| *least < AT_ONCE), "it lingers: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_becomes_three_and_three_become_one() {
    let mut cluster = Cluster::start(Setup { workers: 1, ..Setup::default() }).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(5).await;
    cluster.add_worker().await;
    cluster.add_worker().await;
    patiently("each of the three owns shards", async || {
        for index in 0..3 {
            if cluster.shards_of(index).await.is_empty() {
                return false;
            }
        }
        true
    })
    .await;
    crowd.served(10).await;
    for leaving in [0, 1] {
        crowd.waits_for(&cluster, leaving).await;
        cluster.workers[leaving].process.terminate();
    }
    for leaving in [0, 1] {
        cluster.workers[leaving].process.ended().await;
    }
    crowd.served(10).await;
    assert_eq!(cluster.shards_of(2).await.len(), cluster.setup.shards as usize);
    let verdict = crowd.leaves(&cluster).await;
    verdict.passes("from one worker to three and back");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_workers_killed_at_once_are_replaced_by_the_third() {
    let mut cluster = Cluster::start(Setup { workers: 3, ..Setup::default() }).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    crowd.waits_for(&cluster, 0).await;
    cluster.workers[0].kill();
    cluster.workers[1].kill();
    crowd.served(15).await;
    tokio::time::timeout(Duration::from_secs(60), cluster.in_service()).await.expect("the third owns all");
    crowd.leaves(&cluster).await.passes("two kills at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_taken_for_dead_while_it_works_writes_nothing_more_for_what_it_lost() {
    let cluster = Cluster::start(Setup { workers: 3, ..Setup::default() }).await;
    let crowd = Crowd::gather(&cluster, Habits::default());
    crowd.served(10).await;
    for victim in [0, 1, 2, 0, 1, 2] {
        crowd.waits_for(&cluster, victim).await;
        // Its lock is free, which its peers take for its death; its other connections, and it itself, go on.
        cluster.end_session_of(victim).await;
        crowd.burst(cluster.setup.servers).await;
        crowd.served(8).await;
    }
    crowd.leaves(&cluster).await.passes("six workers taken for dead");
}
