//! Raw clients for the tests: a websocket that speaks the gateway protocol, and REST.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

use flate2::{Decompress, FlushDecompress};
use futures_util::{SinkExt, StreamExt};
use helpline_sim::{Config, Entry, Kind, RouteLimits, Simulator};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

pub const PATIENCE: Duration = Duration::from_secs(10);
/// In the form that Discord asks for.
const USER_AGENT: &str = "DiscordBot (https://helpline.example, 0)";
pub const ALL_INTENTS: u64 = 1 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 15;

/// A simulator without limits, for tests about something else.
pub async fn simulator(change: impl FnOnce(&mut Config)) -> Simulator {
    let mut config = Config {
        servers: 4,
        rest_global_per_s: None,
        route_limits: RouteLimits::off(),
        identify_interval: Duration::from_millis(1),
        ..Config::default()
    };
    change(&mut config);
    Simulator::start(config).await.unwrap()
}

enum Inflate {
    None,
    Zlib(Decompress),
    Zstd(Decoder<'static>),
}

/// What a connection gave.
#[derive(Debug, PartialEq)]
pub enum Got {
    Payload(Value),
    Closed(u16),
    Gone,
}

impl Got {
    pub fn payload(self) -> Value {
        match self {
            Self::Payload(payload) => payload,
            other => panic!("expected a payload, got {other:?}"),
        }
    }
}

pub struct Gateway {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    inflate: Inflate,
    pub seq: u64,
    pub texts: Vec<String>,
}

impl Gateway {
    pub async fn connect(simulator: &Simulator, compress: &str) -> Self {
        let suffix = if compress.is_empty() { String::new() } else { format!("&compress={compress}") };
        Self::connect_to(&format!("{}/?v=10&encoding=json{suffix}", simulator.gateway_url()), compress).await
    }

    pub async fn connect_to(url: &str, compress: &str) -> Self {
        let (socket, _) = connect_async(url).await.unwrap();
        let inflate = match compress {
            "zlib-stream" => Inflate::Zlib(Decompress::new(true)),
            "zstd-stream" => Inflate::Zstd(Decoder::new().unwrap()),
            _ => Inflate::None,
        };
        Self { socket, inflate, seq: 0, texts: Vec::new() }
    }

    /// Connected, greeted, identified, and past READY and every GUILD_CREATE. Returns READY's data.
    pub async fn identified(simulator: &Simulator) -> (Self, Value) {
        Self::identified_with(simulator, ALL_INTENTS, [0, 1]).await
    }

    pub async fn identified_with(simulator: &Simulator, intents: u64, shard: [u32; 2]) -> (Self, Value) {
        let mut gateway = Self::connect(simulator, "").await;
        assert_eq!(gateway.next().await.payload()["op"], 10);
        gateway.identify(simulator.token(), intents, shard).await;
        let ready = gateway.event("READY").await;
        for _ in 0..ready["guilds"].as_array().unwrap().len() {
            gateway.event("GUILD_CREATE").await;
        }
        (gateway, ready)
    }

    pub async fn send(&mut self, payload: Value) {
        self.socket.send(Message::Text(payload.to_string().into())).await.unwrap();
    }

    pub async fn identify(&mut self, token: &str, intents: u64, shard: [u32; 2]) {
        let d = json!({"token": token, "intents": intents, "shard": shard, "properties": {"os": "linux"}});
        self.send(json!({"op": 2, "d": d})).await;
    }

    pub async fn resume(&mut self, token: &str, session: &str, seq: u64) {
        self.send(json!({"op": 6, "d": {"token": token, "session_id": session, "seq": seq}})).await;
    }

    pub async fn next(&mut self) -> Got {
        timeout(PATIENCE, self.read()).await.expect("the gateway sent nothing")
    }

    /// What comes next, however long it takes.
    pub async fn wait(&mut self) -> Got {
        self.read().await
    }

    /// Whether nothing arrives for a moment.
    pub async fn quiet(&mut self) -> bool {
        timeout(Duration::from_millis(150), self.read()).await.is_err()
    }

