//! What a client may send over the gateway once it has a session, intents, and events of gateway shard 0.

use crate::support::{ALL_INTENTS, Gateway, Got, Rest, simulator};
use helpline_sim::{Holder, SkuKind, Status, SubscriptionChange, intents};
use serde_json::{Value, json};
use std::time::Duration;

const EVERYTHING: u64 = ALL_INTENTS | intents::GUILD_MEMBERS | intents::GUILD_PRESENCES;

async fn asked(gateway: &mut Gateway, d: Value) -> Value {
    gateway.send(json!({"op": 8, "d": d})).await;
    gateway.event("GUILD_MEMBERS_CHUNK").await
}

fn names(chunk: &Value) -> Vec<String> {
    let members = chunk["members"].as_array().unwrap();
    members.iter().map(|member| member["user"]["username"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn all_members_come_in_chunks_of_a_thousand_with_their_nonce() {
    let simulator = simulator(|config| {
        (config.servers, config.members_per_server, config.staff_per_server) = (1, 990, 10);
    })
    .await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, _) = Gateway::identified_with(&simulator, EVERYTHING, [0, 1]).await;
    let request = json!({"guild_id": server.id, "query": "", "limit": 0, "presences": true, "nonce": "n1"});
    let first = asked(&mut gateway, request).await;
    assert_eq!((&first["chunk_index"], &first["chunk_count"]), (&json!(0), &json!(2)));
    assert_eq!((first["members"].as_array().unwrap().len(), &first["nonce"]), (1_000, &json!("n1")));
    assert_eq!(first["presences"].as_array().unwrap().len(), 1_000);
    let second = gateway.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!((&second["chunk_index"], names(&second)), (&json!(1), vec!["helpline".to_owned()]));
}

#[tokio::test]
async fn members_are_found_by_prefix_and_by_id_and_unknown_ids_are_named() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let one = asked(&mut gateway, json!({"guild_id": server.id, "user_ids": server.members[3]})).await;
    let name = names(&one).remove(0);
    assert!(one.get("presences").is_none() && one.get("not_found").is_none());
    let ids = json!([server.members[3], "5", server.staff[0]]);
    let some =
        asked(&mut gateway, json!({"guild_id": [server.id], "user_ids": ids, "presences": true})).await;
    assert_eq!((names(&some).len(), &some["not_found"]), (2, &json!(["5"])));
    assert!(some.get("presences").is_none(), "the intent is missing");
    let prefix = &name.to_uppercase()[..2];
    let found = asked(&mut gateway, json!({"guild_id": server.id, "query": prefix, "limit": 5})).await;
    assert!(names(&found).contains(&name), "{found}");
    assert!(names(&found).iter().all(|found| found.starts_with(&prefix.to_lowercase())));
    let long = "x".repeat(33);
    let nobody = json!({"guild_id": server.id, "query": "zzz", "limit": 1, "nonce": long});
    let nobody = asked(&mut gateway, nobody).await;
    assert_eq!((names(&nobody).len(), &nobody["chunk_count"]), (0, &json!(1)));
    assert!(nobody.get("nonce").is_none(), "too long a nonce is ignored");
}

#[tokio::test]
async fn all_members_need_their_intent_and_the_gateway_shard_of_the_server() {
    let simulator = simulator(|config| (config.gateway_shards, config.max_concurrency) = (2, 2)).await;
    let mine = simulator.servers().iter().find(|server| server.gateway_shard(2) == 0).unwrap().clone();
    let other = simulator.servers().iter().find(|server| server.gateway_shard(2) == 1).unwrap().clone();
    let (mut bare, _) = Gateway::identified_with(&simulator, ALL_INTENTS, [0, 2]).await;
    let request = |id| json!({"op": 8, "d": {"guild_id": id, "query": "", "limit": 0}});
    bare.send(request(mine.id)).await;
    assert!(bare.quiet().await, "GUILD_MEMBERS is missing");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (mut full, _) = Gateway::identified_with(&simulator, EVERYTHING, [0, 2]).await;
    full.send(request(other.id)).await;
    full.send(request(mine.id)).await;
    let chunk = full.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["guild_id"], json!(mine.id));
    assert!(full.quiet().await && bare.quiet().await);
}

