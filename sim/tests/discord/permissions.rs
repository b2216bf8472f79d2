//! Permissions that deny: what the bot and members may do where, over REST and gateway.

use crate::support::{Gateway, Rest, id, simulator};
use helpline_sim::ids::{ChannelId, MessageId, RoleId};
use helpline_sim::permissions::Target;
use helpline_sim::{ActionError, ChannelKind, Permissions, Server, Simulator};
use serde_json::{Value, json};
use std::time::Duration;

const NONE: Permissions = Permissions::NONE;

struct Scene {
    simulator: Simulator,
    rest: Rest,
    gateway: Gateway,
    server: Server,
}

async fn scene() -> Scene {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    Scene { simulator, rest, gateway, server }
}

impl Scene {
    /// Takes permissions from everyone in the support channel, and gives some to the bot alone.
    async fn overwrite(&mut self, deny: Permissions, allow_bot: Permissions) {
        let channel = self.server.support_channel;
        let everyone = Target::Role(RoleId(self.server.id.get()));
        let bot = Target::Member(self.simulator.config().bot);
        self.simulator.set_overwrite(channel, everyone, Some((NONE, deny))).unwrap();
        self.simulator.set_overwrite(channel, bot, Some((allow_bot, NONE))).unwrap();
        self.gateway.event("CHANNEL_UPDATE").await;
        self.gateway.event("CHANNEL_UPDATE").await;
    }

    /// Gives the bot a role with these permissions, above the support role.
    async fn promote(&mut self, permissions: Permissions) -> RoleId {
        let guild = self.server.id;
        let role = self.simulator.create_role(guild, "more", permissions).unwrap();
        self.simulator.give_role(guild, self.simulator.config().bot, role).unwrap();
        self.gateway.event("GUILD_ROLE_CREATE").await;
        self.gateway.event("GUILD_MEMBER_UPDATE").await;
        role
    }

    fn channel(&self) -> String {
        format!("/channels/{}", self.server.support_channel.get())
    }

    fn guild(&self) -> String {
        format!("/guilds/{}", self.server.id.get())
    }

    async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, u64) {
        let (status, answer) = if method == "GET" {
            self.rest.get(path).await
        } else {
            self.rest.call(method, path, body).await
        };
        (status, answer["code"].as_u64().unwrap_or(0))
    }
}

#[tokio::test]
async fn a_channel_the_bot_cannot_view_is_closed_to_it_and_it_hears_nothing_of_it() {
    let mut scene = scene().await;
    let asked = scene.simulator.say(scene.server.support_channel, scene.server.members[0], "hi").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    let bot = Target::Member(scene.simulator.config().bot);
    scene
        .simulator
        .set_overwrite(scene.server.support_channel, bot, Some((NONE, Permissions::VIEW_CHANNEL)))
        .unwrap();
    let hidden = scene.gateway.event("CHANNEL_UPDATE").await;
    assert_eq!(hidden["permission_overwrites"][0]["deny"], "1024", "bots are told of every channel");
    let channel = scene.channel();
    let message = format!("{channel}/messages/{}", asked.get());
    let cases = [
        ("GET", channel.clone()),
        ("GET", format!("{channel}/messages")),
        ("GET", message.clone()),
        ("POST", format!("{channel}/messages")),
        ("POST", format!("{message}/threads")),
        ("POST", format!("{channel}/typing")),
        ("DELETE", message.clone()),
        ("PATCH", message),
        ("PATCH", channel.clone()),
        ("PUT", format!("{channel}/permissions/{}", scene.server.id.get())),
    ];
    for (method, path) in cases {
        let body = json!({"content": "x", "name": "x", "type": 0});
        assert_eq!(scene.refused(method, &path, body).await, (403, 50_001), "{method} {path}");
    }
    scene.simulator.say(scene.server.support_channel, scene.server.members[0], "hello?").unwrap();
    scene.simulator.type_in(scene.server.support_channel, scene.server.members[0]).unwrap();
    scene.simulator.say(scene.server.general_channel, scene.server.members[0], "here").unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["content"], "here");
    let (_, channels) = scene.rest.get(&format!("{}/channels", scene.guild())).await;
    assert_eq!(channels.as_array().unwrap().len(), 2, "the list shows it");
}

