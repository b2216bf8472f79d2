//! Discord takes requests whose answers never arrive.

use std::time::Duration;

use helpline_sim::{Fault, FaultPlan, Route};

use crate::cluster::{Cluster, Setup};
use crate::crowd::{Crowd, Habits};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_between_an_accepted_request_and_its_answer_repeats_nothing() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let crowd = Crowd::gather(&cluster, Habits { interactions_may_fail: true, ..Habits::default() });
    crowd.served(10).await;
    for route in [Route::CreateMessage, Route::StartThread] {
        for victim in [0, 1] {
            // Discord does it at once; the answer is still on its way when the worker dies.
            cluster
                .sim
                .plan_fault(FaultPlan::always(Fault::LateMs(1_500)).on(route).times(6))
                .expect("a lawful plan");
            crowd.waits_for(&cluster, victim).await;
            tokio::time::sleep(Duration::from_millis(150)).await;
            cluster.workers[victim].kill();
            crowd.served(5).await;
            cluster.restart_worker(victim);
        }
        cluster
            .sim
            .plan_fault(FaultPlan::always(Fault::ResetAfter).on(route).times(4))
            .expect("a lawful plan");
        crowd.served(10).await;
        cluster
            .sim
            .plan_fault(FaultPlan::always(Fault::LateMs(1_500)).on(route).times(6))
            .expect("a lawful plan");
        crowd.burst(8).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        cluster.proxies[0].kill();
        cluster.restart_proxy(0);
        crowd.served(10).await;
    }
    crowd.leaves(&cluster).await.passes("kills between effect and answer");
}