#[tokio::test]
async fn whole_member_lists_are_limited_per_server_and_the_client_is_told() {
    let simulator = simulator(|_| {}).await;
    let (one, two) = (simulator.servers()[0].clone(), simulator.servers()[1].clone());
    let (mut gateway, _) = Gateway::identified_with(&simulator, EVERYTHING, [0, 1]).await;
    let all = |id| json!({"guild_id": id, "query": "", "limit": 0, "nonce": "again"});
    asked(&mut gateway, all(one.id)).await;
    gateway.send(json!({"op": 8, "d": all(one.id)})).await;
    let limited = gateway.event("RATE_LIMITED").await;
    assert_eq!(limited["opcode"], 8);
    let retry = limited["retry_after"].as_f64().unwrap();
    assert!(retry > 0.0 && retry <= 30.0, "{retry}");
    assert_eq!(limited["meta"], json!({"guild_id": one.id, "nonce": "again"}));
    asked(&mut gateway, all(two.id)).await;
    asked(&mut gateway, json!({"guild_id": one.id, "query": "", "limit": 3})).await;
}

#[tokio::test]
async fn payloads_that_do_not_fit_their_opcode_close_with_4002() {
    let simulator = simulator(|_| {}).await;
    let presence = |status: &str| json!({"since": null, "activities": [], "status": status, "afk": false});
    for wrong in [
        json!({"op": 3, "d": {}}),
        json!({"op": 3, "d": presence("sleeping")}),
        json!({"op": 3, "d": {"since": null, "activities": [{"name": "x", "type": 9}], "status": "dnd", "afk": false}}),
        json!({"op": 4, "d": {"guild_id": 5}}),
        json!({"op": 8, "d": {"query": ""}}),
        json!({"op": 8, "d": {"guild_id": "5"}}),
        json!({"op": 8, "d": {"guild_id": "5", "query": "a"}}),
        json!({"op": 31, "d": {}}),
        json!({"op": 43, "d": {"guild_id": "5"}}),
        json!({"op": 1, "d": "five"}),
        json!({"d": 5}),
    ] {
        tokio::time::sleep(Duration::from_millis(3)).await;
        let (mut gateway, _) = Gateway::identified(&simulator).await;
        gateway.send(wrong.clone()).await;
        assert_eq!(gateway.next().await, Got::Closed(4002), "{wrong}");
    }
}

#[tokio::test]
async fn presence_voice_sounds_and_channel_info_are_taken_as_documented() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    assert_eq!(simulator.sessions()[0].status, Status::Online);
    let activity = json!({"name": "questions", "type": 3});
    let d = json!({"since": 91_879_201, "activities": [activity], "status": "dnd", "afk": false});
    gateway.send(json!({"op": 3, "d": d})).await;
    let voice = json!({"guild_id": server.id, "channel_id": null, "self_mute": false, "self_deaf": false});
    gateway.send(json!({"op": 4, "d": voice})).await;
    gateway.send(json!({"op": 31, "d": {"guild_ids": [server.id, "5"]}})).await;
    let sounds = gateway.event("SOUNDBOARD_SOUNDS").await;
    assert_eq!(sounds, json!({"guild_id": server.id, "soundboard_sounds": []}));
    gateway.send(json!({"op": 43, "d": {"guild_id": server.id, "fields": ["status"]}})).await;
    assert_eq!(gateway.event("CHANNEL_INFO").await, json!({"guild_id": server.id, "channels": []}));
    assert_eq!(simulator.sessions()[0].status, Status::Dnd);
}

