//! Slash commands and buttons, from the member's act to the answer, over raw REST.

use crate::support::{Gateway, Rest, entry, id, simulator};
use helpline_sim::{ActionError, Kind, Phase, Simulator};
use serde_json::{Value, json};
use std::time::Duration;

struct Scene {
    simulator: Simulator,
    rest: Rest,
    gateway: Gateway,
}

async fn scene(change: impl FnOnce(&mut helpline_sim::Config)) -> Scene {
    let simulator = simulator(change).await;
    // Interaction routes carry no bot token.
    let rest = Rest::new(&simulator);
    rest.register_ask(&simulator).await;
    let (gateway, _) = Gateway::identified(&simulator).await;
    Scene { rest: rest.with_token("none"), simulator, gateway }
}

impl Scene {
    /// A member uses /ask; returns the event.
    async fn ask(&mut self) -> Value {
        let server = &self.simulator.servers()[0];
        let options = [("question", json!("how?"))];
        self.simulator.slash(server.general_channel, server.members[0], "ask", &options).unwrap();
        self.gateway.event("INTERACTION_CREATE").await
    }

    async fn callback(&self, event: &Value, body: Value) -> (u16, Value) {
        let path = format!("/interactions/{}/{}/callback", id(event), event["token"].as_str().unwrap());
        self.rest.call("POST", &path, body).await
    }

    fn webhook(&self, event: &Value, rest: &str) -> String {
        format!("/webhooks/{}/{}{rest}", self.simulator.config().bot.get(), event["token"].as_str().unwrap())
    }

    fn phase(&self, event: &Value) -> Phase {
        self.simulator.interaction(helpline_sim::ids::InteractionId(id(event))).unwrap()
    }
}

#[tokio::test]
async fn a_deferred_answer_is_a_loading_message_until_it_is_edited() {
    let mut scene = scene(|_| {}).await;
    let event = scene.ask().await;
    assert_eq!(event["data"]["options"][0], json!({"name": "question", "type": 3, "value": "how?"}));
    assert_eq!(event["type"], 2);
    assert!(event["member"]["permissions"].is_string());
    assert_eq!(scene.callback(&event, json!({"type": 5})).await.0, 204);
    let loading = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!((&loading["flags"], &loading["content"]), (&json!(128), &json!("")));
    assert_eq!(loading["interaction_metadata"]["id"], event["id"]);
    assert_eq!(scene.callback(&event, json!({"type": 5})).await.1["code"], 40_060);
    let original = scene.webhook(&event, "/messages/@original");
    let (status, edited) = scene.rest.call("PATCH", &original, json!({"content": "so"})).await;
    assert_eq!((status, &edited["content"], &edited["flags"]), (200, &json!("so"), &json!(0)));
    assert_eq!(scene.gateway.event("MESSAGE_UPDATE").await["id"], loading["id"]);
    assert_eq!(scene.rest.get(&original).await.1["content"], "so");
    let follow_up = scene.rest.call("POST", &scene.webhook(&event, ""), json!({"content": "and so"})).await;
    assert_ne!(follow_up.1["id"], loading["id"]);
    scene.gateway.event("MESSAGE_CREATE").await;
    assert!(matches!(scene.phase(&event), Phase::Answered { callback: 5, .. }));
    let bot = Rest::new(&scene.simulator);
    let path =
        format!("/channels/{}/messages/{}/threads", loading["channel_id"].as_str().unwrap(), id(&loading));
    let (status, thread) = bot.call("POST", &path, json!({"name": "more"})).await;
    assert_eq!((status, id(&thread)), (201, id(&loading)));
    assert_eq!(scene.rest.try_send("DELETE", &original, None).await.unwrap().status(), 204);
    entry(&scene.simulator, |kind| matches!(kind, Kind::BotDelete { .. })).await;
}

