//! Webhooks of channels: made by the bot, executed by whoever knows the token.

use crate::support::{ALL_INTENTS, Gateway, Rest, entry, id, simulator};
use helpline_sim::permissions::Permissions;
use helpline_sim::{Kind, Server, Simulator};
use serde_json::{Value, json};

const WEBHOOKS: u64 = 1 << 5;

struct Scene {
    simulator: Simulator,
    server: Server,
    rest: Rest,
    /// Without the bot's token.
    stranger: Rest,
    gateway: Gateway,
}

impl Scene {
    async fn new() -> Self {
        let simulator = simulator(|_| {}).await;
        let server = simulator.servers()[0].clone();
        let role = Permissions::MEMBER | Permissions::MANAGE_WEBHOOKS;
        simulator.set_role_permissions(server.id, server.bot_role, role).unwrap();
        let (gateway, _) = Gateway::identified_with(&simulator, ALL_INTENTS | WEBHOOKS, [0, 1]).await;
        let rest = Rest::new(&simulator);
        Self { stranger: rest.with_token("none"), rest, server, simulator, gateway }
    }

    async fn hook(&mut self) -> (Value, String) {
        let path = format!("/channels/{}/webhooks", self.server.general_channel.get());
        let (status, hook) = self.rest.call("POST", &path, json!({"name": "News"})).await;
        assert_eq!(status, 200, "{hook}");
        self.gateway.event("WEBHOOKS_UPDATE").await;
        let address = format!("/webhooks/{}/{}", id(&hook), hook["token"].as_str().unwrap());
        (hook, address)
    }
}

#[tokio::test]
async fn a_webhook_is_made_listed_changed_and_removed() {
    let mut scene = Scene::new().await;
    let (hook, address) = scene.hook().await;
    assert_eq!((&hook["type"], &hook["application_id"]), (&json!(1), &json!(scene.simulator.config().bot)));
    let channel = format!("/channels/{}/webhooks", scene.server.general_channel.get());
    let guild = format!("/guilds/{}/webhooks", scene.server.id.get());
    for list in [&channel, &guild] {
        assert_eq!(scene.rest.get(list).await.1[0]["id"], hook["id"]);
    }
    for wrong in ["", "Clyde the second", "my Discord", &"x".repeat(81)] {
        let refused = scene.rest.call("POST", &channel, json!({"name": wrong})).await;
        assert_eq!(refused.1["code"], 50_035, "{wrong:?}");
    }
    let by_token = scene.stranger.get(&address).await.1;
    assert_eq!(by_token["name"], "News");
    assert!(by_token.get("user").is_none());
    let one = format!("/webhooks/{}", id(&hook));
    let moved = json!({"name": "Olds", "channel_id": scene.server.support_channel});
    let (_, changed) = scene.rest.call("PATCH", &one, moved).await;
    assert_eq!(changed["channel_id"], json!(scene.server.support_channel));
    scene.gateway.event("WEBHOOKS_UPDATE").await;
    assert_eq!(scene.stranger.call("PATCH", &address, json!({"name": "Later"})).await.1["name"], "Later");
    assert_eq!(scene.stranger.get(&one).await.0, 401, "without its token the bot's is needed");
    assert_eq!(scene.rest.try_send("DELETE", &one, None).await.unwrap().status(), 204);
    assert_eq!(scene.stranger.call("POST", &address, json!({"content": "x"})).await.1["code"], 10_015);
    for _ in 0..15 {
        assert_eq!(scene.rest.call("POST", &channel, json!({"name": "n"})).await.0, 200);
    }
    assert_eq!(scene.rest.call("POST", &channel, json!({"name": "n"})).await.1["code"], 30_007);
}

