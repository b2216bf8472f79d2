//! Servers that change: the bot removed and back, outages, members, roles and channels, over REST and gateway.

use crate::support::{ALL_INTENTS, Gateway, Rest, simulator};
use helpline_sim::permissions::Target;
use helpline_sim::{ActionError, ChannelKind, Permissions};
use serde_json::json;
use std::time::Duration;

/// ALL_INTENTS with GUILD_MEMBERS.
const WITH_MEMBERS: u64 = ALL_INTENTS | 1 << 1;

#[tokio::test]
async fn a_bot_that_is_removed_hears_it_reaches_nothing_and_is_told_all_when_it_is_back() {
    let simulator = simulator(|config| config.identify_interval = Duration::ZERO).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let (guild, channel) = (server.id.get(), server.support_channel.get());
    assert!(simulator.remove_bot(server.id).unwrap());
    assert!(!simulator.remove_bot(server.id).unwrap(), "it is gone");
    let deleted = gateway.event("GUILD_DELETE").await;
    assert_eq!(deleted, json!({"id": server.id}), "no word of an outage");
    simulator.say(server.support_channel, server.members[0], "anybody?").unwrap();
    assert!(gateway.quiet().await);
    for path in ["", "/channels", "/roles", "/threads/active"] {
        let (status, body) = rest.get(&format!("/guilds/{guild}{path}")).await;
        assert_eq!((status, &body["code"]), (404, &json!(10_004)), "{path}");
    }
    for (method, path) in [("GET", ""), ("GET", "/messages"), ("POST", "/messages"), ("POST", "/typing")] {
        let body = if method == "GET" { None } else { Some(json!({"content": "x"})) };
        let response = rest.try_send(method, &format!("/channels/{channel}{path}"), body).await.unwrap();
        assert_eq!(response.status(), 403, "{method} {path}");
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["code"], 50_001);
    }
    let (_, ready) = Gateway::identified(&simulator).await;
    let listed = ready["guilds"].as_array().unwrap();
    assert!(listed.len() == 3 && listed.iter().all(|other| other["id"] != json!(server.id)));
    assert!(simulator.add_bot(server.id).unwrap());
    let created = gateway.event("GUILD_CREATE").await;
    assert_eq!(created["id"], guild.to_string());
    assert_eq!(created["members"][0]["user"]["id"], simulator.config().bot.get().to_string());
    assert_eq!(rest.get(&format!("/guilds/{guild}")).await.0, 200);
    rest.post(channel, json!({"content": "back"})).await;
}

#[tokio::test]
async fn an_outage_is_told_as_such_and_ends_with_the_server_in_full() {
    let simulator = simulator(|config| config.identify_interval = Duration::ZERO).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[2].clone();
    assert!(simulator.set_unavailable(server.id, true).unwrap());
    assert_eq!(gateway.event("GUILD_DELETE").await, json!({"id": server.id, "unavailable": true}));
    let refused = simulator.say(server.support_channel, server.members[0], "x");
    assert_eq!(refused, Err(ActionError::Unavailable(server.id)));
    assert_eq!(rest.get(&format!("/channels/{}", server.support_channel.get())).await.0, 503);
    let mut late = Gateway::connect(&simulator, "").await;
    late.next().await;
    late.identify(simulator.token(), ALL_INTENTS, [0, 1]).await;
    assert_eq!(late.event("READY").await["guilds"].as_array().unwrap().len(), 4);
    let told = late.skip_to("GUILD_DELETE").await;
    assert_eq!(told, json!({"id": server.id, "unavailable": true}), "in the place of its GUILD_CREATE");
    assert!(simulator.set_unavailable(server.id, false).unwrap());
    let back = gateway.event("GUILD_CREATE").await;
    assert_eq!((&back["id"], &back["unavailable"]), (&json!(server.id), &json!(false)));
    simulator.say(server.support_channel, server.members[0], "x").unwrap();
    gateway.event("MESSAGE_CREATE").await;
}

#[tokio::test]
async fn members_come_and_go_and_only_those_with_the_intent_hear_of_it() {
    let simulator = simulator(|config| config.identify_interval = Duration::ZERO).await;
    let rest = Rest::new(&simulator);
    let (mut plain, _) = Gateway::identified(&simulator).await;
    let (mut told, _) = Gateway::identified_with(&simulator, WITH_MEMBERS, [0, 1]).await;
    let server = simulator.servers()[0].clone();
    let newcomer = simulator.stranger(3);
    let refused = simulator.say(server.support_channel, newcomer, "x");
    assert_eq!(refused, Err(ActionError::UnknownMember(newcomer)));
    simulator.member_joins(server.id, newcomer).unwrap();
    let joined = told.event("GUILD_MEMBER_ADD").await;
    assert_eq!((&joined["user"]["id"], &joined["guild_id"]), (&json!(newcomer), &json!(server.id)));
    simulator.give_role(server.id, newcomer, server.support_role).unwrap();
    assert_eq!(told.event("GUILD_MEMBER_UPDATE").await["roles"], json!([server.support_role]));
    let member = format!("/guilds/{}/members/{}", server.id.get(), newcomer.get());
    assert_eq!(rest.get(&member).await.1["roles"], json!([server.support_role]));
    simulator.say(server.support_channel, newcomer, "hello").unwrap();
    let message = plain.event("MESSAGE_CREATE").await;
    assert_eq!(message["member"]["roles"], json!([server.support_role]), "nothing came before it");
    told.event("MESSAGE_CREATE").await;
    simulator.take_role(server.id, newcomer, server.support_role).unwrap();
    assert_eq!(told.event("GUILD_MEMBER_UPDATE").await["roles"], json!([]));
    simulator.member_leaves(server.id, newcomer).unwrap();
    assert_eq!(told.event("GUILD_MEMBER_REMOVE").await["user"]["id"], json!(newcomer));
    assert_eq!(rest.get(&member).await.1["code"], 10_007);
    assert!(simulator.say(server.support_channel, newcomer, "x").is_err());
}

