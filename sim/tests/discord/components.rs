//! Buttons, select menus and modals: what members can do with them and what the bot is told.

use crate::support::{Gateway, Rest, entry, id, simulator};
use helpline_sim::ids::{InteractionId, MessageId, UserId};
use helpline_sim::{ActionError, Kind, Server, Simulator};
use serde_json::{Value, json};

struct Scene {
    simulator: Simulator,
    server: Server,
    rest: Rest,
    gateway: Gateway,
}

impl Scene {
    async fn new() -> Self {
        let simulator = simulator(|_| {}).await;
        let rest = Rest::new(&simulator);
        rest.register_ask(&simulator).await;
        let (gateway, _) = Gateway::identified(&simulator).await;
        Self { server: simulator.servers()[0].clone(), rest, gateway, simulator }
    }

    fn member(&self) -> UserId {
        self.server.members[0]
    }

    /// The bot posts a message with one component in a row.
    async fn post(&mut self, component: Value) -> MessageId {
        let rows = json!([{"type": 1, "components": [component]}]);
        let body = json!({"content": "so", "components": rows});
        let message = self.rest.post(self.server.general_channel.get(), body).await;
        self.gateway.event("MESSAGE_CREATE").await;
        MessageId(id(&message))
    }

    fn select(&self, message: MessageId, values: &[&str]) -> Result<InteractionId, ActionError> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        self.simulator.select(self.server.general_channel, message, "pick", self.member(), &values)
    }

    async fn callback(&self, event: &Value, body: Value) -> (u16, Value) {
        let path = format!("/interactions/{}/{}/callback", id(event), event["token"].as_str().unwrap());
        self.rest.call("POST", &path, body).await
    }

    /// A member uses /ask and the bot answers with a modal.
    async fn modal(&mut self, components: Value) -> InteractionId {
        let options = [("question", json!("how?"))];
        let (channel, member) = (self.server.general_channel, self.member());
        let opened = self.simulator.slash(channel, member, "ask", &options).unwrap();
        let event = self.gateway.event("INTERACTION_CREATE").await;
        let data = json!({"custom_id": "form", "title": "Form", "components": components});
        assert_eq!(self.callback(&event, json!({"type": 9, "data": data})).await.0, 204);
        opened
    }
}

fn label(component: Value) -> Value {
    json!({"type": 18, "label": "Field", "component": component})
}

#[tokio::test]
async fn values_are_chosen_from_the_options_within_their_number() {
    let mut scene = Scene::new().await;
    let options: Value = ["a", "b", "c"].iter().map(|v| json!({"label": v, "value": v})).collect();
    let select =
        json!({"type": 3, "custom_id": "pick", "options": options, "min_values": 2, "max_values": 3});
    let message = scene.post(select).await;
    for wrong in [&["a"][..], &["a", "a"], &["a", "x"], &[]] {
        assert!(matches!(scene.select(message, wrong), Err(ActionError::BadChoice(..))), "{wrong:?}");
    }
    let press = scene.simulator.press(scene.server.general_channel, message, "pick", scene.member());
    assert!(matches!(press, Err(ActionError::UnknownComponent(..))), "a menu is no button");
    scene.select(message, &["a", "c"]).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!(event["data"]["component_type"], 3);
    assert_eq!(event["data"]["values"], json!(["a", "c"]));
    assert_eq!(id(&event["message"]), message.get());
    let said = entry(&scene.simulator, |kind| matches!(kind, Kind::Interaction { .. })).await;
    assert!(matches!(&said.kind, Kind::Interaction { values, .. } if values == &["a", "c"]));
}

#[tokio::test]
async fn users_roles_and_channels_are_chosen_by_id_and_come_resolved() {
    let mut scene = Scene::new().await;
    let server = scene.server.clone();
    let stranger = scene.simulator.servers()[1].clone();
    let cases = [
        (5, server.members[1].get(), stranger.members[0].get(), "users"),
        (6, server.support_role.get(), stranger.support_role.get(), "roles"),
        (7, server.support_role.get(), stranger.support_role.get(), "roles"),
        (7, server.members[2].get(), stranger.members[0].get(), "users"),
        (8, server.support_channel.get(), stranger.support_channel.get(), "channels"),
    ];
    for (kind, fits, foreign, map) in cases {
        let message = scene.post(json!({"type": kind, "custom_id": "pick"})).await;
        let (fits, foreign) = (fits.to_string(), foreign.to_string());
        assert!(matches!(scene.select(message, &[&foreign]), Err(ActionError::BadChoice(..))), "type {kind}");
        scene.select(message, &[&fits]).unwrap();
        let event = scene.gateway.event("INTERACTION_CREATE").await;
        assert_eq!(event["data"]["values"], json!([fits]));
        assert_eq!(event["data"]["resolved"][map][&fits]["id"], fits, "type {kind}");
    }
    let forums = json!({"type": 8, "custom_id": "pick", "channel_types": [15]});
    let message = scene.post(forums).await;
    assert!(scene.select(message, &[&server.support_channel.get().to_string()]).is_err());
}

