//! A wire between two parts of the cluster that a test cuts, mutes, slows down and heals.
//!
//! It listens on a port of its own and forwards each connection to the first of its targets that answers; the
//! targets can be changed while it runs, so that a service may come back on another port. What is under way stays in
//! order. It ends with the runtime of the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the wire treats what is sent over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Works,
    /// Connections are reset, new ones as soon as they are made.
    Cut,
    /// Nothing gets through, in either direction, and nobody is told; new connections open and stay silent.
    Silent,
    /// Everything arrives so much later.
    Slow(Duration),
}

#[derive(Debug, Clone)]
pub struct Wire {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    targets: Arc<watch::Sender<Vec<SocketAddr>>>,
}

impl Wire {
    /// A wire to the first of `targets` that takes a connection.
    pub async fn to(targets: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(watch::Sender::new(State::Works));
        let wire = Self { address, state, targets: Arc::new(watch::Sender::new(targets)) };
        tokio::spawn(wire.clone().accept(listener));
        wire
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Where new connections lead from now on; the others stay where they are.
    pub fn lead_to(&self, targets: Vec<SocketAddr>) {
        self.targets.send_replace(targets);
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((near, _)) = listener.accept().await {
            let state = self.state.subscribe();
            if *state.borrow() == State::Cut {
                // Reset instead of closed, as by a host that is gone.
                let _ = near.set_zero_linger();
                continue;
            }
            let targets = self.targets.borrow().clone();
            tokio::spawn(carry(near, targets, state));
        }
    }
}

async fn carry(mut near: TcpStream, targets: Vec<SocketAddr>, mut state: watch::Receiver<State>) {
    if state.wait_for(|state| *state != State::Silent).await.is_err() {
        return;
    }
    let Some(mut far) = connect(&targets).await else {
        let _ = near.set_zero_linger();
        return;
    };
    drop((near.set_nodelay(true), far.set_nodelay(true)));
    let cut = {
        let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
        let mut watched = state.clone();
        tokio::select! {
            () = forward(from_near, to_far, state.clone()) => false,
            () = forward(from_far, to_near, state) => false,
            _ = watched.wait_for(|state| *state == State::Cut) => true,
        }
    };
    if cut {
        drop((near.set_zero_linger(), far.set_zero_linger()));
    }
}

async fn connect(targets: &[SocketAddr]) -> Option<TcpStream> {
    for target in targets {
        if let Ok(stream) = TcpStream::connect(target).await {
            return Some(stream);
        }
    }
    None
}

async fn forward(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = state.wait_for(|state| *state != State::Silent).await.map(|state| *state) else {
            return;
        };
        if let State::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
