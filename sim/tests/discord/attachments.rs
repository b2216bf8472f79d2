//! Files: uploaded by the bot and by members, kept and removed by edits, served under addresses that expire.

use crate::support::{Gateway, Rest, entry, id, simulator};
use helpline_sim::{ActionError, File, Kind, Writing};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: usize = 10 * 1024 * 1024;

fn url(attachment: &Value) -> &str {
    attachment["url"].as_str().unwrap()
}

#[tokio::test]
async fn files_of_the_bot_are_kept_described_and_served() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let channel = simulator.servers()[0].general_channel.get();
    let path = format!("/channels/{channel}/messages");
    let payload =
        json!({"content": "logs", "attachments": [{"id": 1, "description": "what went wrong"}, {"id": 0}]});
    let files: [(u64, &str, &[u8]); 2] = [(0, "my log.txt", b"oops"), (1, "b.png", b"png")];
    let (status, message) = rest.upload("POST", &path, &payload, &files).await;
    assert_eq!(status, 200, "{message}");
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments[0]["description"], "what went wrong");
    assert_eq!((&attachments[0]["content_type"], &attachments[0]["size"]), (&json!("image/png"), &json!(3)));
    assert_eq!(
        (&attachments[1]["filename"], &attachments[1]["title"]),
        (&json!("my_log.txt"), &json!("my log.txt"))
    );
    assert_eq!(rest.fetch(url(&attachments[1])).await, (200, "oops".to_owned()));
    assert_eq!(gateway.event("MESSAGE_CREATE").await["attachments"][1]["id"], attachments[1]["id"]);
    let said = entry(&simulator, |kind| matches!(kind, Kind::BotMessage(_))).await;
    assert!(
        matches!(&said.kind, Kind::BotMessage(message) if message.attachments == ["b.png", "my_log.txt"])
    );
    let one = format!("{path}/{}", id(&message));
    let keep = json!({"attachments": [{"id": attachments[1]["id"]}, {"id": 0}]});
    let (_, edited) = rest.upload("PATCH", &one, &keep, &[(0, "c.txt", b"new")]).await;
    let names: Vec<&Value> =
        edited["attachments"].as_array().unwrap().iter().map(|a| &a["filename"]).collect();
    assert_eq!(names, ["my_log.txt", "c.txt"]);
    let gone = rest.fetch(url(&attachments[0])).await;
    assert_eq!(gone, (404, "This content is no longer available.".to_owned()));
    let (_, edited) = rest.call("PATCH", &one, json!({"content": "same files"})).await;
    assert_eq!(edited["attachments"].as_array().unwrap().len(), 2, "left alone where not mentioned");
    rest.try_send("DELETE", &one, None).await.unwrap();
    assert_eq!(rest.fetch(url(&attachments[1])).await.0, 404);
}

#[tokio::test]
async fn an_address_expires_and_is_given_out_anew() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    let writing = Writing { files: vec![File::text("a.txt", "hello")], ..Writing::default() };
    let message = simulator.write(server.general_channel, server.members[0], writing).unwrap();
    let path = format!("/channels/{}/messages/{}", server.general_channel.get(), message.get());
    let first = rest.get(&path).await.1["attachments"][0]["url"].as_str().unwrap().to_owned();
    assert!(first.contains("?ex=") && first.contains("&is=") && first.contains("&hm="));
    assert_eq!(rest.fetch(&first).await, (200, "hello".to_owned()));
    simulator.advance(Duration::from_secs(86_400));
    assert_eq!(rest.fetch(&first).await, (404, "This content is no longer available.".to_owned()));
    let bare = first.split('?').next().unwrap();
    assert_eq!(rest.fetch(bare).await.0, 404, "unsigned");
    let (_, body) =
        rest.call("POST", "/attachments/refresh-urls", json!({"attachment_urls": [first, "x"]})).await;
    let refreshed = &body["refreshed_urls"];
    assert_eq!((&refreshed[0]["original"], &refreshed[1]["refreshed"]), (&json!(first), &Value::Null));
    assert_eq!(rest.fetch(refreshed[0]["refreshed"].as_str().unwrap()).await, (200, "hello".to_owned()));
    assert_eq!(rest.fetch(rest.get(&path).await.1["attachments"][0]["url"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn too_large_too_many_and_missing_files_are_refused() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let channel = simulator.servers()[0].general_channel.get();
    let path = format!("/channels/{channel}/messages");
    let large = vec![b'x'; LIMIT + 1];
    let (status, body) = rest.upload("POST", &path, &json!({}), &[(0, "a.bin", &large)]).await;
    assert_eq!((status, &body["code"]), (413, &json!(40_005)));
    assert_eq!(rest.upload("POST", &path, &json!({}), &[(0, "a.bin", &large[..LIMIT])]).await.0, 200);
    let many: Vec<(u64, &str, &[u8])> = (0..11).map(|n| (n, "a.txt", &b"x"[..])).collect();
    assert_eq!(rest.upload("POST", &path, &json!({}), &many).await.1["code"], 30_015);
    let missing = json!({"content": "x", "attachments": [{"id": 3}]});
    assert_eq!(rest.upload("POST", &path, &missing, &[(0, "a.txt", b"x")]).await.1["code"], 50_146);
    assert_eq!(rest.upload("POST", &path, &json!({}), &[]).await.1["code"], 50_006);
}

#[tokio::test]
async fn embeds_and_components_refer_to_files_by_name() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let channel = simulator.servers()[0].general_channel.get();
    let path = format!("/channels/{channel}/messages");
    let embeds = json!({"embeds": [{"image": {"url": "attachment://a.png"}}]});
    let (_, message) = rest.upload("POST", &path, &embeds, &[(0, "a.png", b"png")]).await;
    assert_eq!(
        rest.fetch(message["embeds"][0]["image"]["url"].as_str().unwrap()).await,
        (200, "png".to_owned())
    );
    assert_eq!(message["attachments"], json!([]), "it stands in the embed");
    let components =
        json!({"flags": 1 << 15, "components": [{"type": 13, "file": {"url": "attachment://b.log"}}]});
    let (_, message) = rest.upload("POST", &path, &components, &[(0, "b.log", b"log")]).await;
    assert_eq!(rest.fetch(message["components"][0]["file"]["url"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn members_attach_files_where_they_may() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let file = json!({"filename": "a.bin", "base64": "aGVsbG8="});
    let say = json!({"channel": server.general_channel, "member": server.members[0], "files": [file]});
    let (status, body) = rest.control("POST", "/say", say).await;
    assert_eq!(status, 200, "{body}");
    let event = gateway.event("MESSAGE_CREATE").await;
    assert_eq!(rest.fetch(url(&event["attachments"][0])).await, (200, "hello".to_owned()));
    let everyone = helpline_sim::permissions::Target::Role(helpline_sim::ids::RoleId(server.id.get()));
    let deny = helpline_sim::permissions::Permissions::ATTACH_FILES;
    let none = helpline_sim::permissions::Permissions::NONE;
    simulator.set_overwrite(server.general_channel, everyone, Some((none, deny))).unwrap();
    let writing = || Writing { files: vec![File::text("a.txt", "x")], ..Writing::text("x") };
    let refused = simulator.write(server.general_channel, server.members[0], writing());
    assert!(matches!(refused, Err(ActionError::Forbidden(..))), "{refused:?}");
}