#[tokio::test]
async fn a_follow_up_right_after_a_deferral_takes_the_place_of_the_loading_message() {
    let mut scene = scene(|_| {}).await;
    let event = scene.ask().await;
    scene.callback(&event, json!({"type": 5})).await;
    let loading = scene.gateway.event("MESSAGE_CREATE").await;
    let (_, answer) = scene.rest.call("POST", &scene.webhook(&event, ""), json!({"content": "so"})).await;
    assert_eq!(answer["id"], loading["id"]);
}

#[tokio::test]
async fn an_interaction_not_answered_in_time_has_failed() {
    let mut scene = scene(|config| config.interaction_deadline = Duration::from_millis(150)).await;
    let event = scene.ask().await;
    let failed = entry(&scene.simulator, |kind| matches!(kind, Kind::InteractionFailed { .. })).await;
    let Kind::InteractionFailed { interaction } = failed.kind else { unreachable!() };
    assert_eq!(interaction.get(), id(&event));
    assert_eq!(scene.callback(&event, json!({"type": 5})).await.1["code"], 10_062);
    let original = scene.webhook(&event, "/messages/@original");
    assert_eq!(scene.rest.call("PATCH", &original, json!({"content": "late"})).await.1["code"], 10_015);
    assert_eq!(scene.phase(&event), Phase::Failed);
    assert_eq!(scene.simulator.counters().interactions_failed, 1);
}

#[tokio::test]
async fn an_answer_needs_the_first_response_and_a_living_token() {
    let mut scene = scene(|_| {}).await;
    let event = scene.ask().await;
    let original = scene.webhook(&event, "/messages/@original");
    let early = scene.rest.call("PATCH", &original, json!({"content": "early"})).await;
    assert_eq!(early.1["code"], 10_015);
    let (status, described) = {
        let path = format!(
            "/interactions/{}/{}/callback?with_response=true",
            id(&event),
            event["token"].as_str().unwrap()
        );
        scene.rest.call("POST", &path, json!({"type": 4, "data": {"content": "now", "flags": 64}})).await
    };
    assert_eq!(status, 200);
    assert_eq!(described["resource"]["message"]["content"], "now");
    assert_eq!(described["interaction"]["response_message_ephemeral"], true);
    assert!(scene.gateway.quiet().await, "an ephemeral message is no event");
    assert_eq!(scene.rest.get(&original).await.1["content"], "now");
    let channel = scene.simulator.servers()[0].general_channel.get();
    let message = described["interaction"]["response_message_id"].as_str().unwrap();
    let bot = Rest::new(&scene.simulator);
    assert_eq!(bot.get(&format!("/channels/{channel}/messages/{message}")).await.0, 404);
    scene.simulator.advance(Duration::from_secs(900));
    let (status, expired) = scene.rest.get(&original).await;
    assert_eq!((status, &expired["code"]), (401, &json!(50_027)));
}

#[tokio::test]
async fn a_button_is_pressed_and_its_message_updated() {
    let mut scene = scene(|_| {}).await;
    let server = scene.simulator.servers()[0].clone();
    let bot = Rest::new(&scene.simulator);
    let button = json!({"type": 2, "style": 2, "label": "Ask a human", "custom_id": "human:7"});
    let rows = json!([{"type": 1, "components": [button]}]);
    let message = bot.post(server.support_channel.get(), json!({"content": "so", "components": rows})).await;
    scene.gateway.event("MESSAGE_CREATE").await;
    let target = helpline_sim::ids::MessageId(id(&message));
    let press =
        |custom_id: &str| scene.simulator.press(server.support_channel, target, custom_id, server.members[0]);
    assert!(matches!(press("other"), Err(ActionError::UnknownComponent(..))));
    press("human:7").unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!((&event["type"], &event["data"]["custom_id"]), (&json!(3), &json!("human:7")));
    assert_eq!(event["message"]["id"], message["id"]);
    let update = json!({"type": 7, "data": {"content": "a human comes", "components": []}});
    assert_eq!(scene.callback(&event, update).await.0, 204);
    let updated = scene.gateway.event("MESSAGE_UPDATE").await;
    assert_eq!((&updated["content"], &updated["components"]), (&json!("a human comes"), &json!([])));
    let again = scene.simulator.press(server.support_channel, target, "human:7", server.members[0]);
    assert!(again.is_err(), "the button is gone");
}

