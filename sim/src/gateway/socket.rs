//! The websocket of one connection: its handshake, what comes in, and frames going out in batches.
//!
//! Frames are written into one buffer that goes to TCP as a whole, because a library's own path costs an
//! allocation and a copy for each event. Reading, control frames and closing are the library's.
//! <https://www.rfc-editor.org/rfc/rfc6455>

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// No client has reason to send more; Discord's own limit is far below.
const MAX_RECEIVED_BYTES: usize = 1 << 20;
/// The library clears so many bytes at each look for something to read; clients send little.
const READ_BYTES: usize = 4 * 1024;
/// Room that the buffer keeps between batches.
const KEPT_BYTES: usize = 1 << 20;

const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// The answer to a websocket handshake, or why there is none.
pub(super) fn handshake(method: &Method, headers: &HeaderMap) -> Result<Response, StatusCode> {
    let says = |name: header::HeaderName, wanted: &str| {
        let values = headers.get_all(name);
        let mut words = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
        words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    if *method != Method::GET || !says(header::CONNECTION, "upgrade") || !says(header::UPGRADE, "websocket") {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| says(header::SEC_WEBSOCKET_VERSION, "13"));
    let Some(key) = key else { return Err(StatusCode::BAD_REQUEST) };
    let accept =
        HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)?;
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// What came in.
pub(super) enum Received {
    Payload(Vec<u8>),
    /// More than anybody may send.
    TooLong,
    Closed(u16),
    Gone,
}

pub(super) struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    out: Vec<u8>,
}

impl Socket {
    pub(super) async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .max_message_size(Some(MAX_RECEIVED_BYTES))
            .max_frame_size(Some(MAX_RECEIVED_BYTES));
        let stream =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        Self { stream, out: Vec::new() }
    }

    /// The next message; safe to give up half-way.
    pub(super) async fn receive(&mut self) -> Received {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Received::Payload(text.as_bytes().to_vec()),
                Some(Ok(Message::Binary(bytes))) => return Received::Payload(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    return Received::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(Error::Capacity(_))) => return Received::TooLong,
                Some(Err(_)) | None => return Received::Gone,
            }
        }
    }

    /// Puts a text frame, given in pieces, behind what waits to be written.
    pub(super) fn text(&mut self, pieces: &[&[u8]]) {
        head(&mut self.out, TEXT, pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces {
            self.out.extend_from_slice(piece);
        }
    }

    /// Puts a binary frame behind what waits to be written.
    pub(super) fn binary(&mut self, bytes: &[u8]) {
        head(&mut self.out, BINARY, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// Bytes that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Writes what waits. Not to be given up half-way.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        // The library may hold half an answer to a ping; frames must not be mixed.
        self.stream.flush().await.map_err(io::Error::other)?;
        let io = self.stream.get_mut();
        io.write_all(&self.out).await?;
        io.flush().await?;
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES);
        Ok(())
    }

    /// Sends a close frame and reads until the client has answered it or gone.
    pub(super) async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        if self.stream.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = self.stream.next().await {}
        }
    }
}

/// The head of an unmasked, whole frame.
fn head(out: &mut Vec<u8>, opcode: u8, len: usize) {
    out.push(0x80 | opcode);
    match len {
        0..=125 => out.push(u8::try_from(len).expect("at most 125")),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(len).expect("at most 16 bits").to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use tokio_tungstenite::tungstenite::WebSocket;

    #[test]
    fn frames_of_every_length_are_read_by_another_implementation() {
        let lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000];
        let mut out = Vec::new();
        for length in lengths {
            head(&mut out, TEXT, length);
            out.resize(out.len() + length, b'x');
        }
        let mut client = WebSocket::from_raw_socket(Cursor::new(out), Role::Client, None);
        for length in lengths {
            assert_eq!(client.read().unwrap().into_text().unwrap().len(), length);
        }
    }
}
