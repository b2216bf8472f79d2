//! Sessions: what a restart, a lost connection, a full buffer and a second proxy do to what Discord sent.

use std::time::Duration;

use helpline::config::Secret;
use helpline::proxy::backlog::Bounds;
use helpline_sim::Config;

use crate::harness::{Bench, distinct};
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn the_sequence_is_saved_only_after_the_event_is_in_the_stream() {
    let bench = Bench::new(Config { servers: 2, ..Config::default() }).await;
    let (held, free) = (bench.server(0), bench.server(1));
    bench.place(&held, 3, true).await;
    bench.place(&free, 4, true).await;
    bench.begin_streams().await;
    let proxy = bench.start().await.ready().await;
    bench.wait_until_saved(bench.last_sequence()).await;

    // Nobody has begun the stream of shard 3 any more: it refuses.
    let _: i64 = fred::interfaces::KeysInterface::del(
        &bench.fred,
        bench.keys.incarnation(helpline_cluster::ids::ShardId(3)),
    )
    .await
    .expect("delete");
    let first = bench.say(&held, "waits");
    let waiting = bench.last_sequence();
    for index in 0..20 {
        bench.say(&free, &format!("goes on {index}"));
    }
    bench.wait_for_messages(4, 20).await;
    // Several rounds of the publisher: were the sequence saved early, it would have happened by now.
    for _ in 0..30 {
        let saved = bench.saved_sequence().await.expect("saved");
        assert!(saved < waiting, "{saved} is saved and {waiting} is in no stream");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.begin_stream(3).await;
    assert_eq!(bench.wait_for_messages(3, 1).await, [first]);
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_proxy_is_resumed_by_the_next_without_identify_and_nothing_is_missing() {
    let bench = Bench::with_servers(4).await;
    for index in 0..4 {
        bench.place(&bench.server(index), 3, true).await;
    }
    let mut proxy = bench.start().await.ready().await;
    let mut said = Vec::new();
    for round in 0..4 {
        for index in 0..120 {
            said.push(bench.say(&bench.server(index % 4), &format!("message {round} {index}")));
            if index == 60 {
                proxy.kill();
                proxy = bench.start().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Ready alone would not do: the killed one counts as a holder until it has been seen to be dead.
        eventually("the next has resumed", async || (bench.sim.counters().resumes > round).then_some(()))
            .await;
    }
    let messages = bench.wait_for_messages(3, said.len()).await;
    let mut unique = messages.clone();
    unique.sort_unstable();
    unique.dedup();
    let mut expected = said.clone();
    expected.sort_unstable();
    assert_eq!(unique, expected);
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.resumes_refused), (1, 0));
    assert!(counters.resumes >= 4);
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxy_publishes_and_saves_what_it_has_and_leaves_the_session_to_the_next() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    let said: Vec<_> = (0..50).map(|index| bench.say(&server, &format!("message {index}"))).collect();
    bench.wait_for_messages(3, 1).await;
    proxy.stop().await;
    let sequences = bench.sequences().await;
    let saved = bench.saved_sequence().await.expect("saved");
    assert_eq!(sequences[&3].iter().max(), Some(&saved));
    let proxy = bench.start().await.ready().await;
    let messages = bench.wait_for_messages(3, 50).await;
    assert_eq!(messages, said, "nothing twice, nothing missing, in order");
    assert_eq!(bench.sim.counters().identifies, 1);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_buffer_closes_the_connection_and_resumes_without_loss() {
    let bench = Bench::new(Config { servers: 1, ..Config::default() }).await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let mut config = bench.config();
    config.backlog = Bounds { entries: 20, bytes: 1_000_000 };
    let proxy = bench.start_with(config).await.ready().await;
    let said: Vec<_> = (0..200).map(|index| bench.say(&server, &format!("message {index}"))).collect();
    eventually("the connection is closed", async || {
        bench.sim.sessions().iter().all(|session| !session.connected).then_some(())
    })
    .await;
    bench.begin_streams().await;
    assert_eq!(bench.wait_for_messages(3, 200).await, said, "all of them, once, in order");
    let counters = bench.sim.counters();
    assert_eq!(counters.identifies, 1);
    assert!(counters.resumes >= 1);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_and_closed_connections_are_resumed_without_loss_or_repetition() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    let mut said = Vec::new();
    for round in 0..4 {
        for index in 0..30 {
            said.push(bench.say(&server, &format!("message {round} {index}")));
        }
        match round {
            0 => bench.sim.drop_connection(None),
            1 => bench.sim.close_connection(None, 4000),
            2 => bench.sim.ask_to_reconnect(None),
            _ => bench.sim.close_connection(None, 1001),
        };
        said.push(bench.say(&server, "while disconnected"));
        assert_eq!(bench.wait_for_messages(3, said.len()).await, said);
    }
    assert_eq!(bench.sim.counters().identifies, 1);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_discord_forgot_is_followed_by_a_new_one() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    bench.say(&server, "before");
    bench.wait_for_messages(3, 1).await;
    let session = bench.sim.sessions()[0].id.clone();
    assert!(bench.sim.invalidate(&session));
    eventually("a new session", async || {
        bench.sim.sessions().iter().any(|new| new.id != session && new.connected).then_some(())
    })
    .await;
    let after = bench.say(&server, "after");
    assert!(bench.wait_for_messages(3, 2).await.contains(&after));
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_and_not_repeated() {
    let bench = Bench::with_servers(1).await;
    let mut config = bench.config();
    config.token = Secret::new("wrong");
    let error = bench.start_with(config).await.error().await;
    assert!(error.contains("Discord refused the token") && error.contains("DISCORD_TOKEN"), "{error}");
    assert!(!error.contains("wrong"), "the token itself stays out: {error}");
    assert_eq!(bench.sim.counters().rest_requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_that_are_switched_off_are_named_with_the_switch() {
    let bench = Bench::new(Config { servers: 1, privileged_intents: 0, ..Config::default() }).await;
    let error = bench.start().await.error().await;
    assert!(error.contains("Message Content Intent") && error.contains("developers/applications"), "{error}");
    assert!(bench.sim.counters().connections <= 1, "no retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_promise_holds_whatever_comes_first() {
    // Two kills in a row, the second before the resumed events are published.
    let bench = Bench::new(Config { servers: 1, ..Config::default() }).await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    let said: Vec<_> = (0..40).map(|index| bench.say(&server, &format!("message {index}"))).collect();
    proxy.kill();
    let proxy = bench.start().await.ready().await;
    proxy.kill();
    bench.begin_streams().await;
    let proxy = bench.start().await.ready().await;
    let messages = bench.wait_for_messages(3, 40).await;
    assert_eq!(distinct(&messages), said.len());
    assert_eq!(bench.sim.counters().identifies, 1);
    proxy.stop().await;
}
