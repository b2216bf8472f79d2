//! The REST API as a raw client sees it: messages, nonces, threads, limits, faults.

use crate::support::{Gateway, Rest, entry, id, simulator};
use helpline_sim::{Fault, Kind, Route, RouteLimits, Rule};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn the_gateway_the_bot_and_its_application_are_described() {
    let simulator = simulator(|config| (config.gateway_shards, config.max_concurrency) = (3, 2)).await;
    let rest = Rest::new(&simulator);
    let (status, gateway) = rest.get("/gateway/bot").await;
    assert_eq!(status, 200);
    assert_eq!((&gateway["url"], &gateway["shards"]), (&json!(simulator.gateway_url()), &json!(3)));
    assert_eq!(gateway["session_start_limit"]["max_concurrency"], 2);
    let bot = simulator.config().bot.get().to_string();
    assert_eq!(rest.get("/users/@me").await.1["id"], bot);
    assert_eq!(rest.get("/applications/@me").await.1["id"], bot);
    assert_eq!(rest.get("/oauth2/applications/@me").await.1["id"], bot);
    assert_eq!(rest.get("/nothing/here").await.0, 404);
}

#[tokio::test]
async fn a_wrong_token_is_unauthorised_everywhere_but_at_interactions() {
    let simulator = simulator(|_| {}).await;
    let wrong = Rest::new(&simulator).with_token("wrong");
    let channel = simulator.servers()[0].support_channel.get();
    let (status, body) =
        wrong.call("POST", &format!("/channels/{channel}/messages"), json!({"content": "x"})).await;
    assert_eq!((status, &body["message"]), (401, &json!("401: Unauthorized")));
    assert_eq!(wrong.get("/users/@me").await.0, 401);
    let (status, body) = wrong.call("POST", "/interactions/1/nonsense/callback", json!({"type": 5})).await;
    assert_eq!((status, &body["code"]), (404, &json!(10_062)));
    assert_eq!(wrong.call("POST", "/webhooks/1/nonsense", json!({"content": "x"})).await.1["code"], 10_015);
    assert_eq!(simulator.counters().rest_invalid, 2);
}

#[tokio::test]
async fn commands_are_overwritten_and_keep_their_ids() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    rest.register_ask(&simulator).await;
    let path = format!("/applications/{}/commands", simulator.config().bot.get());
    let before = rest.get(&path).await.1;
    rest.register_ask(&simulator).await;
    let after = rest.get(&path).await.1;
    assert_eq!(before[0]["id"], after[0]["id"]);
    assert_eq!(after[0]["options"][0]["name"], "question");
    assert_eq!(
        rest.call("PUT", &path, json!([{"name": "Not Allowed", "description": "x"}])).await.1["code"],
        50_035
    );
}

#[tokio::test]
async fn a_posted_message_is_returned_told_and_recorded() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[1].clone();
    let question = simulator.say(server.support_channel, server.members[0], "how?").unwrap();
    gateway.event("MESSAGE_CREATE").await;
    let button = json!({"type": 2, "style": 2, "label": "Ask a human", "custom_id": "human:1"});
    let body = json!({
        "content": format!("so <@{}> <@&{}> @everyone", server.members[1].get(), server.support_role.get()),
        "message_reference": {"message_id": question},
        "allowed_mentions": {"parse": [], "roles": [server.support_role]},
        "components": [{"type": 1, "components": [button]}],
        "nonce": "n1", "enforce_nonce": true,
    });
    let message = rest.post(server.support_channel.get(), body).await;
    assert_eq!(message["author"]["bot"], true);
    assert!(message.get("guild_id").is_none());
    let event = gateway.event("MESSAGE_CREATE").await;
    assert_eq!(event["guild_id"], server.id.get().to_string());
    assert_eq!(event["nonce"], "n1");
    assert_eq!(event["type"], 19);
    assert_eq!(event["referenced_message"]["content"], "how?");
    assert_eq!(event["mention_roles"], json!([server.support_role]));
    let recorded = entry(&simulator, |kind| matches!(kind, Kind::BotMessage(_))).await;
    let Kind::BotMessage(recorded) = &recorded.kind else { unreachable!() };
    assert_eq!(recorded.reference, Some(question));
    assert_eq!(recorded.components[0].custom_id, "human:1");
    assert_eq!(recorded.pinged.roles, [server.support_role]);
    assert!(recorded.pinged.users.is_empty() && !recorded.pinged.everyone);
}