#[tokio::test]
async fn a_link_or_a_disabled_button_sends_nothing() {
    let mut scene = Scene::new().await;
    let off = json!({"type": 2, "style": 1, "label": "x", "custom_id": "off", "disabled": true});
    let message = scene.post(off).await;
    let press = scene.simulator.press(scene.server.general_channel, message, "off", scene.member());
    assert!(matches!(press, Err(ActionError::UnknownComponent(..))));
    scene.post(json!({"type": 2, "style": 5, "label": "x", "url": "https://example.org"})).await;
    assert!(scene.gateway.quiet().await);
}

#[tokio::test]
async fn a_modal_is_submitted_once_with_what_its_fields_allow() {
    let mut scene = Scene::new().await;
    let text = json!({"type": 4, "custom_id": "text", "style": 2, "min_length": 3, "max_length": 5});
    let opened = scene.modal(json!([label(text)])).await;
    assert_eq!(scene.simulator.modal(opened).unwrap()["title"], "Form");
    entry(&scene.simulator, |kind| matches!(kind, Kind::ModalShown { custom_id, .. } if custom_id == "form"))
        .await;
    let member = scene.member();
    for wrong in [
        &[][..],
        &[("text", json!("ab"))],
        &[("text", json!("abcdef"))],
        &[("text", json!(5))],
        &[("text", json!("abc")), ("other", json!("x"))],
    ] {
        let refused = scene.simulator.submit(opened, member, wrong);
        assert!(matches!(refused, Err(ActionError::BadField(..))), "{wrong:?}");
    }
    let fields = [("text", json!("abc"))];
    let by_other = scene.simulator.submit(opened, scene.server.members[1], &fields);
    assert_eq!(by_other, Err(ActionError::UnknownModal(opened)));
    scene.simulator.submit(opened, member, &fields).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!((&event["type"], &event["data"]["custom_id"]), (&json!(5), &json!("form")));
    let answer = &event["data"]["components"][0];
    assert_eq!((&answer["type"], &answer["component"]["value"]), (&json!(18), &json!("abc")));
    assert!(event.get("message").is_none(), "a command opened it");
    assert_eq!(scene.simulator.submit(opened, member, &fields), Err(ActionError::UnknownModal(opened)));
    for callback in [6, 7, 9] {
        assert_eq!(scene.callback(&event, json!({"type": callback})).await.1["code"], 50_035, "{callback}");
    }
    assert_eq!(scene.callback(&event, json!({"type": 4, "data": {"content": "thanks"}})).await.0, 204);
    let reply = scene.gateway.event("MESSAGE_CREATE").await;
    let metadata = &reply["interaction_metadata"];
    assert_eq!(metadata["type"], 5);
    assert_eq!(metadata["triggering_interaction_metadata"]["id"], opened.get().to_string());
}

#[tokio::test]
async fn a_modal_that_a_button_opened_may_update_the_buttons_message() {
    let mut scene = Scene::new().await;
    let message = scene.post(json!({"type": 2, "style": 1, "label": "x", "custom_id": "open"})).await;
    let (channel, member) = (scene.server.general_channel, scene.member());
    let opened = scene.simulator.press(channel, message, "open", member).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    let row = json!({"type": 1, "components": [{"type": 4, "custom_id": "t", "style": 1, "label": "T", "required": false}]});
    let modal = json!({"custom_id": "form", "title": "Form", "components": [row]});
    assert_eq!(scene.callback(&event, json!({"type": 9, "data": modal})).await.0, 204);
    scene.simulator.submit(opened, member, &[]).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    assert_eq!(event["data"]["components"][0]["components"][0]["value"], "");
    assert_eq!(id(&event["message"]), message.get());
    let update = json!({"type": 7, "data": {"content": "done", "components": []}});
    assert_eq!(scene.callback(&event, update).await.0, 204);
    let updated = scene.gateway.event("MESSAGE_UPDATE").await;
    assert_eq!((id(&updated), &updated["content"]), (message.get(), &json!("done")));
}

