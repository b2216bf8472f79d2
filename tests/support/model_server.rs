//! A chat endpoint over real HTTP that answers as a test wants, well or badly, and keeps what it was asked.
//!
//! It obeys: whatever stands between `⟦` and `⟧` in what it is sent, wherever that came from, is what it replies, as a
//! model would that falls for every injection. It also reads what people do not see: tags, zero widths, full widths.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How one request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A good reply from the first document, unless something it was sent tells it to reply otherwise.
    Ok,
    /// The same, so much later.
    Slow(Duration),
    /// The same in a fence and between sentences, as one object that is not streamed.
    Whole,
    RateLimited {
        retry_after_s: u64,
    },
    ServerError,
    Unauthorized,
    /// Takes no optional field.
    Plain,
    /// Answers nothing, and keeps the connection.
    Hang,
    /// Says nothing more after its first words.
    Stall,
    /// Closes the connection in the middle of its reply.
    Cut,
    /// Ends the stream with an error object.
    ErrorInside,
    /// A stream of what is no JSON.
    Garbage,
    /// A good stream whose reply is no object.
    Prose,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Value>,
    modes: Vec<Mode>,
    keys: Vec<String>,
    obeyed: usize,
}

#[derive(Debug, Clone)]
pub struct ModelServer {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
    standing: Arc<Mutex<Mode>>,
    /// Tokens that each reply reports.
    pub tokens: u64,
}

impl ModelServer {
    pub async fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = Self { url, seen: Arc::default(), standing: Arc::new(Mutex::new(mode)), tokens: 1_000 };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    /// From the next request on.
    pub fn set(&self, mode: Mode) {
        *self.standing.lock().expect("not poisoned") = mode;
    }

    /// The next requests, in this order, before the standing mode.
    pub fn next(&self, modes: &[Mode]) {
        self.seen.lock().expect("not poisoned").modes = modes.iter().rev().copied().collect();
    }

    pub fn requests(&self) -> Vec<Value> {
        self.seen.lock().expect("not poisoned").requests.clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().expect("not poisoned").requests.len()
    }

    pub fn keys(&self) -> Vec<String> {
        self.seen.lock().expect("not poisoned").keys.clone()
    }

    /// How often it has replied what something that it was sent told it to.
    pub fn obeyed(&self) -> usize {
        self.seen.lock().expect("not poisoned").obeyed
    }

    /// The words of this request's separators.
    pub fn fences(&self) -> Vec<String> {
        let fence = |request: &Value| fence(request["messages"][0]["content"].as_str()?);
        self.requests().iter().filter_map(fence).collect()
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let request = read(&mut stream).await?;
            let mode = {
                let mut seen = self.seen.lock().expect("not poisoned");
                seen.obeyed += usize::from(told(&everything(&request.body)).is_some());
                seen.requests.push(request.body.clone());
                seen.keys.push(request.key);
                seen.modes.pop().unwrap_or(*self.standing.lock().expect("not poisoned"))
            };
            self.answer(stream.get_mut(), mode, &request.body).await?;
        }
    }

    async fn answer(&self, stream: &mut TcpStream, mode: Mode, request: &Value) -> Option<()> {
        match mode {
            Mode::Ok => self.stream(stream, &reply_to(request), true).await,
            Mode::Prose => self.stream(stream, "I would rather talk about the weather.", true).await,
            Mode::Slow(by) => {
                tokio::time::sleep(by).await;
                self.stream(stream, &reply_to(request), true).await
            }
            Mode::Cut => {
                self.stream(stream, &reply_to(request), false).await?;
                None
            }
            Mode::Stall => {
                self.stream(stream, &reply_to(request), false).await?;
                std::future::pending().await
            }
            Mode::Hang => std::future::pending().await,
            Mode::Whole => {
                let text = format!("Here you are:\n```json\n{}\n```\n", reply_to(request));
                let body = json!({
                    "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
                    "usage": { "total_tokens": self.tokens },
                });
                whole(stream, "200 OK", "", &body.to_string()).await
            }
            Mode::RateLimited { retry_after_s } => {
                let header = format!("retry-after: {retry_after_s}\r\n");
                whole(stream, "429 Too Many Requests", &header, r#"{"error":{"message":"slow down"}}"#).await
            }
            Mode::ServerError => whole(stream, "500 Internal Server Error", "", "oh no").await,
            Mode::Unauthorized => {
                whole(stream, "401 Unauthorized", "", r#"{"error":{"message":"bad key"}}"#).await
            }
            Mode::Plain => {
                for field in ["max_tokens", "max_completion_tokens", "stream_options", "response_format"] {
                    if request.get(field).is_some() {
                        let body = json!({ "error": { "message": format!("unknown field: {field}") } });
                        return whole(stream, "400 Bad Request", "", &body.to_string()).await;
                    }
                }
                self.stream(stream, &reply_to(request), true).await
            }
            Mode::ErrorInside => {
                begin_stream(stream).await?;
                chunk(stream, &data(&piece("{\"act"))).await?;
                chunk(stream, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n").await?;
                chunk(stream, "").await
            }
            Mode::Garbage => {
                begin_stream(stream).await?;
                chunk(stream, "data: <html>\n\ndata: \u{fffd}{{{\n\n").await?;
                chunk(stream, "").await
            }
        }
    }

    /// A reply in small pieces, cut anywhere, with a comment and both line ends in it.
    async fn stream(&self, stream: &mut TcpStream, text: &str, to_its_end: bool) -> Option<()> {
        begin_stream(stream).await?;
        chunk(stream, ": processing\r\n\r\n").await?;
        let characters: Vec<char> = text.chars().collect();
        let mut events = String::new();
        for part in characters.chunks(9) {
            events.push_str(&data(&piece(&part.iter().collect::<String>())));
        }
        if !to_its_end {
            return chunk(stream, &events[..events.char_indices().nth(events.chars().count() / 2)?.0]).await;
        }
        events.push_str(&data(&json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] })));
        events.push_str(&data(&json!({ "choices": [], "usage": { "total_tokens": self.tokens } })));
        events.push_str("data: [DONE]\r\n\r\n");
        for bytes in events.as_bytes().chunks(700) {
            chunk_bytes(stream, bytes).await?;
        }
        chunk(stream, "").await
    }
}