#[tokio::test]
async fn a_nonce_is_enforced_within_its_window_and_forgotten_after_it() {
    let simulator = simulator(|config| config.nonce_window = Duration::from_millis(300)).await;
    let rest = Rest::new(&simulator);
    let channel = simulator.servers()[0].support_channel.get();
    let body = json!({"content": "once", "nonce": "abc", "enforce_nonce": true});
    let (one, two) = tokio::join!(rest.post(channel, body.clone()), rest.post(channel, body.clone()));
    assert_eq!(one["id"], two["id"], "also when both come at once");
    let loose = rest.post(channel, json!({"content": "once", "nonce": "abc"})).await;
    assert_ne!(loose["id"], one["id"], "not enforced");
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_ne!(rest.post(channel, body).await["id"], one["id"]);
    assert_eq!(simulator.counters().nonce_replays, 1);
    assert_eq!(simulator.counters().bot_messages, 3);
    entry(&simulator, |kind| matches!(kind, Kind::NonceReplay { nonce, .. } if nonce == "abc")).await;
}

#[tokio::test]
async fn a_thread_starts_once_from_a_message_and_has_its_id() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let question = simulator.say(server.support_channel, server.members[0], "how?").unwrap();
    let path = format!("/channels/{}/messages/{}/threads", server.support_channel.get(), question.get());
    let (status, thread) =
        rest.call("POST", &path, json!({"name": "how?", "auto_archive_duration": 60})).await;
    assert_eq!(status, 201);
    assert_eq!(id(&thread), question.get());
    assert_eq!((&thread["type"], &thread["parent_id"]), (&json!(11), &json!(server.support_channel)));
    gateway.event("MESSAGE_CREATE").await;
    let created = gateway.event("THREAD_CREATE").await;
    assert_eq!((id(&created), &created["newly_created"]), (question.get(), &json!(true)));
    assert_eq!(gateway.event("MESSAGE_UPDATE").await["thread"]["id"], thread["id"]);
    assert_eq!(gateway.event("MESSAGE_CREATE").await["type"], 21);
    assert_eq!(rest.call("POST", &path, json!({"name": "again"})).await.1["code"], 160_004);
    let posted = rest.post(question.get(), json!({"content": "in the thread"})).await;
    assert_eq!(posted["channel_id"], thread["id"]);
    let (_, fetched) = rest.get(&format!("/channels/{}", question.get())).await;
    assert_eq!(fetched["name"], "how?");
    assert_eq!(fetched["message_count"], 1);
    let archive =
        rest.call("PATCH", &format!("/channels/{}", question.get()), json!({"archived": true})).await;
    assert_eq!(archive.1["thread_metadata"]["archived"], true);
    let message = format!("/channels/{}/messages/{}", question.get(), id(&posted));
    assert_eq!(rest.call("PATCH", &message, json!({"content": "y"})).await.1["code"], 50_083);
    rest.post(question.get(), json!({"content": "x"})).await;
    let (_, opened) = rest.get(&format!("/channels/{}", question.get())).await;
    assert_eq!(opened["thread_metadata"]["archived"], false, "posting opens it again");
}

#[tokio::test]
async fn what_does_not_exist_or_fit_is_refused_with_discords_codes() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    let channel = server.support_channel.get();
    let asked = simulator.say(server.support_channel, server.members[0], "mine").unwrap().get();
    let cases = [
        ("POST", "/channels/1/messages".to_owned(), json!({"content": "x"}), 404, 10_003),
        ("GET", format!("/channels/{channel}/messages/1"), json!({}), 404, 10_008),
        ("PATCH", format!("/channels/{channel}/messages/1"), json!({"content": "x"}), 404, 10_008),
        ("PATCH", format!("/channels/{channel}/messages/{asked}"), json!({"content": "x"}), 403, 50_005),
        ("POST", format!("/channels/{channel}/messages"), json!({"content": " "}), 400, 50_006),
        ("POST", format!("/channels/{channel}/messages"), json!({"content": "x".repeat(2_001)}), 400, 50_035),
        ("POST", format!("/channels/{channel}/messages"), json!({"content": 5}), 400, 50_035),
        (
            "POST",
            format!("/channels/{channel}/messages"),
            json!({"content": "x", "message_reference": {"message_id": "9"}}),
            400,
            50_035,
        ),
        ("POST", format!("/channels/{channel}/messages/1/threads"), json!({"name": "x"}), 404, 10_008),
        ("POST", format!("/channels/{channel}/messages/{asked}/threads"), json!({}), 400, 50_035),
        ("POST", "/channels/1/typing".to_owned(), json!({}), 404, 10_003),
        ("GET", "/channels/abc".to_owned(), json!({}), 400, 50_035),
        ("GET", "/guilds/1".to_owned(), json!({}), 404, 10_004),
    ];
    for (method, path, body, status, code) in cases {
        let got = rest.call(method, &path, body).await;
        assert_eq!((got.0, &got.1["code"]), (status, &json!(code)), "{method} {path}: {}", got.1);
    }
    let long = rest
        .call("POST", &format!("/channels/{channel}/messages"), json!({"content": "x".repeat(2_001)}))
        .await;
    let expected = json!([{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}]);
    assert_eq!(long.1["errors"]["content"]["_errors"], expected);
    assert_eq!(simulator.counters().bot_messages, 0);
}

