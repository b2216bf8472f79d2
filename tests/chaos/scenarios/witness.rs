//! The witness itself is tried: a write past the fence, as no owner may do it, is recorded and found.

use sqlx::{Connection, PgConnection};

use crate::cluster::{Cluster, Setup, patiently};
use crate::history::{Violation, check};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_past_the_fence_that_began_before_the_claim_and_ends_after_it_is_found() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let held = cluster.held_by(0).await;
    let home = cluster.recorder.homes().iter().find(|(_, shard)| held.contains_key(shard));
    let (server, shard) = *home.expect("the worker holds the shard of a server");
    let process = cluster.workers[0].process.name.clone();
    let url = cluster.database.url("helpline_worker", &process, cluster.database.address());
    let mut connection = PgConnection::connect(&url).await.expect("as the worker's own connections");

    // While it owns the shard it may; the transaction after it is not over when another has claimed.
    for committed_late in [false, true] {
        let mut tx = connection.begin().await.expect("a transaction without the fence's lock");
        let write = "insert into public.conversations (server_id, channel_id, user_id, username, transcript)
            values ($1, '1', '2', 'rogue', '[]')";
        sqlx::query(write).bind(server).execute(&mut *tx).await.expect("the database lets it");
        if committed_late {
            cluster.workers[0].kill();
            patiently("another owns the shard", async || cluster.held_by(1).await.contains_key(&shard)).await;
        }
        tx.commit().await.expect("the database lets it");
        let found = check(&cluster.recorder.since(0).await, cluster.recorder.homes());
        let past_the_fence = found.iter().filter(|violation| {
            matches!(violation, Violation::NotOwner { process: by, shard: of, .. } if *by == process && *of == shard)
        });
        assert_eq!(past_the_fence.count(), usize::from(committed_late), "{found:?}");
    }
}
