//! Messages: reactions, pins, edits and deletions by the bot and by members, forwards, and what is withheld
//! without the message content intent.

use crate::support::{ALL_INTENTS, Gateway, Rest, entry, id, simulator};
use helpline_sim::config::MESSAGE_CONTENT;
use helpline_sim::ids::{ChannelId, MessageId, UserId};
use helpline_sim::permissions::Permissions;
use helpline_sim::{ActionError, Config, Kind, Server, Simulator};
use serde_json::{Value, json};

const REACTIONS: u64 = 1 << 10;

struct Scene {
    simulator: Simulator,
    server: Server,
    rest: Rest,
    gateway: Gateway,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_intents(change, ALL_INTENTS | REACTIONS).await
    }

    async fn with_intents(change: impl FnOnce(&mut Config), intents: u64) -> Self {
        let simulator = simulator(change).await;
        let rest = Rest::new(&simulator);
        let (gateway, _) = Gateway::identified_with(&simulator, intents, [0, 1]).await;
        Self { server: simulator.servers()[0].clone(), rest, gateway, simulator }
    }

    fn channel(&self) -> ChannelId {
        self.server.general_channel
    }

    fn member(&self) -> UserId {
        self.server.members[0]
    }

    /// A member writes; the event is read.
    async fn said(&mut self, text: &str) -> MessageId {
        let message = self.simulator.say(self.channel(), self.member(), text).unwrap();
        self.gateway.event("MESSAGE_CREATE").await;
        message
    }

    /// The bot writes; the event is read.
    async fn posted(&mut self, text: &str) -> MessageId {
        let message = self.rest.post(self.channel().get(), json!({"content": text})).await;
        self.gateway.event("MESSAGE_CREATE").await;
        MessageId(id(&message))
    }

    fn path(&self, rest: &str) -> String {
        format!("/channels/{}{rest}", self.channel().get())
    }

    fn at(&self, message: MessageId, rest: &str) -> String {
        self.path(&format!("/messages/{}{rest}", message.get()))
    }

    async fn status(&self, method: &str, path: &str) -> u16 {
        self.rest.try_send(method, path, None).await.unwrap().status().as_u16()
    }

    async fn code(&self, method: &str, path: &str, body: Value) -> Value {
        self.rest.call(method, path, body).await.1["code"].clone()
    }
}

#[tokio::test]
async fn reactions_are_put_on_listed_and_taken_away() {
    let mut scene = Scene::new(|_| {}).await;
    let message = scene.said("hello").await;
    let (channel, member) = (scene.channel(), scene.member());
    let thumb = scene.at(message, "/reactions/%F0%9F%91%8D");
    assert_eq!(scene.status("PUT", &format!("{thumb}/@me")).await, 204);
    let added = scene.gateway.event("MESSAGE_REACTION_ADD").await;
    assert_eq!((&added["emoji"]["name"], &added["message_author_id"]), (&json!("👍"), &json!(member)));
    assert_eq!(scene.status("PUT", &format!("{thumb}/@me")).await, 204, "once more changes nothing");
    scene.simulator.react(channel, message, member, "👍").unwrap();
    let added = scene.gateway.event("MESSAGE_REACTION_ADD").await;
    assert_eq!((&added["user_id"], &added["member"]["user"]["id"]), (&json!(member), &json!(member)));
    let shown = scene.rest.get(&scene.at(message, "")).await.1["reactions"].clone();
    assert_eq!((&shown[0]["count"], &shown[0]["me"]), (&json!(2), &json!(true)));
    let users = scene.rest.get(&format!("{thumb}?limit=1")).await.1;
    assert_eq!(users[0]["id"], json!(member), "in the order of their ids");
    let after = scene.rest.get(&format!("{thumb}?after={}", member.get())).await.1;
    assert_eq!(after[0]["id"], json!(scene.simulator.config().bot));
    assert_eq!(scene.status("DELETE", &format!("{thumb}/{}", member.get())).await, 204);
    assert_eq!(scene.gateway.event("MESSAGE_REACTION_REMOVE").await["user_id"], json!(member));
    assert_eq!(scene.status("DELETE", &format!("{thumb}/@me")).await, 204);
    scene.gateway.event("MESSAGE_REACTION_REMOVE").await;
    assert!(scene.rest.get(&scene.at(message, "")).await.1.get("reactions").is_none());
    for emoji in ["👍", "🎉", "🎈"] {
        scene.simulator.react(channel, message, member, emoji).unwrap();
        scene.gateway.event("MESSAGE_REACTION_ADD").await;
    }
    assert_eq!(scene.status("DELETE", &thumb).await, 204);
    assert_eq!(scene.gateway.event("MESSAGE_REACTION_REMOVE_EMOJI").await["emoji"]["name"], "👍");
    assert_eq!(scene.status("DELETE", &scene.at(message, "/reactions")).await, 204);
    scene.gateway.event("MESSAGE_REACTION_REMOVE_ALL").await;
    entry(&scene.simulator, |kind| matches!(kind, Kind::Reaction { user, .. } if *user == member)).await;
    entry(&scene.simulator, |kind| matches!(kind, Kind::ReactionsCleared { emoji: None, .. })).await;
}