#[tokio::test]
async fn messages_are_edited_deleted_and_listed_newest_first() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let channel = simulator.servers()[0].support_channel.get();
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(id(&rest.post(channel, json!({"content": format!("{n}")})).await));
    }
    let edited = rest
        .call("PATCH", &format!("/channels/{channel}/messages/{}", ids[5]), json!({"content": "new"}))
        .await;
    assert!(edited.1["edited_timestamp"].is_string());
    assert_eq!(rest.get(&format!("/channels/{channel}/messages/{}", ids[5])).await.1["content"], "new");
    let list = |query: String| {
        let (rest, ids) = (rest.clone(), ids.clone());
        async move {
            let (_, list) = rest.get(&format!("/channels/{channel}/messages?{query}")).await;
            let position = |message: &Value| ids.iter().position(|of| *of == id(message)).unwrap();
            list.as_array().unwrap().iter().map(position).collect::<Vec<_>>()
        }
    };
    assert_eq!(list("limit=2".to_owned()).await, [5, 4]);
    assert_eq!(list(format!("before={}&limit=2", ids[3])).await, [2, 1]);
    assert_eq!(list(format!("after={}&limit=2", ids[1])).await, [3, 2]);
    assert_eq!(list(format!("around={}&limit=3", ids[3])).await, [4, 3, 2]);
    let gone =
        rest.try_send("DELETE", &format!("/channels/{channel}/messages/{}", ids[0]), None).await.unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(list("limit=100".to_owned()).await, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn headers_tell_the_limit_and_a_429_says_how_long_to_wait() {
    let limits = RouteLimits::off()
        .with(Route::CreateMessage, Some(Rule { limit: 2, per: Duration::from_millis(600) }));
    let simulator = simulator(|config| config.route_limits = limits).await;
    let rest = Rest::new(&simulator);
    let path = |n: usize| format!("/channels/{}/messages", simulator.servers()[n].support_channel.get());
    let first = rest.response("POST", &path(0), json!({"content": "1"})).await;
    let header = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header(&first, "x-ratelimit-limit").unwrap(), "2");
    assert_eq!(header(&first, "x-ratelimit-remaining").unwrap(), "1");
    assert!(header(&first, "x-ratelimit-scope").is_none() && header(&first, "retry-after").is_none());
    let bucket = header(&first, "x-ratelimit-bucket").unwrap();
    rest.response("POST", &path(0), json!({"content": "2"})).await;
    let refused = rest.response("POST", &path(0), json!({"content": "3"})).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-ratelimit-scope").unwrap(), "user");
    assert_eq!(header(&refused, "x-ratelimit-remaining").unwrap(), "0");
    assert!(header(&refused, "x-ratelimit-global").is_none());
    assert_eq!(header(&refused, "retry-after").unwrap(), "1");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["global"], false);
    let other = rest.response("POST", &path(1), json!({"content": "elsewhere"})).await;
    assert_eq!((other.status().as_u16(), header(&other, "x-ratelimit-bucket").unwrap()), (200, bucket));
    tokio::time::sleep(Duration::from_secs_f64(body["retry_after"].as_f64().unwrap())).await;
    assert_eq!(rest.response("POST", &path(0), json!({"content": "3"})).await.status(), 200);
    assert_eq!((simulator.counters().rest_429, simulator.counters().rest_invalid), (1, 1));
    entry(&simulator, |kind| *kind == Kind::RateLimited { route: "create_message", scope: "user" }).await;
}