#[tokio::test]
async fn the_bot_hears_of_its_own_roles_without_the_members_intent() {
    let simulator = simulator(|_| {}).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let role = simulator.create_role(server.id, "extra", Permissions::MANAGE_ROLES).unwrap();
    assert_eq!(gateway.event("GUILD_ROLE_CREATE").await["role"]["permissions"], "268435456");
    simulator.give_role(server.id, simulator.config().bot, role).unwrap();
    let roles = gateway.event("GUILD_MEMBER_UPDATE").await["roles"].clone();
    assert_eq!(roles, json!([server.bot_role, role]));
    simulator.delete_role(server.id, role).unwrap();
    assert_eq!(gateway.event("GUILD_ROLE_DELETE").await["role_id"], json!(role));
}

#[tokio::test]
async fn channels_are_made_and_deleted_with_all_that_was_in_them() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[1].clone();
    let category = simulator.create_channel(server.id, ChannelKind::Category, "Help", None).unwrap();
    let made = simulator.create_channel(server.id, ChannelKind::Text, "more", Some(category)).unwrap();
    assert_eq!(gateway.event("CHANNEL_CREATE").await["type"], 4);
    assert_eq!(gateway.event("CHANNEL_CREATE").await["parent_id"], json!(category));
    simulator.say(made, server.members[0], "here?").unwrap();
    assert_eq!(gateway.event("MESSAGE_CREATE").await["channel_id"], json!(made));
    rest.post(made.get(), json!({"content": "here"})).await;
    gateway.event("MESSAGE_CREATE").await;
    simulator.delete_channel(category).unwrap();
    gateway.event("CHANNEL_DELETE").await;
    assert_eq!(gateway.event("CHANNEL_UPDATE").await["parent_id"], json!(null));
    for channel in [made, server.support_channel] {
        simulator.delete_channel(channel).unwrap();
        assert_eq!(gateway.event("CHANNEL_DELETE").await["id"], json!(channel));
        let (status, body) = rest.get(&format!("/channels/{}/messages", channel.get())).await;
        assert_eq!((status, &body["code"]), (404, &json!(10_003)));
    }
    let (_, channels) = rest.get(&format!("/guilds/{}/channels", server.id.get())).await;
    assert_eq!(channels.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn servers_are_generated_with_a_forum_where_that_is_asked_for() {
    let simulator = simulator(|config| config.forums = true).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[1].clone();
    let (_, forum) = rest.get(&format!("/channels/{}", server.forum.unwrap().get())).await;
    assert_eq!((&forum["type"], &forum["parent_id"]), (&json!(15), &json!(server.category)));
    let path = format!("/channels/{}/messages", server.forum.unwrap().get());
    assert_eq!(rest.call("POST", &path, json!({"content": "x"})).await.1["code"], 50_008);
    assert_eq!(
        rest.get(&format!("/guilds/{}/channels", server.id.get())).await.1.as_array().unwrap().len(),
        4
    );
}

#[tokio::test]
async fn the_control_api_changes_servers_too() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    let guild = format!("/guilds/{}", server.id.get());
    let (_, gone) = rest.control("POST", &format!("{guild}/remove_bot"), json!({})).await;
    assert_eq!(gone, json!({"changed": true}));
    assert_eq!(rest.control("GET", &guild, json!({})).await.1["bot_in"], false);
    rest.control("POST", &format!("{guild}/add_bot"), json!({})).await;
    let deny = json!({"role": server.id.get().to_string(), "deny": "1024"});
    let channel = format!("/channels/{}", server.support_channel.get());
    assert_eq!(rest.control("PUT", &format!("{channel}/overwrites"), deny).await.0, 200);
    let path = format!("{channel}/permissions/{}", server.members[0].get());
    assert_eq!(rest.control("GET", &path, json!({})).await.1["names"], json!([]));
    let hidden = simulator.say(server.support_channel, server.members[0], "x");
    assert_eq!(hidden, Err(ActionError::Hidden(server.members[0], server.support_channel)));
    let (status, made) =
        rest.control("POST", &format!("{guild}/channels"), json!({"kind": "forum", "name": "ask"})).await;
    assert_eq!(status, 200, "{made}");
    let target = Target::Role(helpline_sim::ids::RoleId(server.id.get()));
    simulator.set_overwrite(server.support_channel, target, None).unwrap();
    simulator.say(server.support_channel, server.members[0], "x").unwrap();
    assert_eq!(rest.control("POST", "/guilds/1/remove_bot", json!({})).await.0, 422);
}