#[tokio::test]
async fn each_event_comes_only_with_its_intent() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let member = server.members[0];
    let dm = simulator.dm_channel(member).unwrap();
    let cases = [
        (intents::GUILD_MESSAGES, "MESSAGE_CREATE", Some("in the server")),
        (intents::DIRECT_MESSAGES, "MESSAGE_CREATE", Some("direct")),
        (intents::GUILD_MESSAGE_TYPING, "TYPING_START", None),
        (intents::DIRECT_MESSAGE_TYPING, "TYPING_START", None),
    ];
    for (intent, name, text) in cases {
        tokio::time::sleep(Duration::from_millis(3)).await;
        let mut gateway = Gateway::connect(&simulator, "").await;
        gateway.next().await;
        gateway.identify(simulator.token(), intent | intents::MESSAGE_CONTENT, [0, 1]).await;
        gateway.event("READY").await;
        simulator.type_in(server.support_channel, member).unwrap();
        simulator.type_in(dm, member).unwrap();
        simulator.say(server.support_channel, member, "in the server").unwrap();
        simulator.say(dm, member, "direct").unwrap();
        let event = gateway.event(name).await;
        match text {
            Some(text) => assert_eq!(event["content"], text, "{intent:#x}"),
            None => {
                let in_server = intent == intents::GUILD_MESSAGE_TYPING;
                assert_eq!(event.get("guild_id").is_some(), in_server, "{intent:#x}");
            }
        }
        assert!(gateway.quiet().await, "nothing but {name} for {intent:#x}, not even GUILD_CREATE");
    }
}

#[tokio::test]
async fn totals_live_side_by_side_while_a_bot_changes_its_number_of_gateway_shards() {
    let simulator = simulator(|config| config.max_concurrency = 4).await;
    let mut old = Vec::new();
    let mut new = Vec::new();
    for shard in 0..2 {
        old.push(Gateway::identified_with(&simulator, ALL_INTENTS, [shard, 2]).await.0);
    }
    for shard in 0..3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        new.push(Gateway::identified_with(&simulator, ALL_INTENTS, [shard, 3]).await.0);
    }
    for server in simulator.servers() {
        let id = simulator.say(server.support_channel, server.members[0], "to both").unwrap();
        for (total, gateways) in [(2, &mut old), (3, &mut new)] {
            let mine = usize::try_from(server.gateway_shard(total)).unwrap();
            assert_eq!(gateways[mine].event("MESSAGE_CREATE").await["id"], json!(id));
        }
    }
    for gateway in old.iter_mut().chain(&mut new) {
        assert!(gateway.quiet().await, "each gets its own servers' events alone");
    }
}

#[tokio::test]
async fn entitlements_and_subscriptions_reach_gateway_shard_0_alone() {
    let simulator = simulator(|config| (config.gateway_shards, config.max_concurrency) = (2, 2)).await;
    let server = simulator.servers().iter().find(|server| server.gateway_shard(2) == 1).unwrap().clone();
    let (mut zero, _) = Gateway::identified_with(&simulator, ALL_INTENTS, [0, 2]).await;
    let (mut one, _) = Gateway::identified_with(&simulator, ALL_INTENTS, [1, 2]).await;
    let granted = simulator.grant_entitlement(Holder::Guild(server.id), SkuKind::Durable, None);
    let created = zero.event("ENTITLEMENT_CREATE").await;
    assert_eq!((&created["id"], &created["guild_id"]), (&json!(granted), &json!(server.id)));
    assert!(simulator.end_entitlement(granted) && !simulator.end_entitlement(granted));
    let ended = zero.event("ENTITLEMENT_UPDATE").await;
    assert_eq!((ended["ends_at"].is_string(), &ended["deleted"]), (true, &json!(false)));
    assert!(simulator.delete_entitlement(granted) && !simulator.delete_entitlement(granted));
    assert_eq!(zero.event("ENTITLEMENT_DELETE").await["deleted"], true);
    let subscription = simulator.subscribe_to(server.staff[0], Some(server.id));
    let created = zero.event("ENTITLEMENT_CREATE").await;
    assert_eq!((&created["type"], &created["subscription_id"]), (&json!(8), &json!(subscription)));
    let begun = zero.event("SUBSCRIPTION_CREATE").await;
    assert_eq!((&begun["status"], &begun["entitlement_ids"]), (&json!(0), &json!([created["id"]])));
    assert!(simulator.change_subscription(subscription, SubscriptionChange::Cancel));
    let ending = zero.event("SUBSCRIPTION_UPDATE").await;
    assert_eq!((&ending["status"], ending["canceled_at"].is_string()), (&json!(2), true));
    assert!(simulator.change_subscription(subscription, SubscriptionChange::End));
    assert_eq!(zero.event("SUBSCRIPTION_UPDATE").await["status"], 1);
    assert!(zero.event("ENTITLEMENT_UPDATE").await["ends_at"].is_string());
    assert!(simulator.change_subscription(subscription, SubscriptionChange::Delete));
    zero.event("SUBSCRIPTION_DELETE").await;
    zero.event("ENTITLEMENT_DELETE").await;
    assert!(one.quiet().await && zero.quiet().await);
}

