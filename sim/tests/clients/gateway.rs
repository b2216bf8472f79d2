//! Connecting, sharding and losing the connection, as the libraries live through it.

use crate::harness::{Client, Library};
use crate::support::{entry, simulator};
use crate::with_both_libraries;
use helpline_sim::{Kind, Server, Simulator};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

with_both_libraries! {
    every_server_arrives_whole,
    a_dropped_connection_is_resumed_without_gap_or_double,
    a_client_asked_to_reconnect_resumes,
    a_client_whose_session_is_invalid_identifies_anew,
    every_server_is_on_the_gateway_shard_that_the_formula_names,
    identifies_wait_for_each_other_as_max_concurrency_says,
    a_wrong_token_is_the_librarys_own_error,
    a_disallowed_intent_is_the_librarys_own_error,
    without_the_message_content_intent_content_is_withheld,
}

fn texts(list: &Value, key: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

fn set<T: ToString>(items: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

async fn every_server_arrives_whole(library: Library) {
    let simulator = simulator(|_| {}).await;
    let (client, ready) = Client::ready(library, "ready", &simulator, &json!({})).await;
    let bot = simulator.config().bot.get().to_string();
    assert_eq!([&ready["user"], &ready["application"]], [&json!(bot), &json!(bot)]);
    assert_eq!(ready["name"], "helpline");
    assert_eq!(ready["guilds"].as_array().unwrap().len(), simulator.servers().len());
    for server in simulator.servers() {
        let id = server.id.get().to_string();
        let guild = ready["guilds"].as_array().unwrap().iter().find(|guild| guild["id"] == id).unwrap();
        assert_eq!(guild["name"], json!(server.name));
        assert_eq!(guild["available"], true);
        assert_eq!(guild["owner"], server.staff[0].get().to_string());
        assert_eq!(guild["me"], bot);
        assert_eq!(guild["count"], server.members.len() + server.staff.len() + 1);
        let channels = [server.support_channel.get(), server.general_channel.get()];
        assert!(texts(&guild["channels"], "id").is_superset(&set(channels)), "{guild}");
        let roles = [id, server.support_role.get().to_string(), server.bot_role.get().to_string()];
        assert!(texts(&guild["roles"], "id").is_superset(&set(roles)), "{guild}");
        let me = guild["members"].as_array().unwrap().iter().find(|member| member["id"] == bot).unwrap();
        assert_eq!(me["roles"], json!([server.bot_role.get().to_string()]));
    }
    client.stop().await;
    assert_eq!(simulator.counters().identifies, 1);
    // discord.js leaves with 1000, which ends the session; discord.py leaves with 4000, which keeps it.
    let kept = usize::from(library == Library::DiscordPy);
    until(|| simulator.sessions().iter().filter(|session| !session.connected).count() == kept).await;
    assert_eq!(simulator.sessions().len(), kept);
}

fn say(simulator: &Simulator, server: &Server, text: &str) {
    simulator.say(server.support_channel, server.members[0], text).unwrap();
}

/// Says the numbers, and expects the client to see them once each and in order.
async fn counts(client: &mut Client, numbers: std::ops::Range<usize>) {
    for n in numbers {
        assert_eq!(client.said("message").await["content"], n.to_string());
    }
}

/// Stops the client; it has seen no message that was not asked for, and so none twice.
async fn nothing_more(client: Client) {
    let left = client.stop().await;
    assert!(left.iter().all(|said| said["event"] != "message"), "{left:?}");
}

async fn a_dropped_connection_is_resumed_without_gap_or_double(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[1].clone();
    let (mut client, _) = Client::ready(library, "listen", &simulator, &json!({})).await;
    (0..10).for_each(|n| say(&simulator, &server, &n.to_string()));
    counts(&mut client, 0..5).await;
    for round in 1..4 {
        // Some numbers are on the way when the connection breaks, some come while there is none.
        (round * 10..round * 10 + 5).for_each(|n| say(&simulator, &server, &n.to_string()));
        let mut entries = simulator.subscribe();
        assert_eq!(simulator.sever_all(), 1);
        // Heard at once, on the simulator's own thread, so that the client cannot have come back yet.
        while !matches!(entries.recv().await.unwrap().kind, Kind::Disconnected { .. }) {}
        (round * 10 + 5..round * 10 + 10).for_each(|n| say(&simulator, &server, &n.to_string()));
        client.said("resumed").await;
    }
    counts(&mut client, 5..40).await;
    nothing_more(client).await;
    let counters = simulator.counters();
    assert_eq!((counters.identifies, counters.resumes, counters.resumes_refused), (1, 3, 0));
    assert!(counters.events_replayed >= 15, "{counters:?}");
}

async fn until(done: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + crate::harness::PATIENCE;
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "it never came so far");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn a_client_asked_to_reconnect_resumes(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "listen", &simulator, &json!({})).await;
    say(&simulator, &server, "0");
    counts(&mut client, 0..1).await;
    assert_eq!(simulator.ask_to_reconnect(None), 1);
    (1..20).for_each(|n| say(&simulator, &server, &n.to_string()));
    client.said("resumed").await;
    (20..25).for_each(|n| say(&simulator, &server, &n.to_string()));
    counts(&mut client, 1..25).await;
    nothing_more(client).await;
    let counters = simulator.counters();
    assert_eq!((counters.identifies, counters.resumes, counters.connections), (1, 1, 2));
}

async fn a_client_whose_session_is_invalid_identifies_anew(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut client, _) = Client::ready(library, "listen", &simulator, &json!({})).await;
    let old = simulator.sessions()[0].id.clone();
    assert!(simulator.invalidate(&old));
    let new = |kind: &Kind| matches!(kind, Kind::Identified { session, .. } if *session != old);
    entry(&simulator, new).await;
    until(|| simulator.sessions().iter().any(|session| session.connected)).await;
    say(&simulator, &server, "0");
    counts(&mut client, 0..1).await;
    client.stop().await;
    let counters = simulator.counters();
    assert_eq!((counters.identifies, counters.resumes), (2, 0));
}

