//! What changes in servers, as the types of a client library read it: every event and every object over REST.

use crate::support::{Gateway, Rest, id, simulator};
use helpline_sim::ids::RoleId;
use helpline_sim::permissions::Target;
use helpline_sim::{ChannelKind, Permissions};
use serde::de::DeserializeSeed;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use twilight_model::channel::Channel;
use twilight_model::channel::thread::{ThreadMember, ThreadsListing};
use twilight_model::gateway::event::GatewayEventDeserializer;
use twilight_model::guild::{Ban, Guild, Member, Role};
use twilight_model::user::CurrentUserGuild;

const EVERY_INTENT: u64 = 0x1_ffff | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25;

fn reads<T: serde::de::DeserializeOwned>(what: &str, json: &Value) -> T {
    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{what}: {error}: {json}"))
}

/// Changes a server in every way there is.
async fn change_everything(simulator: &helpline_sim::Simulator, rest: &Rest) {
    let server = simulator.servers()[0].clone();
    let (guild, bot, member) = (server.id, simulator.config().bot, server.members[0]);
    let role = simulator.create_role(guild, "admin", Permissions::ADMINISTRATOR).unwrap();
    simulator.give_role(guild, bot, role).unwrap();
    let newcomer = simulator.stranger(1);
    simulator.member_joins(guild, newcomer).unwrap();
    simulator.time_out(guild, newcomer, Some(Duration::from_secs(60))).unwrap();
    simulator.member_leaves(guild, newcomer).unwrap();
    let path = format!("/guilds/{}", guild.get());
    rest.call("PATCH", &path, json!({"name": "Other", "description": "new"})).await;
    let category = simulator.create_channel(guild, ChannelKind::Category, "Help", None).unwrap();
    let forum = simulator.create_channel(guild, ChannelKind::Forum, "ask", Some(category)).unwrap();
    simulator.create_channel(guild, ChannelKind::Announcement, "news", None).unwrap();
    simulator.create_channel(guild, ChannelKind::Media, "media", None).unwrap();
    let tags = json!({
        "available_tags": [{"name": "billing", "emoji_name": "\u{1f4b0}"}], "topic": "be kind",
        "default_auto_archive_duration": 60, "default_thread_rate_limit_per_user": 5,
    });
    let (_, changed) = rest.call("PATCH", &format!("/channels/{}", forum.get()), tags).await;
    let tag = changed["available_tags"][0]["id"].as_str().unwrap().parse().unwrap();
    let post = simulator.open_post(forum, member, "Refund", "how?", &[tag]).unwrap();
    rest.call("PUT", &format!("/channels/{}/thread-members/@me", post.get()), json!({})).await;
    simulator.set_thread(post, server.staff[0], Some(true), Some(true)).unwrap();
    simulator.set_thread(post, server.staff[0], Some(false), Some(false)).unwrap();
    rest.call("DELETE", &format!("/channels/{}/thread-members/@me", post.get()), json!({})).await;
    let hide = Some((Permissions::NONE, Permissions::VIEW_CHANNEL));
    simulator.take_role(guild, bot, role).unwrap();
    simulator.set_overwrite(forum, Target::Role(RoleId(guild.get())), hide).unwrap();
    simulator
        .set_overwrite(forum, Target::Member(bot), Some((Permissions::VIEW_CHANNEL, Permissions::NONE)))
        .unwrap();
    simulator.give_role(guild, bot, role).unwrap();
    rest.call("PUT", &format!("{path}/bans/{}", member.get()), json!({})).await;
    rest.call("DELETE", &format!("{path}/bans/{}", member.get()), json!({})).await;
    let threads = format!("/channels/{}/threads", server.support_channel.get());
    let (_, private) = rest.call("POST", &threads, json!({"name": "p", "type": 12})).await;
    rest.call("PATCH", &format!("/channels/{}", id(&private)), json!({"name": "q", "locked": true})).await;
    rest.call("DELETE", &format!("/channels/{}", id(&private)), json!({})).await;
    simulator.delete_channel(category).unwrap();
    simulator.delete_role(guild, role).unwrap();
    simulator.set_unavailable(guild, true).unwrap();
    simulator.set_unavailable(guild, false).unwrap();
    simulator.remove_bot(guild).unwrap();
    simulator.add_bot(guild).unwrap();
    simulator.say(server.support_channel, server.members[1], "the end").unwrap();
}