#[tokio::test]
async fn entitlements_are_listed_filtered_consumed_and_tested_over_rest() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    let user = server.members[0];
    let base = format!("/applications/{}", simulator.config().bot.get());
    let (status, skus) = rest.get(&format!("{base}/skus")).await;
    assert_eq!((status, skus.as_array().unwrap().len()), (200, 6));
    let consumable = skus.as_array().unwrap().iter().find(|sku| sku["type"] == 3).unwrap()["id"].clone();
    let ended = simulator.grant_entitlement(Holder::User(user), SkuKind::Consumable, Some(Duration::ZERO));
    let lasting = simulator.grant_entitlement(Holder::User(user), SkuKind::Consumable, None);
    let other = simulator.grant_entitlement(Holder::Guild(server.id), SkuKind::Durable, None);
    simulator.delete_entitlement(simulator.grant_entitlement(Holder::User(user), SkuKind::Durable, None));
    let list = |query: &'static str| {
        let (rest, path) = (rest.clone(), format!("{base}/entitlements{query}"));
        async move {
            let (_, list) = rest.get(&path).await;
            list.as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
        }
    };
    assert_eq!(list("").await, [json!(ended), json!(lasting), json!(other)]);
    assert_eq!(list("?exclude_ended=true").await, [json!(lasting), json!(other)]);
    assert_eq!(list("?exclude_deleted=false").await.len(), 4);
    assert_eq!(list("?limit=1").await, [json!(other)]);
    assert_eq!(rest.get(&format!("{base}/entitlements?limit=101")).await.1["code"], 50_035);
    let consume = |id: helpline_sim::ids::EntitlementId| format!("{base}/entitlements/{}/consume", id.get());
    assert_eq!(rest.call("POST", &consume(lasting), json!({})).await.0, 204);
    assert_eq!(rest.call("POST", &consume(other), json!({})).await.1["code"], 40_018);
    let one = rest.get(&format!("{base}/entitlements/{}", lasting.get())).await.1;
    assert_eq!((&one["consumed"], &one["sku_id"]), (&json!(true), &consumable));
    let test = json!({"sku_id": consumable, "owner_id": user, "owner_type": 2});
    let (status, test) = rest.call("POST", &format!("{base}/entitlements"), test).await;
    assert_eq!((status, &test["type"], test.get("starts_at")), (200, &json!(4), None));
    let path = format!("{base}/entitlements/{}", test["id"].as_str().unwrap());
    assert_eq!(rest.call("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(
        rest.call("DELETE", &path.replace(test["id"].as_str().unwrap(), "5"), Value::Null).await.1["code"],
        10_029
    );
    let bought = format!("{base}/entitlements/{}", other.get());
    assert_eq!(rest.call("DELETE", &bought, Value::Null).await.1["code"], 40_019);
}

#[tokio::test]
async fn an_interaction_tells_what_its_user_and_its_server_are_entitled_to() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let server = simulator.servers()[0].clone();
    rest.register_ask(&simulator).await;
    let mine = simulator.grant_entitlement(Holder::User(server.members[0]), SkuKind::Durable, None);
    let ours = simulator.grant_entitlement(Holder::Guild(server.id), SkuKind::GuildSubscription, None);
    simulator.grant_entitlement(Holder::User(server.members[1]), SkuKind::Durable, None);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    simulator.slash(server.support_channel, server.members[0], "ask", &[("question", json!("why"))]).unwrap();
    let told = gateway.event("INTERACTION_CREATE").await["entitlements"].clone();
    let ids: Vec<&Value> = told.as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(mine), &json!(ours)]);
}