#[tokio::test]
async fn unknown_emoji_and_a_twenty_first_are_refused() {
    let mut scene = Scene::new(|_| {}).await;
    let message = scene.said("hello").await;
    for wrong in ["thumbsup", "party:123", "x"] {
        let path = scene.at(message, &format!("/reactions/{wrong}/@me"));
        assert_eq!(scene.code("PUT", &path, json!({})).await, 10_014, "{wrong}");
    }
    let code = scene.code("PUT", &scene.at(MessageId(1), "/reactions/%F0%9F%91%8D/@me"), json!({})).await;
    assert_eq!(code, 10_008);
    let emoji = |n: u32| char::from_u32(0x1f600 + n).unwrap().to_string();
    for n in 0..20 {
        scene.simulator.react(scene.channel(), message, scene.member(), &emoji(n)).unwrap();
    }
    let refused = scene.simulator.react(scene.channel(), message, scene.member(), &emoji(20));
    assert!(matches!(refused, Err(ActionError::Refused(30_010, _))), "{refused:?}");
    let other = scene.server.members[1];
    scene.simulator.react(scene.channel(), message, other, &emoji(0)).unwrap();
}

#[tokio::test]
async fn pins_are_told_listed_and_announced() {
    let mut scene = Scene::new(|_| {}).await;
    let (first, second) = (scene.posted("first").await, scene.said("second").await);
    for message in [first, second] {
        assert_eq!(scene.status("PUT", &scene.path(&format!("/messages/pins/{}", message.get()))).await, 204);
        assert_eq!(scene.gateway.event("MESSAGE_UPDATE").await["pinned"], true);
        assert!(scene.gateway.event("CHANNEL_PINS_UPDATE").await["last_pin_timestamp"].is_string());
        let announced = scene.gateway.event("MESSAGE_CREATE").await;
        assert_eq!(
            (&announced["type"], &announced["message_reference"]["message_id"]),
            (&json!(6), &json!(message))
        );
        let system = MessageId(id(&announced));
        assert_eq!(scene.code("PATCH", &scene.at(system, ""), json!({"content": "x"})).await, 50_021);
    }
    let (_, pins) = scene.rest.get(&scene.path("/messages/pins?limit=1")).await;
    assert_eq!((&pins["items"][0]["message"]["id"], &pins["has_more"]), (&json!(second), &json!(true)));
    let before = pins["items"][0]["pinned_at"].as_str().unwrap().replace('+', "%2B");
    let (_, rest) = scene.rest.get(&scene.path(&format!("/messages/pins?before={before}"))).await;
    assert_eq!((&rest["items"][0]["message"]["id"], &rest["has_more"]), (&json!(first), &json!(false)));
    assert_eq!(scene.rest.get(&scene.path("/pins")).await.1[1]["id"], json!(first), "the older list");
    assert_eq!(scene.status("DELETE", &scene.path(&format!("/pins/{}", second.get()))).await, 204);
    assert_eq!(scene.gateway.event("MESSAGE_UPDATE").await["pinned"], false);
    scene.gateway.event("CHANNEL_PINS_UPDATE").await;
    let refused = scene.simulator.pin(scene.channel(), second, scene.member(), true);
    assert!(
        matches!(refused, Err(ActionError::Forbidden(.., missing)) if missing == Permissions::PIN_MESSAGES)
    );
    scene.simulator.pin(scene.channel(), second, scene.server.staff[0], true).unwrap();
    let owner = scene.server.staff[0];
    entry(&scene.simulator, |kind| matches!(kind, Kind::Pin { by, pinned: true, .. } if *by == owner)).await;
}

