//! Rate limits as a client meets them: buckets that are told and not told, sublimits, resources, the global
//! limit, and the ban for invalid requests.

use crate::support::{Rest, entry, simulator};
use helpline_sim::{Config, Fault, Kind, Route, RouteLimits, Rule, Scope, Simulator, Sublimit};
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A clock that stands still makes windows end when the test says so.
async fn standing(limits: RouteLimits, change: impl FnOnce(&mut Config)) -> (Simulator, Rest) {
    let simulator = simulator(|config| {
        config.route_limits = limits;
        config.logical_clock = true;
        change(config);
    })
    .await;
    let rest = Rest::new(&simulator);
    (simulator, rest)
}

fn header(response: &reqwest::Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

fn number(response: &reqwest::Response, name: &str) -> f64 {
    header(response, name).unwrap().parse().unwrap()
}

fn messages(simulator: &Simulator, server: usize) -> String {
    format!("/channels/{}/messages", simulator.servers()[server].support_channel.get())
}

#[tokio::test]
async fn a_limit_that_is_not_announced_shows_only_with_its_429() {
    let mut limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(2, 60)));
    limits.announce(Route::CreateMessage, false);
    let (simulator, rest) = standing(limits, |_| {}).await;
    for _ in 0..2 {
        let passed = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
        assert_eq!(passed.status(), 200);
        assert!(passed.headers().keys().all(|name| !name.as_str().starts_with("x-ratelimit")));
    }
    let refused = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-ratelimit-limit").unwrap(), "2");
    assert_eq!(header(&refused, "x-ratelimit-remaining").unwrap(), "0");
    assert_eq!(header(&refused, "x-ratelimit-scope").unwrap(), "user");
    assert!(header(&refused, "x-ratelimit-bucket").is_some());
    let elsewhere = rest.response("POST", &messages(&simulator, 1), json!({"content": "x"})).await;
    assert_eq!(elsewhere.status(), 200, "another channel has a window of its own");
}

#[tokio::test]
async fn routes_that_share_a_bucket_use_up_each_others_requests() {
    let mut limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(2, 60)));
    limits.share(Route::Typing, Route::CreateMessage);
    let (simulator, rest) = standing(limits, |_| {}).await;
    let typing = format!("/channels/{}/typing", simulator.servers()[0].support_channel.get());
    let said = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    let typed = rest.response("POST", &typing, json!({})).await;
    assert_eq!(header(&said, "x-ratelimit-bucket"), header(&typed, "x-ratelimit-bucket"));
    assert_eq!(header(&typed, "x-ratelimit-remaining").unwrap(), "0");
    assert_eq!(rest.call("POST", &messages(&simulator, 0), json!({"content": "x"})).await.0, 429);
}

#[tokio::test]
async fn a_bucket_may_change_its_name_while_its_window_goes_on() {
    let limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(3, 60)));
    let (simulator, rest) = standing(limits, |_| {}).await;
    let before = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    assert_eq!(rest.control("POST", "/limits", json!({"rename_buckets": true})).await.0, 200);
    let after = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    assert_ne!(header(&before, "x-ratelimit-bucket"), header(&after, "x-ratelimit-bucket"));
    assert_eq!(header(&after, "x-ratelimit-remaining").unwrap(), "1");
}

#[tokio::test]
async fn renaming_a_channel_hits_a_limit_that_the_headers_never_told() {
    let mut limits = RouteLimits::off().with(Route::ModifyChannel, Some(Rule::per_s(10, 15)));
    limits.set_sublimit(Sublimit::ChannelRename, Some(Rule::per_s(2, 600)));
    let (simulator, rest) = standing(limits, |_| {}).await;
    let server = simulator.servers()[0].clone();
    let question = simulator.say(server.support_channel, server.members[0], "how?").unwrap();
    let start = format!("/channels/{}/messages/{}/threads", server.support_channel.get(), question.get());
    assert_eq!(rest.call("POST", &start, json!({"name": "how?"})).await.0, 201);
    let thread = format!("/channels/{}", question.get());
    for name in ["one", "two"] {
        assert_eq!(rest.call("PATCH", &thread, json!({"name": name})).await.0, 200);
    }
    assert_eq!(rest.call("PATCH", &thread, json!({"archived": false})).await.0, 200, "no rename");
    let refused = rest.response("PATCH", &thread, json!({"name": "three"})).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-ratelimit-scope").unwrap(), "shared");
    assert_eq!(header(&refused, "x-ratelimit-remaining").unwrap(), "6", "the headers show the other limit");
    assert!(number(&refused, "x-ratelimit-reset-after") <= 15.0);
    assert!(number(&refused, "retry-after") > 500.0);
    let body: Value = refused.json().await.unwrap();
    assert!(body["retry_after"].as_f64().unwrap() > 500.0);
    assert_eq!(rest.get(&thread).await.1["name"], "two");
    assert_eq!(simulator.counters().rest_invalid, 0, "shared limits are not held against the bot");
    simulator.advance(Duration::from_secs(601));
    assert_eq!(rest.call("PATCH", &thread, json!({"name": "three"})).await.0, 200);
}

