//! The proxy is killed and started again.

use crate::cluster::{Cluster, Setup};
use crate::crowd::{Crowd, Habits};

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_killed_resumes_its_sessions_when_it_is_started_again() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(10).await;
    for _ in 0..3 {
        crowd.burst(8).await;
        cluster.proxies[0].kill();
        crowd.burst(8).await;
        cluster.restart_proxy(0);
        crowd.served(25).await;
    }
    let verdict = crowd.leaves(&cluster).await;
    verdict.passes("three kills of the proxy");
    assert_eq!(verdict.identifies, 0, "no session is begun anew");
    assert!(verdict.resumes >= 3 * 2, "both gateway shards are resumed each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_proxies_one_is_killed_and_the_other_resumes_its_sessions() {
    let mut cluster = Cluster::start(Setup { proxies: 2, gateway_shards: 4, ..Setup::default() }).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(10).await;
    for victim in [0, 1, 0] {
        crowd.burst(8).await;
        cluster.proxies[victim].kill();
        crowd.burst(8).await;
        // The other one alone.
        crowd.served(25).await;
        cluster.restart_proxy(victim);
        crowd.served(5).await;
    }
    let verdict = crowd.leaves(&cluster).await;
    verdict.passes("three kills of one of two proxies");
    assert_eq!(verdict.identifies, 0, "no session is begun anew");
    assert!(verdict.resumes > 0, "sessions go on with the other proxy");
}