#[tokio::test]
async fn members_act_only_where_they_are_and_use_only_registered_commands() {
    let simulator = simulator(|_| {}).await;
    let (here, there) = (&simulator.servers()[0], &simulator.servers()[1]);
    let member = here.members[0];
    assert_eq!(simulator.say(there.support_channel, member, "x"), Err(ActionError::UnknownMember(member)));
    assert_eq!(simulator.say(here.support_channel, member, " "), Err(ActionError::Empty));
    let slash = simulator.slash(here.support_channel, member, "ask", &[]);
    assert_eq!(slash, Err(ActionError::UnknownCommand("ask".to_owned())));
}

#[tokio::test]
async fn an_ephemeral_answer_is_for_the_member_who_asked_alone() {
    let mut scene = scene(|_| {}).await;
    let event = scene.ask().await;
    let server = scene.simulator.servers()[0].clone();
    let channel = server.general_channel;
    let button = json!({"type": 2, "style": 1, "label": "More", "custom_id": "more"});
    let rows = json!([{"type": 1, "components": [button]}]);
    assert_eq!(scene.callback(&event, json!({"type": 5, "data": {"flags": 64}})).await.0, 204);
    let original = scene.webhook(&event, "/messages/@original");
    let change = json!({"content": "psst", "flags": 0, "components": rows});
    let (_, message) = scene.rest.call("PATCH", &original, change).await;
    assert_eq!(
        (&message["content"], &message["flags"]),
        (&json!("psst"), &json!(64)),
        "fixed by the deferral"
    );
    let follow_up = json!({"content": "and this", "flags": 64});
    let (_, second) = scene.rest.call("POST", &scene.webhook(&event, ""), follow_up).await;
    assert_eq!(second["interaction_metadata"]["original_response_message_id"], message["id"]);
    assert!(scene.gateway.quiet().await, "no event");
    let bot = Rest::new(&scene.simulator);
    assert_eq!(
        bot.get(&format!("/channels/{}/messages", channel.get())).await.1,
        json!([]),
        "not in the list"
    );
    let target = helpline_sim::ids::MessageId(id(&message));
    let by_other = scene.simulator.press(channel, target, "more", server.members[1]);
    assert_eq!(by_other, Err(ActionError::UnknownMessage(target, channel)));
    assert!(scene.simulator.react(channel, target, server.members[0], "👍").is_err());
    scene.simulator.press(channel, target, "more", server.members[0]).unwrap();
    let pressed = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!(pressed["message"]["flags"], 64);
    let update = json!({"type": 7, "data": {"content": "updated", "components": []}});
    assert_eq!(scene.callback(&pressed, update).await.0, 204);
    assert_eq!(scene.rest.get(&original).await.1["content"], "updated");
}

/// The bot's message with a button, and the interaction of a member who pressed it.
async fn pressed(scene: &mut Scene) -> (Value, Value) {
    let server = scene.simulator.servers()[0].clone();
    let bot = Rest::new(&scene.simulator);
    let button = json!({"type": 2, "style": 1, "label": "Go", "custom_id": "go"});
    let rows = json!([{"type": 1, "components": [button]}]);
    let message = bot.post(server.general_channel.get(), json!({"content": "so", "components": rows})).await;
    scene.gateway.event("MESSAGE_CREATE").await;
    let target = helpline_sim::ids::MessageId(id(&message));
    scene.simulator.press(server.general_channel, target, "go", server.members[0]).unwrap();
    (message, scene.gateway.event("INTERACTION_CREATE").await)
}

