//! A wire to a service that can be made to stall or break.

use std::sync::Arc;

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

/// Forwards 127.0.0.1:`port` to a service.
#[derive(Debug, Clone)]
pub struct Wire {
    pub port: u16,
    state: Arc<watch::Sender<State>>,
}

impl Wire {
    /// `url` with the address of the wire in place of the service's, and the wire.
    pub async fn to(url: &str) -> (String, Self) {
        let (before, address, after) = split(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(watch::Sender::new(State::Works));
        let wire = Self { port, state };
        tokio::spawn(wire.clone().accept(listener, address));
        (format!("{before}127.0.0.1:{port}{after}"), wire)
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    async fn accept(self, listener: TcpListener, address: String) {
        while let Ok((near, _)) = listener.accept().await {
            let mut state = self.state.subscribe();
            if *state.borrow_and_update() == State::Broken {
                continue;
            }
            let address = address.clone();
            tokio::spawn(async move {
                let Ok(far) = TcpStream::connect(address).await else { return };
                drop((near.set_nodelay(true), far.set_nodelay(true)));
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::select! {
                    () = forward(from_near, to_far, state.clone()) => {}
                    () = forward(from_far, to_near, state.clone()) => {}
                    _ = state.wait_for(|state| *state == State::Broken) => {}
                }
            });
        }
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
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
