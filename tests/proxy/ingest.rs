//! What gets into the streams, and what does not.

use helpline_sim::Config;
use serde_json::json;

use crate::harness::Bench;
use crate::support::{eventually, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_members_message_of_an_enabled_server_is_in_its_shards_stream_once() {
    let bench = Bench::with_servers(3).await;
    let (on, off) = (bench.server(0), bench.server(1));
    bench.place(&on, 3, true).await;
    bench.place(&off, 4, false).await;
    let proxy = bench.start().await.ready().await;

    bench.say(&off, "nobody listens here");
    let asked = bench.say(&on, "how do I reset my password?");
    bench.sim.type_in(on.support_channel, on.members[1]).expect("types");
    let options = [("question", json!("anybody?"))];
    bench.sim.slash(off.support_channel, off.members[0], "ask", &options).expect("the command is registered");

    assert_eq!(bench.wait_for_messages(3, 1).await, [asked]);
    eventually("the interaction is in its shard's stream", async || {
        bench.stream(4).await.iter().any(|entry| entry.kind == "INTERACTION_CREATE").then_some(())
    })
    .await;
    // The interaction came after the message: had that been kept, it would stand before it.
    assert_eq!(bench.messages(4).await, [] as [u64; 0]);
    let streams = [bench.stream(3).await, bench.stream(4).await];
    assert!(streams.iter().flatten().all(|entry| entry.kind != "TYPING_START"));
    assert_eq!(bench.messages(3).await, [asked]);
    let entry = &bench.stream(3).await[1];
    assert_eq!(entry.server, on.id.get().to_string());
    assert_eq!(entry.payload["content"], "how do I reset my password?");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_seen_for_the_first_time_get_a_shard_and_all_are_in_the_streams() {
    let bench = Bench::with_servers(600).await;
    let proxy = bench.start().await.ready().await;
    eventually("every server is in the stream of its shard", async || {
        let mut created = 0;
        for shard in 0..8 {
            let stream = bench.stream(shard).await;
            created += stream.iter().filter(|entry| entry.kind == "GUILD_CREATE").count();
        }
        (created == 600).then_some(())
    })
    .await;
    let most: i32 =
        sqlx::query_scalar("select max(server_count) from shards").fetch_one(&bench.db.pool).await.unwrap();
    assert_eq!(most, 75, "spread evenly over eight shards");

    let server = bench.server(17);
    let shard = bench.shard_of(server.id).await;
    let created = bench.stream(shard).await;
    let created = created.iter().find(|entry| entry.server == server.id.get().to_string()).expect("is there");
    assert_eq!(created.payload["name"], server.name);
    assert!(created.payload.get("members").is_none(), "reduced");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_enabled_is_followed_within_a_second() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    bench.place(&server, 2, false).await;
    let proxy = bench.start().await.ready().await;
    let switch = |on: bool| {
        let config = format!("update servers set config = '{{\"enabled\": {on}}}'");
        run(&bench.db.pool, config)
    };
    switch(true).await;
    let second = std::time::Duration::from_secs(1);
    // The promise is about what is said a second later.
    tokio::time::sleep(second).await;
    let heard = bench.say(&server, "now you hear me");
    assert_eq!(bench.wait_for_messages(2, 1).await, [heard]);
    // A config that is not what the schema expects does not stop the others, nor does it switch support on.
    // The trigger refuses such a config; a database may hold one from before there was a trigger.
    let unreadable = "alter table servers disable trigger check_server_updated;
                      update servers set config = '[1, {\"enabled\": true}]'";
    run(&bench.db.pool, unreadable).await;
    tokio::time::sleep(second).await;
    bench.say(&server, "and now you do not");
    bench.wait_until_saved(bench.last_sequence()).await;
    assert_eq!(bench.messages(2).await, [heard]);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_messages_go_to_shard_0() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    bench.place(&server, 2, false).await;
    let proxy = bench.start().await.ready().await;
    let channel = bench.sim.dm_channel(server.members[0]).expect("a channel");
    let said = bench.sim.say(channel, server.members[0], "hello").expect("said").get();
    assert_eq!(bench.wait_for_messages(0, 1).await, [said]);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_gateway_shard_gets_its_own_session_and_workers_learn_who_the_bot_is() {
    let bench =
        Bench::new(Config { servers: 12, gateway_shards: 3, max_concurrency: 3, ..Config::default() }).await;
    bench.begin_streams().await;
    for index in 0..12 {
        bench.place(&bench.server(index), (index % 8).try_into().expect("small"), true).await;
    }
    let proxy = bench.start().await.ready().await;
    assert_eq!(bench.sim.sessions().len(), 3);
    let said: Vec<_> = (0..8).map(|index| bench.say(&bench.server(index), "one for each")).collect();
    for (shard, id) in (0..8).zip(said) {
        assert_eq!(bench.wait_for_messages(shard, 1).await, [id]);
    }
    let user: Option<u64> =
        fred::interfaces::KeysInterface::get(&bench.fred, bench.keys.bot_user()).await.expect("read");
    assert_eq!(user, Some(bench.sim.config().bot.get()));
    let registered = helpline::commands::registration();
    let offered: Vec<&str> = registered
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|command| command["name"].as_str())
        .collect();
    assert_eq!(bench.sim.commands(), offered);
    proxy.stop().await;
}