#[tokio::test]
async fn whoever_knows_the_token_posts_edits_and_deletes() {
    let mut scene = Scene::new().await;
    let (hook, address) = scene.hook().await;
    let body = json!({"content": "news @everyone", "username": "Reporter"});
    assert_eq!(scene.stranger.call("POST", &address, body.clone()).await, (204, Value::Null));
    let event = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!((&event["webhook_id"], &event["author"]["username"]), (&hook["id"], &json!("Reporter")));
    assert_eq!(event["mention_everyone"], false, "webhooks parse users only");
    assert!(event.get("member").is_none());
    let (status, message) = scene.stranger.call("POST", &format!("{address}?wait=true"), body).await;
    assert_eq!(status, 200);
    scene.gateway.event("MESSAGE_CREATE").await;
    let one = format!("{address}/messages/{}", id(&message));
    assert_eq!(scene.stranger.get(&one).await.1["content"], "news @everyone");
    assert_eq!(scene.stranger.call("PATCH", &one, json!({"content": "old"})).await.1["content"], "old");
    assert_eq!(scene.gateway.event("MESSAGE_UPDATE").await["content"], "old");
    let channel = scene.server.general_channel.get();
    let as_bot = format!("/channels/{channel}/messages/{}", id(&message));
    assert_eq!(scene.rest.call("PATCH", &as_bot, json!({"content": "x"})).await.1["code"], 50_005);
    assert_eq!(scene.stranger.try_send("DELETE", &one, None).await.unwrap().status(), 204);
    scene.gateway.event("MESSAGE_DELETE").await;
    assert_eq!(scene.stranger.get(&one).await.1["code"], 10_008);
    let others = scene.rest.post(channel, json!({"content": "the bot's"})).await;
    assert_eq!(scene.stranger.get(&format!("{address}/messages/{}", id(&others))).await.1["code"], 10_008);
    let wrong = format!("/webhooks/{}/wrong", id(&hook));
    assert_eq!(scene.stranger.call("POST", &wrong, json!({"content": "x"})).await.1["code"], 50_027);
    entry(&scene.simulator, |kind| matches!(kind, Kind::WebhookMessage { edited: true, .. })).await;
    let posted = scene.simulator.counters();
    assert_eq!((posted.bot_messages, posted.member_messages), (1, 0), "a webhook is neither bot nor member");
}

#[tokio::test]
async fn in_a_forum_a_webhook_names_a_thread() {
    let mut scene = Scene::new().await;
    let forum = scene
        .simulator
        .create_channel(scene.server.id, helpline_sim::ChannelKind::Forum, "ideas", None)
        .unwrap();
    scene.gateway.event("CHANNEL_CREATE").await;
    let path = format!("/channels/{}/webhooks", forum.get());
    let (_, hook) = scene.rest.call("POST", &path, json!({"name": "Ideas"})).await;
    scene.gateway.event("WEBHOOKS_UPDATE").await;
    let address = format!("/webhooks/{}/{}", id(&hook), hook["token"].as_str().unwrap());
    let code = |answer: (u16, Value)| answer.1["code"].clone();
    assert_eq!(code(scene.stranger.call("POST", &address, json!({"content": "x"})).await), 220_001);
    let named = json!({"content": "x", "thread_name": "a plan"});
    let both = format!("{address}?thread_id=5");
    assert_eq!(code(scene.stranger.call("POST", &both, named.clone()).await), 220_002);
    let (status, first) = scene.stranger.call("POST", &format!("{address}?wait=true"), named).await;
    assert_eq!((status, &first["id"]), (200, &first["channel_id"]), "it opens the post");
    assert_eq!(scene.gateway.event("THREAD_CREATE").await["name"], "a plan");
    scene.gateway.event("MESSAGE_CREATE").await;
    let thread = format!("{address}?wait=true&thread_id={}", id(&first));
    let (_, second) = scene.stranger.call("POST", &thread, json!({"content": "more"})).await;
    assert_eq!(second["channel_id"], first["channel_id"]);
    scene.gateway.event("MESSAGE_CREATE").await;
    let (_, address) = scene.hook().await;
    let text = json!({"content": "x", "thread_name": "a plan"});
    assert_eq!(code(scene.stranger.call("POST", &address, text).await), 220_003);
}