#[tokio::test]
async fn edits_of_messages_older_than_an_hour_are_limited_with_a_code() {
    let mut limits = RouteLimits::off();
    limits.set_sublimit(Sublimit::OldEdits, Some(Rule::per_s(1, 600)));
    let (simulator, rest) = standing(limits, |_| {}).await;
    let channel = simulator.servers()[0].support_channel.get();
    let message = crate::support::id(&rest.post(channel, json!({"content": "x"})).await);
    let path = format!("/channels/{channel}/messages/{message}");
    for n in 0..3 {
        assert_eq!(rest.call("PATCH", &path, json!({"content": format!("young {n}")})).await.0, 200);
    }
    simulator.advance(Duration::from_secs(3_700));
    assert_eq!(rest.call("PATCH", &path, json!({"content": "old"})).await.0, 200);
    let (status, body) = rest.call("PATCH", &path, json!({"content": "older"})).await;
    assert_eq!((status, &body["code"]), (429, &json!(30_046)), "{body}");
}

#[tokio::test]
async fn a_channel_that_is_limited_itself_refuses_with_scope_shared_and_is_not_held_against_the_bot() {
    let limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(5, 60)));
    let (simulator, rest) = standing(limits, |_| {}).await;
    let channel = simulator.servers()[0].support_channel;
    let wish = json!({"id": channel, "for_ms": 30_000, "code": 20_028});
    assert_eq!(rest.control("POST", "/limits/resource", wish).await.0, 200);
    let refused = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-ratelimit-scope").unwrap(), "shared");
    assert_eq!(header(&refused, "x-ratelimit-remaining").unwrap(), "4");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], 20_028);
    assert_eq!(rest.call("POST", &messages(&simulator, 1), json!({"content": "x"})).await.0, 200);
    assert_eq!((simulator.counters().rest_429, simulator.counters().rest_invalid), (1, 0));
    simulator.advance(Duration::from_secs(31));
    assert_eq!(rest.call("POST", &messages(&simulator, 0), json!({"content": "x"})).await.0, 200);
    entry(&simulator, |kind| *kind == Kind::RateLimited { route: "create_message", scope: "shared" }).await;
}

#[tokio::test]
async fn a_server_that_is_limited_refuses_in_all_its_channels() {
    let (simulator, rest) = standing(RouteLimits::off(), |_| {}).await;
    let server = simulator.servers()[0].clone();
    simulator.limit_resource(server.id.get(), Duration::from_secs(30), Some(20_029));
    let (status, body) = rest.call("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    assert_eq!((status, &body["code"]), (429, &json!(20_029)));
    assert_eq!(rest.get(&format!("/guilds/{}/roles", server.id.get())).await.0, 429);
    assert_eq!(rest.call("POST", &messages(&simulator, 1), json!({"content": "x"})).await.0, 200);
}

#[tokio::test]
async fn a_window_that_is_longer_than_announced_refuses_once_more_and_then_tells_the_truth() {
    let limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(1, 60)));
    let (simulator, rest) = standing(limits, |config| config.window_jitter = Duration::from_secs(20)).await;
    let mut longer = 0;
    for server in 0..simulator.servers().len() {
        let path = messages(&simulator, server);
        let first = rest.response("POST", &path, json!({"content": "1"})).await;
        let announced = number(&first, "x-ratelimit-reset-after");
        assert!((59.0..=60.0).contains(&announced), "{announced} is not what the rule says");
        simulator.advance(Duration::from_secs_f64(announced));
        let again = rest.response("POST", &path, json!({"content": "2"})).await;
        if again.status() == 429 {
            longer += 1;
            let left = again.json::<Value>().await.unwrap()["retry_after"].as_f64().unwrap();
            assert!(left > 0.0 && left <= 20.0, "{left}");
            simulator.advance(Duration::from_secs_f64(left));
            assert_eq!(rest.call("POST", &path, json!({"content": "2"})).await.0, 200);
        }
    }
    assert!(longer > 0, "with this seed at least one of the windows is longer than announced");
}

#[tokio::test]
async fn the_reset_header_is_on_the_simulators_clock() {
    let limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(5, 60)));
    let (simulator, rest) = standing(limits, |config| {
        config.start_unix_ms = Some(1_700_000_000_000);
        config.skew.offset_ms = 90_000;
    })
    .await;
    let passed = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    let reset = number(&passed, "x-ratelimit-reset");
    assert!((1_700_000_150.0..1_700_000_151.0).contains(&reset), "{reset}");
}

