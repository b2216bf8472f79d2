//! A wire to a service that can be made to stall or break, also at the one moment that hurts: around a commit.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Works,
    /// Nothing gets through, in either direction, and nobody is told.
    Stalls,
    /// Connections are closed, new ones are not taken.
    Broken,
}

/// What happens to one COMMIT; the client's connection is closed in each case, without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The server gets it.
    LoseAnswer,
    /// The server does not get it, and sees the connection end.
    LoseCommit,
    /// The server gets it long after the client was cut off, and does not see the connection end before.
    Late(Duration),
}

/// Forwards 127.0.0.1:`port` to a service.
#[derive(Debug, Clone)]
pub struct Wire {
    pub port: u16,
    state: Arc<watch::Sender<State>>,
    harm: Arc<std::sync::Mutex<Option<Harm>>>,
}

/// COMMIT as a simple query, as Postgres' protocol has it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

impl Wire {
    /// `url` with the address of the wire in place of the service's, and the wire.
    pub async fn to(url: &str) -> (String, Self) {
        let (before, address, after) = split(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(watch::Sender::new(State::Works));
        let wire = Self { port, state, harm: Arc::default() };
        tokio::spawn(wire.clone().accept(listener, address));
        (format!("{before}127.0.0.1:{port}{after}"), wire)
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The next COMMIT on any connection suffers this.
    pub fn harm_next_commit(&self, harm: Harm) {
        *self.harm.lock().expect("nothing panics with it") = Some(harm);
    }

    /// Whether a commit was harmed since.
    pub fn has_harmed(&self) -> bool {
        self.harm.lock().expect("nothing panics with it").is_none()
    }

    fn harm_of(&self, sent: &[u8]) -> Option<Harm> {
        if !sent.windows(COMMIT.len()).any(|window| window == COMMIT) {
            return None;
        }
        self.harm.lock().expect("nothing panics with it").take()
    }

    async fn accept(self, listener: TcpListener, address: String) {
        while let Ok((near, _)) = listener.accept().await {
            let mut state = self.state.subscribe();
            if *state.borrow_and_update() == State::Broken {
                continue;
            }
            let (wire, address) = (self.clone(), address.clone());
            tokio::spawn(async move {
                let Ok(far) = TcpStream::connect(address).await else { return };
                drop((near.set_nodelay(true), far.set_nodelay(true)));
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                let harmed = tokio::select! {
                    harmed = wire.forward(from_near, to_far, state.clone()) => harmed,
                    () = back(from_far, to_near, state.clone()) => None,
                    _ = state.wait_for(|state| *state == State::Broken) => None,
                };
                // Here the client's side is closed, and the server has heard of nothing.
                if let Some((harm, sent, mut to_far)) = harmed {
                    match harm {
                        Harm::LoseAnswer => {}
                        Harm::LoseCommit => return,
                        Harm::Late(by) => tokio::time::sleep(by).await,
                    }
                    drop(to_far.write_all(&sent).await);
                    // It might give up what it is doing when it saw the connection end.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
    }

    /// Ends with what a harmed commit needs, or when a side is closed.
    async fn forward(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mut state: watch::Receiver<State>,
    ) -> Option<(Harm, Vec<u8>, OwnedWriteHalf)> {
        let mut buffer = vec![0; 16_384];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            state.wait_for(|state| *state == State::Works).await.ok()?;
            if let Some(harm) = self.harm_of(&buffer[..count]) {
                return Some((harm, buffer[..count].to_vec(), to));
            }
            to.write_all(&buffer[..count]).await.ok()?;
        }
        None
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|state| *state == State::Works).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// `scheme://user@`, `host:port`, `/rest`.
fn split(url: &str) -> (String, String, String) {
    let start = url.find('@').map(|at| at + 1).unwrap_or(url.find("://").expect("a url") + 3);
    let end = url[start..].find('/').map_or(url.len(), |slash| start + slash);
    (url[..start].to_owned(), url[start..end].to_owned(), url[end..].to_owned())
}