#[tokio::test]
async fn members_edit_and_delete_their_own_messages_and_staff_delete_others() {
    let mut scene = Scene::new(|_| {}).await;
    let (channel, member, other) = (scene.channel(), scene.member(), scene.server.members[1]);
    let message = scene.said("hallo").await;
    scene.simulator.edit(channel, message, member, "hello").unwrap();
    let updated = scene.gateway.event("MESSAGE_UPDATE").await;
    assert_eq!(updated["content"], "hello");
    assert!(updated["edited_timestamp"].is_string());
    let refused = scene.simulator.edit(channel, message, other, "mine");
    assert!(matches!(refused, Err(ActionError::Refused(50_005, _))), "{refused:?}");
    let refused = scene.simulator.delete(channel, message, other);
    assert!(matches!(refused, Err(ActionError::Forbidden(..))), "{refused:?}");
    scene.simulator.delete(channel, message, scene.server.staff[1]).unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_DELETE").await["id"], json!(message));
    assert!(scene.simulator.edit(channel, message, member, "late").is_err());
    let own = scene.said("oops").await;
    scene.simulator.delete(channel, own, member).unwrap();
    scene.gateway.event("MESSAGE_DELETE").await;
    entry(&scene.simulator, |kind| matches!(kind, Kind::MemberEdit { content, .. } if content == "hello"))
        .await;
    entry(&scene.simulator, |kind| matches!(kind, Kind::MemberDelete { by, .. } if *by == member)).await;
    let bots = scene.posted("answer").await;
    scene.simulator.delete(channel, bots, scene.server.staff[1]).unwrap();
    assert_eq!(scene.code("PATCH", &scene.at(bots, ""), json!({"content": "x"})).await, 10_008);
}

#[tokio::test]
async fn many_messages_are_deleted_at_once() {
    let mut scene = Scene::new(|_| {}).await;
    let mut messages = Vec::new();
    for n in 0..3 {
        messages.push(scene.said(&format!("spam {n}")).await);
    }
    let path = scene.path("/messages/bulk-delete");
    let bulk = |ids: &[MessageId]| json!({"messages": ids});
    assert_eq!(scene.code("POST", &path, bulk(&messages[..1])).await, 50_016);
    assert_eq!(scene.code("POST", &path, bulk(&[messages[0], messages[0]])).await, 50_035);
    let old = MessageId(messages[0].get() - ((15 * 86_400_000) << 22));
    assert_eq!(scene.code("POST", &path, bulk(&[messages[0], old])).await, 50_034);
    let unknown = MessageId(messages[2].get() + 1);
    let (status, body) = scene.rest.call("POST", &path, bulk(&[messages[0], messages[1], unknown])).await;
    assert_eq!((status, body), (204, Value::Null));
    let event = scene.gateway.event("MESSAGE_DELETE_BULK").await;
    assert_eq!(event["ids"], json!(messages[..2]));
    assert_eq!(scene.rest.get(&scene.path("/messages")).await.1.as_array().unwrap().len(), 1);
    let dm = scene.simulator.dm_channel(scene.member()).unwrap();
    let path = format!("/channels/{}/messages/bulk-delete", dm.get());
    assert_eq!(scene.code("POST", &path, bulk(&messages)).await, 50_003);
}

#[tokio::test]
async fn staff_and_the_bot_suppress_embeds_of_others_but_change_nothing_else() {
    let mut scene = Scene::new(|_| {}).await;
    let message = scene.said("look").await;
    let path = scene.at(message, "");
    let suppressed = scene.rest.call("PATCH", &path, json!({"flags": 4})).await;
    assert_eq!((suppressed.0, &suppressed.1["flags"]), (200, &json!(4)));
    assert!(suppressed.1["edited_timestamp"].is_null());
    assert_eq!(scene.code("PATCH", &path, json!({"flags": 4, "content": "x"})).await, 50_005);
    let body = json!({"content": "x", "embeds": [{"title": "t"}]});
    let own = scene.rest.post(scene.channel().get(), body).await;
    let path = scene.at(MessageId(id(&own)), "");
    assert_eq!(scene.rest.call("PATCH", &path, json!({"flags": 4})).await.1["embeds"], json!([]));
    assert_eq!(scene.rest.call("PATCH", &path, json!({"flags": 0})).await.1["embeds"][0]["title"], "t");
}

#[tokio::test]
async fn a_forward_is_a_snapshot_of_its_moment() {
    let mut scene = Scene::new(|_| {}).await;
    let message = scene.said("original").await;
    let reference = json!({"type": 1, "message_id": message, "channel_id": scene.channel()});
    let support = scene.server.support_channel.get();
    let forward = scene.rest.post(support, json!({"message_reference": reference})).await;
    assert_eq!(forward["message_snapshots"][0]["message"]["content"], "original");
    assert_eq!((&forward["message_reference"]["type"], &forward["flags"]), (&json!(1), &json!(1 << 14)));
    assert!(forward["message_snapshots"][0]["message"].get("author").is_none());
    scene.simulator.edit(scene.channel(), message, scene.member(), "changed").unwrap();
    let again = scene.rest.get(&format!("/channels/{support}/messages/{}", id(&forward))).await.1;
    assert_eq!(again["message_snapshots"][0]["message"]["content"], "original");
}