    async fn read(&mut self) -> Got {
        loop {
            let text = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => text.to_string(),
                Some(Ok(Message::Binary(bytes))) => self.inflate(&bytes),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |frame| frame.code.into());
                    let _ = self.socket.next().await;
                    return Got::Closed(code);
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Got::Gone,
            };
            let payload: Value = serde_json::from_str(&text).unwrap();
            self.texts.push(text);
            if let Some(seq) = payload["s"].as_u64() {
                self.seq = seq;
            }
            return Got::Payload(payload);
        }
    }

    fn inflate(&mut self, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        match &mut self.inflate {
            Inflate::None => panic!("binary without compression"),
            Inflate::Zlib(context) => {
                assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]), "not a whole flush");
                out.reserve(1 << 20);
                context.decompress_vec(bytes, &mut out, FlushDecompress::Sync).unwrap();
            }
            Inflate::Zstd(context) => {
                let mut buffer = vec![0; 1 << 20];
                let mut input = InBuffer::around(bytes);
                while input.pos() < bytes.len() {
                    let mut target = OutBuffer::around(&mut buffer[..]);
                    context.run(&mut input, &mut target).unwrap();
                    let n = target.pos();
                    out.extend_from_slice(&buffer[..n]);
                }
            }
        }
        String::from_utf8(out).unwrap()
    }

    /// The next event, which has to be this one. Acknowledgements are passed over.
    pub async fn event(&mut self, name: &str) -> Value {
        loop {
            let mut payload = self.next().await.payload();
            if payload["op"] == 11 {
                continue;
            }
            assert_eq!(payload["t"], name, "{payload}");
            return payload["d"].take();
        }
    }

    /// The next event of this name, passing others over.
    pub async fn skip_to(&mut self, name: &str) -> Value {
        loop {
            let mut payload = self.next().await.payload();
            if payload["t"] == name {
                return payload["d"].take();
            }
        }
    }

    pub async fn close(mut self, code: u16) {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        self.socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

/// REST with the bot's token.
#[derive(Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Rest {
    pub fn new(simulator: &Simulator) -> Self {
        // The client wants a provider even for plain HTTP; the second test of a process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            http: reqwest::Client::builder().no_proxy().user_agent(USER_AGENT).build().unwrap(),
            base: simulator.rest_base(),
            token: simulator.token().to_owned(),
        }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<reqwest::Response> {
        let method = method.parse().unwrap();
        let url = format!("{}/api/v10{path}", self.base);
        let mut request =
            self.http.request(method, url).header("authorization", format!("Bot {}", self.token));
        if let Some(body) = body {
            request = request.json(&body);
        }
        timeout(PATIENCE, request.send()).await.expect("REST did not answer")
    }

    /// Sends a form with `payload_json` and files: number, name, type and content of each.
    pub async fn upload(
        &self,
        method: &str,
        path: &str,
        payload: &Value,
        files: &[(u64, &str, &[u8])],
    ) -> (u16, Value) {
        let mut form = Vec::new();
        let head = "--cut\r\ncontent-disposition: form-data; name=";
        form.extend_from_slice(format!("{head}\"payload_json\"\r\n\r\n{payload}\r\n").as_bytes());
        for (number, name, content) in files {
            let head = format!("{head}\"files[{number}]\"; filename=\"{name}\"\r\n\r\n");
            form.extend_from_slice(head.as_bytes());
            form.extend_from_slice(content);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(b"--cut--\r\n");
        let url = format!("{}/api/v10{path}", self.base);
        let request = self
            .http
            .request(method.parse().unwrap(), url)
            .header("authorization", format!("Bot {}", self.token))
            .header("content-type", "multipart/form-data; boundary=cut")
            .body(form);
        let response = timeout(PATIENCE, request.send()).await.expect("REST did not answer").unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    /// Gets an address as it is, without a token.
    pub async fn fetch(&self, url: &str) -> (u16, String) {
        let response = self.http.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn response(&self, method: &str, path: &str, body: Value) -> reqwest::Response {
        self.try_send(method, path, Some(body)).await.unwrap()
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let response = self.response(method, path, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.try_send("GET", path, None).await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// Posts and expects success; returns the message.
    pub async fn post(&self, channel: u64, body: Value) -> Value {
        let (status, message) = self.call("POST", &format!("/channels/{channel}/messages"), body).await;
        assert_eq!(status, 200, "{message}");
        message
    }

    pub async fn register_ask(&self, simulator: &Simulator) {
        let option = json!({"name": "question", "description": "what", "type": 3, "required": true});
        let commands = json!([{"name": "ask", "description": "ask", "options": [option]}]);
        let path = format!("/applications/{}/commands", simulator.config().bot.get());
        assert_eq!(self.call("PUT", &path, commands).await.0, 200);
    }

    /// Sends something to the control API.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/sim{path}", self.base);
        let response = self.http.request(method.parse().unwrap(), url).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }
}

/// Waits until an entry of the transcript fits.
pub async fn entry(simulator: &Simulator, fits: impl Fn(&Kind) -> bool) -> Arc<Entry> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(entry) = simulator.transcript().snapshot().into_iter().find(|entry| fits(&entry.kind)) {
            return entry;
        }
        assert!(Instant::now() < deadline, "the transcript never showed it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn id(value: &Value) -> u64 {
    value["id"].as_str().unwrap().parse().unwrap()
}