#[tokio::test]
async fn each_thing_the_bot_does_needs_its_permission() {
    let mut scene = scene().await;
    let asked = scene.simulator.say(scene.server.support_channel, scene.server.members[0], "hi").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    let channel = scene.channel();
    let messages = format!("{channel}/messages");
    let embed = json!({"embeds": [{"description": "x"}]});
    let reply = json!({"content": "x", "message_reference": {"message_id": asked}});
    let said = json!({"content": "x"});
    let thread = format!("{messages}/{}/threads", asked.get());
    let named = json!({"name": "x"});
    let public = json!({"name": "x", "type": 11});
    let private = json!({"name": "x", "type": 12});
    let threads = format!("{channel}/threads");
    let cases = [
        (Permissions::SEND_MESSAGES, "POST", &messages, &said, 50_013),
        (Permissions::SEND_MESSAGES, "POST", &format!("{channel}/typing"), &said, 50_013),
        (Permissions::EMBED_LINKS, "POST", &messages, &embed, 50_013),
        (Permissions::READ_MESSAGE_HISTORY, "POST", &messages, &reply, 160_002),
        (Permissions::READ_MESSAGE_HISTORY, "GET", &format!("{messages}/{}", asked.get()), &said, 50_013),
        (Permissions::READ_MESSAGE_HISTORY, "POST", &thread, &named, 50_013),
        (Permissions::CREATE_PUBLIC_THREADS, "POST", &thread, &named, 50_013),
        (Permissions::CREATE_PUBLIC_THREADS, "POST", &threads, &public, 50_013),
        (Permissions::CREATE_PRIVATE_THREADS, "POST", &threads, &private, 50_013),
        (NONE, "PATCH", &channel, &named, 50_013),
        (NONE, "DELETE", &channel, &named, 50_013),
    ];
    for (taken, method, path, body, code) in cases {
        let bot = Target::Member(scene.simulator.config().bot);
        scene.simulator.set_overwrite(scene.server.support_channel, bot, Some((NONE, taken))).unwrap();
        let got = scene.refused(method, path, body.clone()).await;
        assert_eq!(got, (403, code), "{method} {path} without {taken}");
    }
    let bot = Target::Member(scene.simulator.config().bot);
    let unread = Some((NONE, Permissions::READ_MESSAGE_HISTORY));
    scene.simulator.set_overwrite(scene.server.support_channel, bot, unread).unwrap();
    assert_eq!(scene.rest.get(&messages).await, (200, json!([])), "an empty history");
    scene.simulator.set_overwrite(scene.server.support_channel, bot, None).unwrap();
    assert_eq!(scene.rest.get(&messages).await.1.as_array().unwrap().len(), 1);
    scene.rest.post(scene.server.support_channel.get(), reply).await;
}

#[tokio::test]
async fn messages_of_others_are_deleted_only_with_manage_messages() {
    let mut scene = scene().await;
    let asked = scene.simulator.say(scene.server.support_channel, scene.server.members[0], "hi").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    let path = format!("{}/messages/{}", scene.channel(), asked.get());
    scene.overwrite(Permissions::MANAGE_MESSAGES, NONE).await;
    let bot_role = Target::Role(scene.server.bot_role);
    scene
        .simulator
        .set_overwrite(scene.server.support_channel, bot_role, Some((NONE, Permissions::MANAGE_MESSAGES)))
        .unwrap();
    scene.gateway.event("CHANNEL_UPDATE").await;
    assert_eq!(scene.refused("DELETE", &path, json!({})).await, (403, 50_013));
    scene.simulator.set_overwrite(scene.server.support_channel, bot_role, None).unwrap();
    scene.gateway.event("CHANNEL_UPDATE").await;
    assert_eq!(scene.refused("DELETE", &path, json!({})).await.0, 403, "everyone's overwrite still takes it");
    scene.overwrite(Permissions::MANAGE_MESSAGES, Permissions::MANAGE_MESSAGES).await;
    assert_eq!(scene.rest.call("DELETE", &path, json!({})).await.0, 204);
    assert_eq!(scene.gateway.event("MESSAGE_DELETE").await["id"], json!(asked));
}