#[tokio::test]
async fn a_deferred_update_leaves_the_message_and_edits_it_later() {
    let mut scene = scene(|_| {}).await;
    let (message, event) = pressed(&mut scene).await;
    assert_eq!(scene.callback(&event, json!({"type": 6})).await.0, 204);
    assert!(scene.gateway.quiet().await, "nothing is seen of it");
    let original = scene.webhook(&event, "/messages/@original");
    let (_, edited) = scene.rest.call("PATCH", &original, json!({"content": "gone"})).await;
    assert_eq!((&edited["id"], &edited["content"]), (&message["id"], &json!("gone")));
    scene.gateway.event("MESSAGE_UPDATE").await;
    let (_, more) = scene.rest.call("POST", &scene.webhook(&event, ""), json!({"content": "more"})).await;
    assert_ne!(more["id"], message["id"]);
    assert_eq!(more["interaction_metadata"]["interacted_message_id"], message["id"]);
}

#[tokio::test]
async fn a_response_to_a_button_refers_to_its_message() {
    let mut scene = scene(|_| {}).await;
    let (message, event) = pressed(&mut scene).await;
    assert_eq!(scene.callback(&event, json!({"type": 4, "data": {"content": "yes"}})).await.0, 204);
    let reply = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!(reply["message_reference"]["message_id"], message["id"]);
    assert!(reply.get("interaction").is_none(), "only responses to commands have it");
}

#[tokio::test]
async fn each_interaction_takes_only_the_answers_that_fit_it() {
    let mut scene = scene(|_| {}).await;
    let event = scene.ask().await;
    for wrong in [1, 2, 6, 7, 8, 10, 12] {
        let (_, body) = scene.callback(&event, json!({"type": wrong, "data": {"content": "x"}})).await;
        assert_eq!(body["code"], 50_035, "callback {wrong} to a command");
    }
    assert_eq!(scene.callback(&event, json!({"type": 4, "data": {}})).await.1["code"], 50_006);
    assert_eq!(scene.phase(&event), Phase::Waiting, "a refused answer is none");
    assert_eq!(scene.callback(&event, json!({"type": 4, "data": {"content": "x"}})).await.0, 204);
    let message = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!((&message["type"], &message["interaction"]["name"]), (&json!(20), &json!("ask")));
}

#[tokio::test]
async fn commands_are_used_on_messages_and_on_users() {
    let mut scene = scene(|_| {}).await;
    let bot = Rest::new(&scene.simulator);
    let path = format!("/applications/{}/commands", scene.simulator.config().bot.get());
    let commands = json!([{"name": "Ask Helpline", "type": 3}, {"name": "Who is", "type": 2}]);
    assert_eq!(bot.call("PUT", &path, commands).await.0, 200);
    let server = scene.simulator.servers()[0].clone();
    let (channel, member, other) = (server.general_channel, server.members[0], server.members[1]);
    let target = scene.simulator.say(channel, other, "how?").unwrap();
    scene.gateway.event("MESSAGE_CREATE").await;
    assert!(scene.simulator.use_on_message(channel, member, "Who is", target).is_err(), "a user command");
    scene.simulator.use_on_message(channel, member, "Ask Helpline", target).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!((&event["data"]["type"], &event["data"]["target_id"]), (&json!(3), &json!(target)));
    assert_eq!(event["data"]["resolved"]["messages"][target.get().to_string()]["content"], "how?");
    assert_eq!(scene.callback(&event, json!({"type": 4, "data": {"content": "so"}})).await.0, 204);
    let answer = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!((&answer["type"], &answer["message_reference"]["message_id"]), (&json!(23), &json!(target)));
    assert_eq!(answer["interaction_metadata"]["target_message_id"], json!(target));
    scene.simulator.use_on_user(channel, member, "Who is", other).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!(event["data"]["resolved"]["users"][other.get().to_string()]["id"], json!(other));
    let stranger = scene.simulator.servers()[1].members[0];
    let refused = scene.simulator.use_on_user(channel, member, "Who is", stranger);
    assert_eq!(refused, Err(ActionError::UnknownMember(stranger)));
}