#[tokio::test]
async fn the_global_limit_covers_all_routes_but_interactions_and_can_be_changed() {
    let simulator = simulator(|config| config.rest_global_per_s = Some(3)).await;
    let rest = Rest::new(&simulator);
    let mut refused = None;
    for _ in 0..8 {
        let response = rest.try_send("GET", "/users/@me", None).await.unwrap();
        if response.status() == 429 {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.expect("eight requests at once are more than three a second");
    assert_eq!(refused.headers()["x-ratelimit-global"], "true");
    assert_eq!(refused.headers()["x-ratelimit-scope"], "global");
    assert_eq!(refused.json::<Value>().await.unwrap()["global"], true);
    assert_eq!(rest.call("POST", "/interactions/1/x/callback", json!({"type": 5})).await.0, 404);
    simulator.set_rest_global_per_s(None);
    assert_eq!(rest.get("/users/@me").await.0, 200);
}

#[tokio::test]
async fn too_many_invalid_requests_ban_the_client() {
    let simulator = simulator(|config| config.invalid_request_limit = 3).await;
    let wrong = Rest::new(&simulator).with_token("wrong");
    for _ in 0..3 {
        assert_eq!(wrong.get("/users/@me").await.0, 401);
    }
    assert_eq!(Rest::new(&simulator).get("/users/@me").await.0, 429);
    assert_eq!(simulator.counters().rest_banned, 1);
}

#[tokio::test]
async fn faults_fail_before_and_after_a_request_is_carried_out() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let channel = simulator.servers()[0].support_channel.get();
    let path = format!("/channels/{channel}/messages");
    let posted = || simulator.counters().bot_messages;
    simulator.fail_next(Some(Route::CreateMessage), 1, Fault::Status(503));
    assert_eq!(rest.get("/users/@me").await.0, 200);
    assert_eq!((rest.call("POST", &path, json!({"content": "a"})).await.0, posted()), (503, 0));
    simulator.fail_next(None, 1, Fault::StatusAfter(500));
    assert_eq!((rest.call("POST", &path, json!({"content": "b"})).await.0, posted()), (500, 1));
    simulator.fail_next(None, 1, Fault::DropRequest);
    assert!(rest.try_send("POST", &path, Some(json!({"content": "c"}))).await.is_err());
    assert_eq!(posted(), 1);
    simulator.fail_next(None, 1, Fault::DropAnswer);
    let body = json!({"content": "d", "nonce": "d", "enforce_nonce": true});
    assert!(rest.try_send("POST", &path, Some(body.clone())).await.is_err());
    assert_eq!(posted(), 2, "carried out, the answer lost");
    assert_eq!(rest.post(channel, body).await["content"], "d");
    assert_eq!(posted(), 2, "the retry finds the nonce");
    simulator.fail_next(None, 1, Fault::StallMs(120));
    let began = std::time::Instant::now();
    rest.post(channel, json!({"content": "e"})).await;
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn the_control_api_steers_the_simulator() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    let (_, servers) = rest.control("GET", "/servers", json!({})).await;
    assert_eq!(servers[0]["id"], server.id.get().to_string());
    let say = json!({"channel": server.support_channel, "member": server.members[0], "text": "hello"});
    let (status, said) = rest.control("POST", "/say", say).await;
    assert_eq!(status, 200);
    let (_, page) = rest.control("GET", "/transcript?after=0&limit=10", json!({})).await;
    let entry = &page["entries"][0];
    assert_eq!((&entry["kind"], &entry["id"]), (&json!("member_message"), &said["message"]));
    assert_eq!(page["next"], 1);
    let (status, refused) =
        rest.control("POST", "/say", json!({"channel": "1", "member": "2", "text": "x"})).await;
    assert_eq!((status, &refused["error"]), (422, &json!("there is no channel 1")));
    rest.control("POST", "/faults", json!({"route": "current_user", "fault": {"status": 502}})).await;
    assert_eq!(rest.get("/users/@me").await.0, 502);
    rest.control("POST", "/limits", json!({"global_per_s": 1, "limits": ["typing=1/60s"]})).await;
    rest.get("/users/@me").await;
    assert_eq!(rest.get("/users/@me").await.0, 429);
    assert_eq!(rest.control("POST", "/limits", json!({"global_per_s": 0})).await.0, 422);
    let (_, counters) = rest.control("GET", "/counters", json!({})).await;
    assert_eq!(counters["member_messages"], 1);
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    rest.control("POST", "/reconnect", json!({})).await;
    assert_eq!(gateway.next().await.payload()["op"], 7);
    let (_, known) = rest.control("POST", "/invalidate", json!({"session": ready["session_id"]})).await;
    assert_eq!(known["known"], true);
}