#[tokio::test]
async fn pings_need_a_mentionable_role_or_mention_everyone() {
    let mut scene = scene().await;
    let role = scene.promote(NONE).await;
    let text = format!("@everyone <@&{}>", role.get());
    let allowed = json!({"parse": ["roles", "everyone"]});
    let body = json!({"content": text, "allowed_mentions": allowed});
    let channel = scene.server.support_channel.get();
    assert_eq!(scene.rest.post(channel, body.clone()).await["mention_everyone"], true);
    let bot = Target::Member(scene.simulator.config().bot);
    let muted = Some((NONE, Permissions::MENTION_EVERYONE));
    scene.simulator.set_overwrite(scene.server.support_channel, bot, muted).unwrap();
    let silent = scene.rest.post(channel, body.clone()).await;
    assert_eq!((&silent["mention_everyone"], &silent["mention_roles"]), (&json!(false), &json!([])));
    let (status, _) = scene
        .rest
        .control("PATCH", &format!("{}/roles/{}", scene.guild(), role.get()), json!({"mentionable": true}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(scene.rest.post(channel, body).await["mention_roles"], json!([role]));
}

#[tokio::test]
async fn roles_above_the_bot_and_permissions_it_lacks_cannot_be_touched() {
    let mut scene = scene().await;
    let guild = scene.guild();
    let roles = format!("{guild}/roles");
    assert_eq!(scene.refused("POST", &roles, json!({"name": "x"})).await, (403, 50_013), "no MANAGE_ROLES");
    scene.promote(Permissions::MANAGE_ROLES).await;
    let (status, made) = scene.rest.call("POST", &roles, json!({"name": "x", "permissions": "3072"})).await;
    assert_eq!((status, &made["name"], &made["position"]), (200, &json!("x"), &json!(1)));
    assert_eq!(scene.gateway.event("GUILD_ROLE_CREATE").await["role"]["id"], made["id"]);
    let made = format!("{roles}/{}", made["id"].as_str().unwrap());
    let ban = json!({"permissions": "4"});
    assert_eq!(scene.refused("PATCH", &made, ban.clone()).await, (403, 50_013), "it may not ban itself");
    assert_eq!(scene.refused("POST", &roles, ban).await, (403, 50_013));
    let (_, changed) = scene.rest.call("PATCH", &made, json!({"color": 255, "mentionable": true})).await;
    assert_eq!((&changed["colors"]["primary_color"], &changed["mentionable"]), (&json!(255), &json!(true)));
    scene.gateway.event("GUILD_ROLE_UPDATE").await;
    let own = format!("{roles}/{}", scene.server.bot_role.get());
    assert_eq!(scene.refused("PATCH", &own, json!({"name": "y"})).await, (403, 50_013), "its highest role");
    let above = scene.simulator.create_role(scene.server.id, "above", NONE).unwrap();
    scene.gateway.event("GUILD_ROLE_CREATE").await;
    let path = format!("{roles}/{}", above.get());
    scene.rest.control("PATCH", &path.replace("/api/v10", ""), json!({"position": 9})).await;
    scene.gateway.event("GUILD_ROLE_UPDATE").await;
    assert_eq!(scene.refused("DELETE", &path, json!({})).await, (403, 50_013));
    let member = format!("{guild}/members/{}", scene.server.members[0].get());
    assert_eq!(
        scene.refused("PUT", &format!("{member}/roles/{}", above.get()), json!({})).await,
        (403, 50_013)
    );
    assert_eq!(scene.refused("PUT", &format!("{member}/roles/1"), json!({})).await, (404, 10_011));
    let support = format!("{member}/roles/{}", scene.server.support_role.get());
    assert_eq!(scene.rest.call("PUT", &support, json!({})).await.0, 204);
    assert_eq!(scene.rest.get(&member).await.1["roles"], json!([scene.server.support_role]));
    assert_eq!(scene.rest.call("DELETE", &support, json!({})).await.0, 204);
    let moved = json!([{"id": made.rsplit('/').next().unwrap(), "position": 9}]);
    assert_eq!(scene.refused("PATCH", &roles, moved).await, (403, 50_013), "above itself");
    assert_eq!(scene.rest.call("DELETE", &made, json!({})).await.0, 204);
    scene.gateway.event("GUILD_ROLE_DELETE").await;
    assert_eq!(
        scene.refused("DELETE", &format!("{roles}/{}", scene.server.id.get()), json!({})).await.1,
        50_028
    );
}

#[tokio::test]
async fn members_are_renamed_timed_out_kicked_and_banned_only_from_above() {
    let mut scene = scene().await;
    let guild = scene.guild();
    let (low, owner) = (scene.server.members[0], scene.server.staff[0]);
    let path = |user: helpline_sim::ids::UserId| format!("{guild}/members/{}", user.get());
    for (method, body) in [("PATCH", json!({"nick": "x"})), ("DELETE", json!({}))] {
        assert_eq!(scene.refused(method, &path(low), body).await, (403, 50_013), "{method}");
    }
    scene
        .promote(
            Permissions::MANAGE_NICKNAMES
                | Permissions::MODERATE_MEMBERS
                | Permissions::KICK_MEMBERS
                | Permissions::BAN_MEMBERS,
        )
        .await;
    for (method, body) in [("PATCH", json!({"nick": "x"})), ("DELETE", json!({}))] {
        assert_eq!(scene.refused(method, &path(owner), body).await, (403, 50_013), "{method} the owner");
    }
    let (_, renamed) = scene.rest.call("PATCH", &path(low), json!({"nick": "Ada"})).await;
    assert_eq!(renamed["nick"], "Ada");
    let (_, found) = scene.rest.get(&format!("{guild}/members/search?query=ad&limit=9")).await;
    assert!(found.as_array().unwrap().iter().any(|member| member["nick"] == "Ada"));
    let until = "2126-01-01T00:00:00+00:00";
    let late = scene.refused("PATCH", &path(low), json!({"communication_disabled_until": until})).await;
    assert_eq!(late, (400, 50_035), "at most 28 days");
    scene.simulator.time_out(scene.server.id, low, Some(Duration::from_secs(600))).unwrap();
    let refused = scene.simulator.say(scene.server.support_channel, low, "x");
    assert!(matches!(refused, Err(ActionError::Forbidden(..))), "{refused:?}");
    let free = json!({"communication_disabled_until": null});
    assert_eq!(scene.rest.call("PATCH", &path(low), free).await.0, 200);
    scene.simulator.say(scene.server.support_channel, low, "x").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!(scene.rest.call("DELETE", &path(low), json!({})).await.0, 204);
    assert_eq!(scene.refused("GET", &path(low), json!({})).await, (404, 10_007));
    assert_eq!(scene.refused("DELETE", &path(low), json!({})).await, (404, 10_007));
    let ban = format!("{guild}/bans/{}", low.get());
    assert_eq!(scene.rest.call("PUT", &ban, json!({})).await.0, 204);
    assert_eq!(scene.rest.get(&ban).await.1["user"]["id"], json!(low));
    assert_eq!(scene.simulator.member_joins(scene.server.id, low), Err(ActionError::Banned(low)));
    assert_eq!(scene.rest.call("DELETE", &ban, json!({})).await.0, 204);
    assert_eq!(scene.refused("GET", &ban, json!({})).await, (404, 10_026));
    scene.simulator.member_joins(scene.server.id, low).unwrap();
    let (_, page) = scene.rest.get(&format!("{guild}/members?limit=1000")).await;
    assert_eq!(page.as_array().unwrap().len(), 15);
    assert!(scene.gateway.quiet().await, "nothing of it without the members intent");
}

#[tokio::test]
async fn overwrites_are_set_over_rest_within_what_the_bot_has_itself() {
    let mut scene = scene().await;
    let path = format!("{}/permissions/{}", scene.channel(), scene.server.support_role.get());
    let body = json!({"type": 0, "allow": "0", "deny": "2048"});
    assert_eq!(scene.refused("PUT", &path, body.clone()).await, (403, 50_013));
    scene.promote(Permissions::MANAGE_ROLES | Permissions::MANAGE_CHANNELS).await;
    assert_eq!(scene.refused("DELETE", &path, json!({})).await, (404, 10_009));
    assert_eq!(scene.rest.call("PUT", &path, body).await.0, 204);
    let told = scene.gateway.event("CHANNEL_UPDATE").await;
    assert_eq!(told["permission_overwrites"][0]["deny"], "2048");
    let muted = scene.simulator.say(scene.server.support_channel, scene.server.staff[1], "x");
    assert!(matches!(muted, Err(ActionError::Forbidden(..))));
    let kick = json!({"type": 0, "allow": "2"});
    assert_eq!(scene.refused("PUT", &path, kick).await, (403, 50_013), "it may not kick itself");
    let manage = json!({"type": 0, "allow": "268435456"});
    assert_eq!(scene.refused("PUT", &path, manage).await, (403, 50_013), "only administrators hand that out");
    assert_eq!(scene.rest.call("DELETE", &path, json!({})).await.0, 204);
    scene.gateway.event("CHANNEL_UPDATE").await;
    scene.simulator.say(scene.server.support_channel, scene.server.staff[1], "x").unwrap();
}

#[tokio::test]
async fn channels_are_made_changed_and_deleted_over_rest() {
    let mut scene = scene().await;
    let channels = format!("{}/channels", scene.guild());
    assert_eq!(scene.refused("POST", &channels, json!({"name": "x"})).await, (403, 50_013));
    scene.promote(Permissions::MANAGE_CHANNELS).await;
    let (status, category) = scene.rest.call("POST", &channels, json!({"name": "Help", "type": 4})).await;
    assert_eq!(status, 201);
    scene.gateway.event("CHANNEL_CREATE").await;
    let body = json!({
        "name": "ask", "type": 15, "parent_id": category["id"], "flags": 16, "topic": "be kind",
        "available_tags": [{"name": "billing"}, {"name": "staff", "moderated": true}],
    });
    let (_, forum) = scene.rest.call("POST", &channels, body).await;
    assert_eq!((&forum["type"], &forum["available_tags"][0]["name"]), (&json!(15), &json!("billing")));
    assert_eq!(scene.gateway.event("CHANNEL_CREATE").await["parent_id"], category["id"]);
    assert_eq!(scene.refused("POST", &channels, json!({"type": 0})).await, (400, 50_035));
    assert_eq!(scene.refused("POST", &channels, json!({"name": "x", "parent_id": "1"})).await, (400, 50_035));
    let path = format!("/channels/{}", id(&forum));
    let (_, changed) =
        scene.rest.call("PATCH", &path, json!({"nsfw": true, "rate_limit_per_user": 10})).await;
    assert_eq!((&changed["nsfw"], &changed["rate_limit_per_user"]), (&json!(true), &json!(10)));
    scene.gateway.event("CHANNEL_UPDATE").await;
    let moves = json!([{"id": forum["id"], "position": 0, "parent_id": null}]);
    assert_eq!(scene.rest.call("PATCH", &channels, moves).await.0, 204);
    assert_eq!(scene.gateway.event("CHANNEL_UPDATE").await["parent_id"], json!(null));
    assert_eq!(scene.rest.call("DELETE", &path, json!({})).await.0, 200);
    scene.gateway.event("CHANNEL_DELETE").await;
    assert_eq!(scene.refused("GET", &path, json!({})).await, (404, 10_003));
}

#[tokio::test]
async fn a_server_is_changed_listed_and_left_over_rest() {
    let mut scene = scene().await;
    let guild = scene.guild();
    assert_eq!(scene.refused("PATCH", &guild, json!({"name": "New"})).await, (403, 50_013));
    scene.promote(Permissions::MANAGE_GUILD).await;
    let (_, changed) = scene.rest.call("PATCH", &guild, json!({"name": "New", "description": "d"})).await;
    assert_eq!((&changed["name"], &changed["description"]), (&json!("New"), &json!("d")));
    assert_eq!(scene.gateway.event("GUILD_UPDATE").await["name"], "New");
    let (_, all) = scene.rest.get("/users/@me/guilds").await;
    assert_eq!(all.as_array().unwrap().len(), 4);
    assert!(all[0]["permissions"].is_string());
    let after = format!("/users/@me/guilds?after={}&limit=2", scene.server.id.get());
    let (_, some) = scene.rest.get(&after).await;
    assert_eq!(some[0]["id"], json!(scene.simulator.servers()[1].id));
    assert_eq!(some.as_array().unwrap().len(), 2);
    let left = format!("/users/@me/guilds/{}", scene.server.id.get());
    assert_eq!(scene.rest.call("DELETE", &left, json!({})).await.0, 204);
    assert_eq!(scene.gateway.event("GUILD_DELETE").await["id"], json!(scene.server.id));
    assert_eq!(scene.refused("DELETE", &left, json!({})).await, (404, 10_004));
    assert_eq!(scene.rest.get("/users/@me/guilds").await.1.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn interactions_carry_the_permissions_that_hold_in_the_channel() {
    let mut scene = scene().await;
    scene.rest.register_ask(&scene.simulator).await;
    let bot = Target::Member(scene.simulator.config().bot);
    let channel = scene.server.support_channel;
    scene.simulator.set_overwrite(channel, bot, Some((NONE, Permissions::SEND_MESSAGES))).unwrap();
    scene.gateway.event("CHANNEL_UPDATE").await;
    let member = scene.server.members[0];
    let ask = [("question", json!("how?"))];
    scene.simulator.slash(channel, member, "ask", &ask).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    let bits = |value: &Value| value.as_str().unwrap().parse().map(Permissions::from_bits).unwrap();
    assert!(!bits(&event["app_permissions"]).has(Permissions::SEND_MESSAGES));
    assert!(bits(&event["app_permissions"]).has(Permissions::MANAGE_MESSAGES));
    assert_eq!(bits(&event["member"]["permissions"]), Permissions::MEMBER);
    let answer = json!({"type": 4, "data": {"content": "so"}});
    let token = event["token"].as_str().unwrap();
    let callback = format!("/interactions/{}/{token}/callback", id(&event));
    assert_eq!(scene.rest.call("POST", &callback, answer).await.0, 204, "answers need no permission");
    let everyone = Target::Role(RoleId(scene.server.id.get()));
    let no_commands = Some((NONE, Permissions::USE_APPLICATION_COMMANDS));
    scene.simulator.set_overwrite(channel, everyone, no_commands).unwrap();
    let refused = scene.simulator.slash(channel, member, "ask", &ask);
    assert!(matches!(refused, Err(ActionError::Forbidden(..))), "{refused:?}");
}

#[tokio::test]
async fn a_bot_that_gains_sight_of_a_channel_is_told_of_its_threads() {
    let mut scene = scene().await;
    let kind = ChannelKind::Text;
    let hidden = scene.simulator.create_channel(scene.server.id, kind, "staff", None).unwrap();
    let everyone = Target::Role(RoleId(scene.server.id.get()));
    scene.simulator.set_overwrite(hidden, everyone, Some((NONE, Permissions::VIEW_CHANNEL))).unwrap();
    scene.gateway.event("CHANNEL_CREATE").await;
    scene.gateway.event("CHANNEL_UPDATE").await;
    let owner = scene.server.staff[0];
    let asked = scene.simulator.say(hidden, owner, "secret").unwrap();
    let thread = scene.simulator.open_thread(hidden, owner, "talk", Some(asked), false).unwrap();
    assert_eq!(thread, ChannelId(asked.get()));
    assert!(scene.gateway.quiet().await);
    assert_eq!(scene.rest.get(&format!("/channels/{}", thread.get())).await.1["code"], 50_001);
    let bot = Target::Member(scene.simulator.config().bot);
    scene.simulator.set_overwrite(hidden, bot, Some((Permissions::VIEW_CHANNEL, NONE))).unwrap();
    scene.gateway.event("CHANNEL_UPDATE").await;
    let sync = scene.gateway.event("THREAD_LIST_SYNC").await;
    assert_eq!((&sync["channel_ids"], &sync["threads"][0]["id"]), (&json!([hidden]), &json!(thread)));
    scene.simulator.say(thread, owner, "now you hear me").unwrap();
    let message = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!(message["channel_id"], json!(thread));
    assert_ne!(MessageId(id(&message)), asked);
}