#[tokio::test]
async fn every_kind_of_field_comes_back_in_its_shape() {
    let mut scene = Scene::new().await;
    let options = json!([{"label": "A", "value": "a"}, {"label": "B", "value": "b", "default": true}]);
    let fields = json!([
        label(json!({"type": 3, "custom_id": "pick", "options": options, "max_values": 2})),
        label(json!({"type": 21, "custom_id": "radio", "options": options})),
        label(json!({"type": 22, "custom_id": "boxes", "options": options})),
        label(json!({"type": 23, "custom_id": "box", "default": true})),
        label(json!({"type": 19, "custom_id": "file", "file_types": [".log"]})),
    ]);
    let opened = scene.modal(fields).await;
    let member = scene.member();
    let file = |name: &str| json!([{"filename": name, "text": "oops"}]);
    let wrong = [("file", file("a.exe"))];
    assert!(matches!(scene.simulator.submit(opened, member, &wrong), Err(ActionError::BadField(..))));
    let given = [("pick", json!(["a", "b"])), ("boxes", json!(["a"])), ("file", file("a.log"))];
    scene.simulator.submit(opened, member, &given).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    let answer = |at: usize| &event["data"]["components"][at]["component"];
    assert_eq!(answer(0)["values"], json!(["a", "b"]));
    assert_eq!(answer(1)["value"], "b", "the default stays chosen");
    assert_eq!(answer(2)["values"], json!(["a"]));
    assert_eq!(answer(3)["value"], true);
    let id = answer(4)["values"][0].as_str().unwrap();
    assert_eq!(event["data"]["resolved"]["attachments"][id]["filename"], "a.log");
}

#[tokio::test]
async fn a_modal_that_discord_refuses_leaves_the_interaction_open() {
    let mut scene = Scene::new().await;
    let (channel, member) = (scene.server.general_channel, scene.member());
    scene.simulator.slash(channel, member, "ask", &[("question", json!("x"))]).unwrap();
    let event = scene.gateway.event("INTERACTION_CREATE").await;
    let text = json!({"type": 4, "custom_id": "t", "style": 1});
    let modal =
        |title: &str, components: Value| json!({"custom_id": "f", "title": title, "components": components});
    let button = json!({"type": 2, "style": 1, "label": "x", "custom_id": "b"});
    for wrong in [
        modal(&"x".repeat(46), json!([label(text.clone())])),
        modal("x", json!([])),
        modal("x", json!([text])),
        modal("x", json!([label(button)])),
        modal("x", json!([label(text.clone()), label(text.clone())])),
        modal("x", json!([label(json!({"type": 4, "custom_id": "t", "style": 1, "max_length": 4_001}))])),
        modal("x", json!([label(json!({"type": 5, "custom_id": "t", "min_values": 0}))])),
        modal("x", json!([label(json!({"type": 5, "custom_id": "t", "disabled": true}))])),
    ] {
        let (_, body) = scene.callback(&event, json!({"type": 9, "data": wrong})).await;
        assert_eq!(body["code"], 50_035, "{wrong}");
        assert!(body["errors"]["data"].is_object(), "{body}");
    }
    assert_eq!(scene.callback(&event, json!({"type": 5})).await.0, 204);
}

#[tokio::test]
async fn components_v2_stand_alone_and_cannot_be_taken_back() {
    let scene = Scene::new().await;
    let channel = scene.server.general_channel.get();
    let path = format!("/channels/{channel}/messages");
    let text = json!({"type": 10, "content": format!("hi <@{}>", scene.member().get())});
    let mixed = json!({"content": "x", "flags": 1 << 15, "components": [text]});
    assert_eq!(scene.rest.call("POST", &path, mixed).await.1["code"], 50_035);
    assert_eq!(
        scene.rest.call("POST", &path, json!({"components": [text]})).await.1["code"],
        50_035,
        "no flag"
    );
    let posted = scene.rest.post(channel, json!({"flags": 1 << 15, "components": [text]})).await;
    assert_eq!((&posted["flags"], &posted["components"][0]["id"]), (&json!(1 << 15), &json!(1)));
    assert_eq!(posted["mentions"][0]["id"], scene.member().get().to_string(), "text displays mention");
    let message = format!("{path}/{}", id(&posted));
    let edited = scene.rest.call("PATCH", &message, json!({"flags": 0, "content": "back"})).await;
    assert_eq!(edited.1["code"], 50_035);
    let other = json!({"components": [{"type": 10, "content": "new"}]});
    let edited = scene.rest.call("PATCH", &message, other).await.1;
    assert_eq!((&edited["flags"], &edited["components"][0]["content"]), (&json!(1 << 15), &json!("new")));
    let old = scene.rest.post(channel, json!({"content": "old"})).await;
    let message = format!("{path}/{}", id(&old));
    let change = json!({"flags": 1 << 15, "components": [text]});
    assert_eq!(scene.rest.call("PATCH", &message, change).await.1["code"], 50_035, "its content has to go");
    let change = json!({"flags": 1 << 15, "components": [text], "content": null});
    assert_eq!(scene.rest.call("PATCH", &message, change).await.0, 200);
    let said = entry(&scene.simulator, |kind| matches!(kind, Kind::BotMessage(_))).await;
    assert!(matches!(&said.kind, Kind::BotMessage(message) if message.texts[0].starts_with("hi")));
}
