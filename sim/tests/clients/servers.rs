//! Servers that refuse, go away and come back, and their forums, as the libraries live with them.

use crate::harness::{Client, Library};
use crate::support::{entry, simulator};
use crate::with_both_libraries;
use helpline_sim::{Kind, Permissions, Target};
use serde_json::json;
use std::collections::BTreeSet;

with_both_libraries! {
    what_permissions_deny_is_the_librarys_own_error,
    a_server_goes_away_and_comes_back,
    a_large_servers_members_come_when_asked_for,
    a_forum_post_is_started_read_and_locked,
}

async fn what_permissions_deny_is_the_librarys_own_error(library: Library) {
    let simulator = simulator(|_| {}).await;
    let [open, mute, hidden] = [0, 1, 2].map(|at| simulator.servers()[at].clone());
    let channels = [&open, &mute, &hidden].map(|server| server.general_channel.get().to_string());
    let (mut client, _) = Client::ready(library, "denied", &simulator, &json!({"channels": channels})).await;
    for (server, denied) in [(&mute, Permissions::SEND_MESSAGES), (&hidden, Permissions::VIEW_CHANNEL)] {
        let overwrite = Some((Permissions::default(), denied));
        simulator.set_overwrite(server.general_channel, Target::Role(server.bot_role), overwrite).unwrap();
    }
    simulator.say(open.support_channel, open.members[0], "try it").unwrap();
    assert_eq!(client.said("allowed").await["channel"], channels[0]);
    let class = match library {
        Library::DiscordJs => "DiscordAPIError",
        Library::DiscordPy => "Forbidden",
    };
    for (channel, code) in [(&channels[1], 50_013), (&channels[2], 50_001)] {
        let denied = client.said("denied").await;
        assert_eq!([&denied["channel"], &denied["class"]], [channel, class]);
        assert_eq!([&denied["code"], &denied["status"]], [code, 403]);
    }
    client.stop().await;
}

async fn a_server_goes_away_and_comes_back(library: Library) {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[1].clone();
    let id = server.id.get().to_string();
    let (mut client, _) = Client::ready(library, "listen", &simulator, &json!({})).await;
    client.forget();
    assert!(simulator.set_unavailable(server.id, true).unwrap());
    assert_eq!(client.said("guild_unavailable").await["id"], id);
    assert!(simulator.set_unavailable(server.id, false).unwrap());
    assert_eq!(client.said("guild_available").await["id"], id);
    simulator.say(server.support_channel, server.members[0], "back again").unwrap();
    assert_eq!(client.said("message").await["content"], "back again");
    assert!(simulator.remove_bot(server.id).unwrap());
    assert_eq!(client.said("guild_removed").await["id"], id);
    assert!(simulator.add_bot(server.id).unwrap());
    assert_eq!(client.said("guild_added").await["id"], id);
    client.stop().await;
}

/// More than one chunk of opcode 8's answer.
async fn a_large_servers_members_come_when_asked_for(library: Library) {
    let simulator = simulator(|config| (config.servers, config.members_per_server) = (1, 998)).await;
    let server = simulator.servers()[0].clone();
    let settings = json!({"guild": server.id.get().to_string(), "query": "ada_"});
    let (client, ready) = Client::ready(library, "members", &simulator, &settings).await;
    client.stop().await;
    let everybody = server.members.iter().chain(&server.staff).chain([&simulator.config().bot]);
    let expected: BTreeSet<String> = everybody.map(|user| user.get().to_string()).collect();
    let all: BTreeSet<String> =
        ready["all"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    assert_eq!(all, expected);
    let some = ready["some"].as_array().unwrap();
    assert_eq!(some.len(), 20, "as many as asked for");
    assert!(some.iter().all(|name| name.as_str().unwrap().starts_with("ada_")), "{some:?}");
}

async fn a_forum_post_is_started_read_and_locked(library: Library) {
    let simulator = simulator(|config| {
        config.forums = true;
        config.bot_permissions |= Permissions::MANAGE_THREADS;
    })
    .await;
    let server = simulator.servers()[0].clone();
    let forum = server.forum.unwrap().get().to_string();
    let (mut client, _) = Client::ready(library, "forum", &simulator, &json!({"forum": forum})).await;
    simulator.say(server.support_channel, server.members[0], "post something").unwrap();
    let posted = client.said("posted").await;
    client.stop().await;
    assert_eq!(posted["parent"], json!(forum));
    assert_eq!(posted["starter"], posted["post"], "a post has the id of its first message");
    assert_eq!([&posted["content"], &posted["locked"]], [&json!("how it begins"), &json!(true)]);
    let second = entry(
        &simulator,
        |kind| matches!(kind, Kind::BotMessage(message) if message.content == "how it goes on"),
    )
    .await;
    let Kind::BotMessage(second) = &second.kind else { unreachable!("just matched") };
    assert_eq!(json!(second.channel), posted["post"]);
}