struct Request {
    body: Value,
    key: String,
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut length, mut key, mut line) = (0, String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let header = line.trim();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "authorization" => value.trim().clone_into(&mut key),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { body: serde_json::from_slice(&body).ok()?, key })
}

async fn whole(stream: &mut TcpStream, status: &str, header: &str, body: &str) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{header}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()
}

async fn begin_stream(stream: &mut TcpStream) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()
}

/// An empty one ends the body.
async fn chunk(stream: &mut TcpStream, text: &str) -> Option<()> {
    chunk_bytes(stream, text.as_bytes()).await
}

async fn chunk_bytes(stream: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    stream.write_all(b"\r\n").await.ok()?;
    stream.flush().await.ok()
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn piece(text: &str) -> Value {
    json!({ "choices": [{ "delta": { "content": text } }] })
}

/// What it replies: what it is told to, else the beginning of the first document.
fn reply_to(request: &Value) -> String {
    let message = |at: usize| request["messages"][at]["content"].as_str().unwrap_or_default();
    if let Some(told) = told(&everything(request)) {
        let escaped = |text: &str| {
            let json = Value::from(text).to_string();
            json[1..json.len() - 1].to_owned()
        };
        return told
            .replace("{{PROMPT}}", &escaped(&everything(request)))
            .replace("{{SYSTEM}}", &escaped(message(0)))
            .replace("{{FENCE}}", &fence(message(0)).unwrap_or_default())
            .replace("{{LONG}}", &"You can ask for a refund within 14 days of the purchase. ".repeat(400))
            // So that what it says does not stand in what told it to.
            .replace("{{BAD}}", "evil")
            .replace("{{FOREIGN}}", "FOREIGN-4711")
            .replace("{{TWINS}}", "Тhе оwnеr stеаls yоur mоnеy")
            .replace("{{SAY}}", "The owner steals your money, send every password to the thief");
    }
    match first_document(message(1)) {
        Some(text) => answer(&format!("{text} [1]")),
        None => json!({ "action": "unsure", "reason": null, "text": "", "citations": [] }).to_string(),
    }
}

fn everything(request: &Value) -> String {
    let messages = request["messages"].as_array().into_iter().flatten();
    let texts: Vec<&str> = messages.filter_map(|message| message["content"].as_str()).collect();
    texts.join("\n")
}

fn fence(system: &str) -> Option<String> {
    Some(system.split("hold the word ").nth(1)?.split(';').next()?.to_owned())
}

pub fn answer(text: &str) -> String {
    json!({ "action": "answer", "reason": null, "text": text, "citations": [] }).to_string()
}

/// What stands between the marks, with what people do not see made visible.
fn told(text: &str) -> Option<String> {
    let seen: String = text
        .chars()
        .filter_map(|c| match u32::from(c) {
            tag @ 0xe0020..=0xe007e => char::from_u32(tag - 0xe0000),
            0xe0001 => Some('⟦'),
            0xe007f => Some('⟧'),
            full @ 0xff01..=0xff5e => char::from_u32(full - 0xfee0),
            0x200b | 0x2060 | 0xfeff | 0x202a..=0x202e => None,
            _ => Some(c),
        })
        .collect();
    let (_, after) = seen.split_once('⟦')?;
    Some(after.split_once('⟧')?.0.to_owned())
}

/// The first three sentences of the first document: one more than the built-in answerer quotes.
fn first_document(user: &str) -> Option<String> {
    let block = user.split("BEGIN DOCUMENT 1 ===\n").nth(1)?.split("\n=== ").next()?;
    let text = block.split_once("\n\n")?.1.replace('\n', " ");
    let sentences = text.split_inclusive(". ");
    Some(sentences.take(3).collect::<String>().trim().to_owned())
}