#[tokio::test]
async fn a_global_429_says_so_and_shows_no_bucket() {
    let limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(5, 60)));
    let (simulator, rest) = standing(limits, |config| config.rest_global_per_s = Some(1)).await;
    assert_eq!(rest.call("POST", &messages(&simulator, 0), json!({"content": "x"})).await.0, 200);
    let refused = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-ratelimit-global").unwrap(), "true");
    assert_eq!(header(&refused, "x-ratelimit-scope").unwrap(), "global");
    assert!(header(&refused, "x-ratelimit-bucket").is_none());
    assert_eq!(refused.json::<Value>().await.unwrap()["global"], true);
    assert_eq!(rest.call("POST", "/interactions/1/x/callback", json!({"type": 5})).await.0, 404);
}

#[tokio::test]
async fn the_ban_begins_with_the_last_of_the_budget_and_ends_after_its_length() {
    let (simulator, rest) = standing(RouteLimits::off(), |config| {
        config.invalid_request_limit = 3;
        config.ban = 5 * MINUTE;
    })
    .await;
    let wrong = rest.with_token("wrong");
    for _ in 0..3 {
        assert_eq!(wrong.get("/users/@me").await.0, 401);
    }
    let banned = rest.try_send("GET", "/users/@me", None).await.unwrap();
    assert_eq!(banned.status(), 429);
    assert_eq!(header(&banned, "retry-after").unwrap(), "300");
    assert!(header(&banned, "via").is_none(), "libraries know a ban by it");
    assert!(header(&banned, "content-type").unwrap().starts_with("text/html"));
    let reply = rest.response("POST", "/interactions/1/x/callback", json!({"type": 5})).await;
    assert_eq!(reply.status(), 429, "an address is banned, so nothing is exempt");
    simulator.advance(5 * MINUTE);
    let free = rest.try_send("GET", "/users/@me", None).await.unwrap();
    assert_eq!((free.status().as_u16(), header(&free, "via").is_some()), (200, true));
}

#[tokio::test]
async fn webhooks_that_are_not_there_are_counted_apart() {
    let (simulator, rest) = standing(RouteLimits::off(), |config| config.invalid_request_limit = 2).await;
    for _ in 0..4 {
        assert_eq!(rest.call("POST", "/webhooks/1/nonsense", json!({"content": "x"})).await.0, 404);
    }
    let counters = simulator.counters();
    assert_eq!((counters.rest_webhook_404, counters.rest_invalid), (4, 0));
    assert_eq!(rest.get("/users/@me").await.0, 200, "no ban");
}

#[tokio::test]
async fn who_does_not_say_what_it_is_meets_the_proxy_page() {
    let (simulator, _) = standing(RouteLimits::off(), |_| {}).await;
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v10/gateway", simulator.rest_base());
    let refused = bare.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("1010"));
    let named = bare.get(&url).header("user-agent", "DiscordBot (https://helpline.example, 1)");
    assert_eq!(named.send().await.unwrap().status(), 200, "GET /gateway needs no token");
}

#[tokio::test]
async fn a_429_out_of_the_blue_looks_like_any_other() {
    let (simulator, rest) = standing(RouteLimits::off(), |_| {}).await;
    let fault = Fault::RateLimited { retry_after_ms: 2_500, scope: Scope::User };
    simulator.fail_next(Some(Route::CreateMessage), 1, fault);
    let refused = rest.response("POST", &messages(&simulator, 0), json!({"content": "x"})).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").unwrap()), (429, "3".to_owned()));
    assert_eq!(refused.json::<Value>().await.unwrap()["retry_after"], 2.5);
    assert_eq!(simulator.counters().bot_messages, 0);
    assert_eq!(rest.call("POST", &messages(&simulator, 0), json!({"content": "x"})).await.0, 200);
}

#[tokio::test]
async fn limits_are_shown_and_changed_over_the_control_api() {
    let (simulator, rest) = standing(RouteLimits::off(), |_| {}).await;
    let wish = json!({"global_per_s": 30, "limits": ["typing=2/60s", "typing=unannounced"], "jitter_ms": 5});
    assert_eq!(rest.control("POST", "/limits", wish).await.0, 200);
    let shown = rest.control("GET", "/limits", json!({})).await.1;
    assert_eq!(shown["routes"]["typing"], json!({"limit": "2/60s", "bucket": "typing", "announced": false}));
    assert_eq!((&shown["global_per_s"], &shown["jitter_ms"]), (&json!(30), &json!(5)));
    let (status, refused) =
        rest.control("POST", "/limits", json!({"global_per_s": 1, "limits": ["nonsense=1/1s"]})).await;
    assert_eq!(status, 422);
    assert!(refused["error"].as_str().unwrap().contains("known are gateway"), "{refused}");
    assert_eq!(rest.control("GET", "/limits", json!({})).await.1["global_per_s"], 30, "nothing was changed");
    rest.control("POST", "/reset", json!({})).await;
    assert_eq!(rest.control("GET", "/limits", json!({})).await.1["routes"], json!({}));
    assert_eq!(simulator.counters().rest_requests, 0);
}
