//! What the page is given, without the page.

use crate::support::{Gateway, Rest, id, simulator};
use helpline_sim::{Server, Simulator};
use reqwest::Client;
use serde_json::{Value, json};

struct Page {
    http: Client,
    simulator: Simulator,
}

impl Page {
    async fn new() -> Self {
        let simulator = simulator(|config| config.servers = 120).await;
        // Building this installs what the client wants even for plain HTTP.
        let _ = Rest::new(&simulator);
        Self { http: Client::builder().no_proxy().build().unwrap(), simulator }
    }

    fn server(&self) -> Server {
        self.simulator.servers()[0].clone()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let url = format!("{}/api{path}", self.simulator.playground_url());
        let response = self.http.get(url).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn act(&self, body: Value) -> (u16, Value) {
        let url = format!("{}/api/act", self.simulator.playground_url());
        let response = self.http.post(url).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

#[tokio::test]
async fn the_root_leads_a_browser_to_the_page_and_the_page_confines_itself() {
    let page = Page::new().await;
    let response = page.http.get(page.simulator.rest_base()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.url().path()), (200, "/playground"));
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert!(response.text().await.unwrap().contains("<!doctype html>"));
}

#[tokio::test]
async fn servers_are_searched_and_paged() {
    let page = Page::new().await;
    let (_, first) = page.get("/servers?limit=50").await;
    assert_eq!((first["servers"].as_array().unwrap().len(), &first["next"]), (50, &json!(50)));
    let (_, last) = page.get("/servers?limit=50&after=100").await;
    assert_eq!((last["servers"].as_array().unwrap().len(), &last["next"]), (20, &Value::Null));
    let (_, found) = page.get("/servers?q=ORCHARD%20109").await;
    assert_eq!(found["servers"][0]["name"], "Orchard 109");
    let (_, none) = page.get("/servers?q=nowhere").await;
    assert_eq!(none["servers"], json!([]));
}

#[tokio::test]
async fn nobody_reads_or_hears_a_server_he_does_not_live_in() {
    let page = Page::new().await;
    let (server, stranger) = (page.server(), page.simulator.servers()[1].members[0].get());
    let (guild, channel) = (server.id.get(), server.support_channel.get());
    for path in [
        format!("/servers/{guild}?as={stranger}"),
        format!("/channels/{channel}/messages?as={stranger}"),
        format!("/events?as={stranger}&server={guild}"),
    ] {
        let (status, body) = page.get(&path).await;
        assert_eq!(status, 403, "{path}: {body}");
    }
    let (status, body) = page
        .act(json!({"as": stranger.to_string(), "channel": channel.to_string(), "do": "say", "text": "x"}))
        .await;
    assert_eq!(status, 422, "{body}");
}

#[tokio::test]
async fn direct_messages_are_read_by_their_member_alone() {
    let page = Page::new().await;
    let server = page.server();
    let (mine, other) = (server.members[0], server.members[1]);
    let dm = page.simulator.dm_channel(mine).unwrap();
    page.simulator.say(dm, mine, "hello").unwrap();
    let path = |user: u64| format!("/channels/{}/messages?as={user}", dm.get());
    assert_eq!(page.get(&path(mine.get())).await.1["messages"][0]["content"], "hello");
    assert_eq!(page.get(&path(other.get())).await.0, 403);
}

#[tokio::test]
async fn an_ephemeral_message_is_listed_for_the_one_it_answers_alone() {
    let page = Page::new().await;
    let rest = Rest::new(&page.simulator);
    rest.register_ask(&page.simulator).await;
    let (mut gateway, _) = Gateway::identified(&page.simulator).await;
    let server = page.server();
    let (mine, other, channel) = (server.members[0], server.members[1], server.general_channel);
    page.simulator.slash(channel, mine, "ask", &[("question", json!("?"))]).unwrap();
    let event = gateway.event("INTERACTION_CREATE").await;
    let path = format!("/interactions/{}/{}/callback", id(&event), event["token"].as_str().unwrap());
    let body = json!({"type": 4, "data": {"content": "a secret", "flags": 64}});
    assert_eq!(rest.call("POST", &path, body).await.0, 204);
    let listed =
        async |user: u64| page.get(&format!("/channels/{}/messages?as={user}", channel.get())).await.1;
    assert_eq!(listed(mine.get()).await["messages"][0]["content"], "a secret");
    assert_eq!(listed(other.get()).await["messages"], json!([]));
}

#[tokio::test]
async fn other_names_and_origins_are_refused_also_by_the_control_api() {
    let page = Page::new().await;
    let server = page.server();
    let say = json!({"channel": server.support_channel, "member": server.members[0], "text": "x"});
    for (header, value) in
        [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")]
    {
        for url in ["/sim/say", "/playground/api/act"] {
            let request =
                page.http.post(format!("{}{url}", page.simulator.rest_base())).header(header, value);
            assert_eq!(
                request.json(&say).send().await.unwrap().status(),
                403,
                "{url} with {header}: {value}"
            );
        }
    }
    assert_eq!(page.simulator.counters().member_messages, 0);
    let plain = page.http.post(format!("{}/sim/say", page.simulator.rest_base()));
    assert_eq!(plain.json(&say).send().await.unwrap().status(), 200);
}