#[tokio::test]
async fn without_the_intent_only_what_concerns_the_bot_comes_with_content() {
    let mut scene = Scene::with_intents(|_| {}, ALL_INTENTS & !MESSAGE_CONTENT).await;
    let (channel, member) = (scene.channel(), scene.member());
    let mention = scene.simulator.bot_mention();
    scene.simulator.say(channel, member, "secret").unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["content"], "");
    scene.simulator.say(channel, member, &format!("{mention} how?")).unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["content"], format!("{mention} how?"));
    let hidden = scene.simulator.say(channel, member, "hidden").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    let reply = json!({"content": "mine", "message_reference": {"message_id": hidden}});
    scene.rest.post(channel.get(), reply).await;
    let own = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!(own["content"], "mine", "own messages");
    assert_eq!(own["referenced_message"]["content"], "", "the message replied to is a member's");
    scene.simulator.edit(channel, hidden, member, "still hidden").unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_UPDATE").await["content"], "");
    let to_bot = scene.simulator.reply(channel, member, MessageId(id(&own)), "about that").unwrap();
    let event = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!(event["content"], "about that", "a reply pings the bot");
    assert_eq!(event["referenced_message"]["content"], "mine");
    scene.simulator.react(channel, to_bot, member, "👍").unwrap();
    let dm = scene.simulator.dm_channel(member).unwrap();
    scene.simulator.say(dm, member, "in private").unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["content"], "in private");
    let commands = json!([{"name": "Look", "type": 3}]);
    let path = format!("/applications/{}/commands", scene.simulator.config().bot.get());
    assert_eq!(scene.rest.call("PUT", &path, commands).await.0, 200);
    scene.simulator.use_on_message(channel, member, "Look", hidden).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!(event["data"]["resolved"]["messages"][hidden.get().to_string()]["content"], "still hidden");
    let list = scene.rest.get(&scene.path("/messages")).await.1;
    assert!(
        list.as_array().unwrap().iter().any(|m| m["content"] == "still hidden"),
        "the portal has the intent"
    );
}

#[tokio::test]
async fn without_the_intent_in_the_portal_rest_withholds_content_as_well() {
    let simulator = simulator(|config| config.privileged_intents &= !MESSAGE_CONTENT).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    let member = server.members[0];
    let file = helpline_sim::File::text("a.txt", "secret");
    let writing = helpline_sim::Writing { files: vec![file], ..helpline_sim::Writing::text("secret") };
    let hidden = simulator.write(server.general_channel, member, writing).unwrap();
    let path = format!("/channels/{}/messages", server.general_channel.get());
    let one = rest.get(&format!("{path}/{}", hidden.get())).await.1;
    assert_eq!((&one["content"], &one["attachments"]), (&json!(""), &json!([])));
    let forward = json!({"type": 1, "message_id": hidden, "channel_id": server.general_channel});
    assert_eq!(rest.call("POST", &path, json!({"message_reference": forward})).await.1["code"], 160_014);
    let own = rest.post(server.general_channel.get(), json!({"content": "mine"})).await;
    assert_eq!(own["content"], "mine");
}

#[tokio::test]
async fn a_direct_message_goes_both_ways_unless_it_is_refused() {
    let mut scene = Scene::new(|_| {}).await;
    let member = scene.member();
    let (_, dm) = scene.rest.call("POST", "/users/@me/channels", json!({"recipient_id": member})).await;
    assert_eq!((&dm["type"], &dm["recipients"][0]["id"]), (&json!(1), &json!(member)));
    let channel = ChannelId(id(&dm));
    scene.rest.post(channel.get(), json!({"content": "hello"})).await;
    let event = scene.gateway.event("MESSAGE_CREATE").await;
    assert!(event.get("guild_id").is_none());
    scene.simulator.say(channel, member, "hello back").unwrap();
    assert_eq!(scene.gateway.event("MESSAGE_CREATE").await["author"]["id"], json!(member));
    let other = scene.server.members[1];
    assert_eq!(scene.simulator.say(channel, other, "x"), Err(ActionError::UnknownMember(other)));
    let path = format!("/channels/{}/messages", channel.get());
    scene.simulator.set_takes_dms(member, false);
    let (status, body) = scene.rest.call("POST", &path, json!({"content": "x"})).await;
    assert_eq!((status, &body["code"]), (403, &json!(50_007)));
    scene.simulator.set_takes_dms(member, true);
    assert_eq!(scene.rest.call("POST", &path, json!({"content": "x"})).await.0, 200);
    scene.simulator.remove_bot(scene.server.id).unwrap();
    assert_eq!(scene.code("POST", &path, json!({"content": "x"})).await, 50_007, "no server in common");
}