#[tokio::test]
async fn the_control_api_lets_members_act() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let option = json!({"name": "topic", "description": "x", "type": 3, "autocomplete": true});
    let commands = json!([
        {"name": "ask", "description": "x", "options": [option]},
        {"name": "Look", "type": 3},
    ]);
    let path = format!("/applications/{}/commands", simulator.config().bot.get());
    assert_eq!(rest.call("PUT", &path, commands).await.0, 200);
    let server = simulator.servers()[0].clone();
    let (channel, member) = (server.general_channel, server.members[0]);
    let act = async |route: &str, mut body: Value| {
        (body["channel"], body["member"]) = (json!(channel), json!(member));
        rest.control("POST", route, body).await
    };
    let message = act("/say", json!({"text": "hello"})).await.1["message"].clone();
    gateway.event("MESSAGE_CREATE").await;
    assert_eq!(act("/edit", json!({"message": message, "text": "hello all"})).await.0, 200);
    assert_eq!(gateway.event("MESSAGE_UPDATE").await["content"], "hello all");
    assert_eq!(act("/react", json!({"message": message, "emoji": "👍"})).await.0, 200);
    assert_eq!(act("/react", json!({"message": message, "emoji": "👍", "off": true})).await.0, 200);
    let (status, refused) = act("/pin", json!({"message": message})).await;
    assert_eq!(status, 422);
    assert!(refused["error"].as_str().unwrap().contains("PIN_MESSAGES"), "{refused}");
    assert_eq!(act("/menu", json!({"command": "Look", "message": message})).await.0, 200);
    assert_eq!(gateway.event("INTERACTION_CREATE").await["data"]["target_id"], message);
    let typed = json!({"command": "ask", "options": {"topic": "b"}, "focused": "topic"});
    let opened = act("/autocomplete", typed).await.1["interaction"].clone();
    let event = gateway.event("INTERACTION_CREATE").await;
    let callback =
        |event: &Value| format!("/interactions/{}/{}/callback", id(event), event["token"].as_str().unwrap());
    let choices = json!([{"name": "Billing", "value": "billing"}]);
    let answer = json!({"type": 8, "data": {"choices": choices}});
    assert_eq!(rest.call("POST", &callback(&event), answer).await.0, 204);
    let shown =
        rest.control("GET", &format!("/interactions/{}", opened.as_str().unwrap()), json!({})).await.1;
    assert_eq!((&shown["phase"], &shown["choices"]), (&json!("answered"), &choices));
    let opened = act("/slash", json!({"command": "ask"})).await.1["interaction"].clone();
    let event = gateway.event("INTERACTION_CREATE").await;
    let field = json!({"type": 4, "custom_id": "text", "style": 1});
    let label = json!({"type": 18, "label": "Text", "component": field});
    let modal = json!({"custom_id": "form", "title": "Form", "components": [label]});
    assert_eq!(rest.call("POST", &callback(&event), json!({"type": 9, "data": modal})).await.0, 204);
    let filled = json!({"interaction": opened, "fields": {"text": "hi"}});
    assert_eq!(act("/submit", filled).await.0, 200);
    assert_eq!(gateway.event("INTERACTION_CREATE").await["type"], 5);
    let select = json!({"type": 5, "custom_id": "who"});
    let rows = json!([{"type": 1, "components": [select]}]);
    let posted = rest.post(channel.get(), json!({"content": "x", "components": rows})).await;
    gateway.event("MESSAGE_CREATE").await;
    let chosen = json!({"message": posted["id"], "custom_id": "who", "values": [member]});
    assert_eq!(act("/select", chosen).await.0, 200);
    gateway.event("INTERACTION_CREATE").await;
    assert_eq!(act("/delete", json!({"message": message})).await.0, 200);
    gateway.event("MESSAGE_DELETE").await;
    let (_, dm) = rest.control("POST", "/dm", json!({"member": member, "takes_dms": false})).await;
    let path = format!("/channels/{}/messages", dm["channel"].as_str().unwrap());
    assert_eq!(rest.call("POST", &path, json!({"content": "x"})).await.1["code"], 50_007);
}