#[tokio::test]
async fn every_event_of_a_changing_server_is_one_that_twilight_reads() {
    let simulator = simulator(|config| config.forums = true).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified_with(&simulator, EVERY_INTENT, [0, 1]).await;
    change_everything(&simulator, &rest).await;
    while gateway.skip_to("MESSAGE_CREATE").await["content"] != "the end" {}
    let mut seen = BTreeSet::new();
    for text in &gateway.texts {
        let seed = GatewayEventDeserializer::from_json(text).unwrap();
        seen.extend(seed.event_type().map(str::to_owned));
        let mut json = serde_json::Deserializer::from_str(text);
        let read = seed.deserialize(&mut json);
        assert!(read.is_ok(), "{}: {text}", read.unwrap_err());
    }
    let wanted = [
        "GUILD_CREATE",
        "GUILD_UPDATE",
        "GUILD_DELETE",
        "GUILD_ROLE_CREATE",
        "GUILD_ROLE_DELETE",
        "GUILD_MEMBER_ADD",
        "GUILD_MEMBER_UPDATE",
        "GUILD_MEMBER_REMOVE",
        "GUILD_BAN_ADD",
        "GUILD_BAN_REMOVE",
        "CHANNEL_CREATE",
        "CHANNEL_UPDATE",
        "CHANNEL_DELETE",
        "THREAD_CREATE",
        "THREAD_UPDATE",
        "THREAD_DELETE",
        "THREAD_LIST_SYNC",
        "THREAD_MEMBER_UPDATE",
        "THREAD_MEMBERS_UPDATE",
        "MESSAGE_CREATE",
    ];
    let missing: Vec<_> = wanted.into_iter().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} did not come; seen were {seen:?}");
}

#[tokio::test]
async fn what_rest_says_of_servers_is_what_twilight_reads() {
    let simulator = simulator(|config| config.forums = true).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    let path = format!("/guilds/{}", server.id.get());
    let admin = simulator.create_role(server.id, "admin", Permissions::ADMINISTRATOR).unwrap();
    simulator.give_role(server.id, simulator.config().bot, admin).unwrap();
    let member = server.members[0];
    rest.call("PUT", &format!("{path}/bans/{}", member.get()), json!({})).await;
    let forum = server.forum.unwrap();
    let asked = simulator.open_post(forum, server.members[1], "Refund", "how?", &[]).unwrap();
    rest.call("PUT", &format!("/channels/{}/thread-members/@me", asked.get()), json!({})).await;
    let get = |path: String| {
        let rest = rest.clone();
        async move {
            let (status, json) = rest.get(&path).await;
            assert_eq!(status, 200, "{path}: {json}");
            json
        }
    };
    let guild: Guild = reads("guild", &get(format!("{path}?with_counts=true")).await);
    assert_eq!(guild.roles.len(), 4);
    let roles: Vec<Role> = reads("roles", &get(format!("{path}/roles")).await);
    assert!(
        roles.iter().any(|role| role.permissions.contains(twilight_model::guild::Permissions::ADMINISTRATOR))
    );
    let channels: Vec<Channel> = reads("channels", &get(format!("{path}/channels")).await);
    assert_eq!(channels.len(), 4);
    let members: Vec<Member> = reads("members", &get(format!("{path}/members?limit=1000")).await);
    assert_eq!(members.len(), 14, "one is banned");
    let bans: Vec<Ban> = reads("bans", &get(format!("{path}/bans")).await);
    assert_eq!(bans[0].user.id.get(), member.get());
    let guilds: Vec<CurrentUserGuild> = reads("guilds", &get("/users/@me/guilds".to_owned()).await);
    assert_eq!(guilds.len(), 4);
    let active: ThreadsListing = reads("active", &get(format!("{path}/threads/active")).await);
    assert_eq!((active.threads.len(), active.members.len()), (1, 1));
    let within: Vec<ThreadMember> = reads(
        "thread members",
        &get(format!("/channels/{}/thread-members?with_member=true", asked.get())).await,
    );
    assert_eq!(within.len(), 2);
    rest.call("PATCH", &format!("/channels/{}", asked.get()), json!({"archived": true})).await;
    let archived: ThreadsListing =
        reads("archived", &get(format!("/channels/{}/threads/archived/public", forum.get())).await);
    assert_eq!((archived.threads.len(), archived.has_more), (1, Some(false)));
}