async fn every_server_is_on_the_gateway_shard_that_the_formula_names(library: Library) {
    let simulator = simulator(|config| {
        (config.servers, config.gateway_shards, config.max_concurrency) = (12, 3, 3);
    })
    .await;
    let (mut client, ready) = Client::ready(library, "shards", &simulator, &json!({})).await;
    assert_eq!(ready["shards"], 3, "as many as GET /gateway/bot recommends");
    let guilds = ready["guilds"].as_array().unwrap();
    assert_eq!(guilds.len(), 12);
    for server in simulator.servers() {
        let id = server.id.get();
        let shard = (id >> 22) % 3;
        assert!(guilds.contains(&json!({"id": id.to_string(), "shard": shard})), "{id} is not on {shard}");
        say(&simulator, server, "where am I?");
        let message = client.said("message").await;
        assert_eq!([&message["guild"], &message["shard"]], [&json!(id.to_string()), &json!(shard)]);
    }
    client.stop().await;
    let sessions: BTreeSet<(u32, u32)> = simulator
        .transcript()
        .snapshot()
        .iter()
        .filter_map(|entry| match entry.kind {
            Kind::Identified { shard, total, .. } => Some((shard, total)),
            _ => None,
        })
        .collect();
    assert_eq!(sessions, BTreeSet::from([(0, 3), (1, 3), (2, 3)]));
    assert_eq!((simulator.counters().identifies, simulator.counters().identifies_refused), (3, 0));
}

async fn identifies_wait_for_each_other_as_max_concurrency_says(library: Library) {
    let simulator = simulator(|config| {
        (config.gateway_shards, config.max_concurrency) = (2, 1);
        config.identify_interval = Duration::from_secs(5);
    })
    .await;
    let (client, ready) = Client::ready(library, "shards", &simulator, &json!({})).await;
    assert_eq!(ready["shards"], 2);
    client.stop().await;
    assert_eq!((simulator.counters().identifies, simulator.counters().identifies_refused), (2, 0));
}

async fn a_wrong_token_is_the_librarys_own_error(library: Library) {
    let simulator = simulator(|_| {}).await;
    let mut client = Client::start(library, "refused_token", &simulator, &json!({}));
    let refused = client.said("refused").await;
    match library {
        // discord.js asks for the gateway first, discord.py for its user; both are answered 401.
        Library::DiscordJs => {
            assert_eq!([&refused["class"], &refused["code"]], ["DiscordjsError", "TokenInvalid"])
        }
        Library::DiscordPy => assert_eq!(refused["class"], "LoginFailure"),
    }
    client.stop().await;
    assert_eq!(simulator.counters().identifies, 0);
    assert!(simulator.counters().rest_invalid <= 2, "it does not keep trying");
}

async fn a_disallowed_intent_is_the_librarys_own_error(library: Library) {
    let simulator = simulator(|config| config.privileged_intents = 0).await;
    let mut client = Client::start(library, "refused_intents", &simulator, &json!({}));
    let refused = client.said("refused").await;
    match library {
        Library::DiscordJs => assert_eq!(refused["message"], "Used disallowed intents"),
        Library::DiscordPy => assert_eq!(refused["class"], "PrivilegedIntentsRequired"),
    }
    client.stop().await;
    assert_eq!(simulator.counters().connections, 1, "it does not keep trying");
}

/// <https://discord.com/developers/docs/events/gateway#message-content-intent>: content is empty, except in direct
/// messages, in messages that mention the bot and in the bot's own.
async fn without_the_message_content_intent_content_is_withheld(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    // GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES
    let intents = 1 | 1 << 9 | 1 << 12;
    let (mut client, _) = Client::ready(library, "listen", &simulator, &json!({"intents": intents})).await;
    let (member, mention) = (server.members[0], simulator.bot_mention());
    let dm = simulator.dm_channel(member).unwrap();
    say(&simulator, &server, "nobody reads this");
    say(&simulator, &server, &format!("{mention} reads this"));
    simulator.say(dm, member, "and this").unwrap();
    assert_eq!(client.said("message").await["content"], "");
    assert_eq!(client.said("message").await["content"], format!("{mention} reads this"));
    assert_eq!(client.said("message").await["content"], "and this");
    client.stop().await;
}
