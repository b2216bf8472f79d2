//! The simulator as a value: starting, asking about it, disturbing it, shutting it down.

use crate::config::Config;
use crate::control;
use crate::core::Core;
use crate::gateway::faults::{GatewayFault, GatewayTarget};
use crate::gateway::presence::Status;
use crate::gateway::{self, Order};
use crate::ids::InteractionId;
use crate::interactions::Phase;
use crate::listener::{Cut, Listener};
use crate::playground;
use crate::rest;
use crate::transcript::{Counters, Entry, Transcript};
use crate::world::Server;
use axum::middleware::from_fn_with_state;
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const TICK: Duration = Duration::from_millis(25);
const SWEEP_EVERY: u32 = 40;
/// Connections that have not ended by then are abandoned at shutdown.
const DRAIN: Duration = Duration::from_secs(3);

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be; one sentence each.
    #[error("cannot start the simulated discord: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; choose another address or port 0 for any free one")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A gateway session as it stands.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct SessionInfo {
    /// Session id.
    pub id: String,
    /// Gateway shard.
    pub shard: u32,
    /// Total of gateway shards.
    pub total: u32,
    /// Intents.
    pub intents: u64,
    /// Highest sequence number given out.
    pub sequence: u64,
    /// Whether a connection holds it.
    pub connected: bool,
    /// What the client last said about itself.
    pub status: Status,
}

impl SessionInfo {
    pub(crate) fn of(session: &gateway::Session) -> Self {
        Self {
            id: session.id.clone(),
            shard: session.shard,
            total: session.total,
            intents: session.intents,
            sequence: session.last(),
            connected: session.connected(),
            status: session.status(),
        }
    }
}

/// A running simulator. Clones are handles to the same one; it stops at [`Simulator::shutdown`].
#[derive(Clone, Debug)]
pub struct Simulator {
    pub(crate) core: Arc<Core>,
    tasks: TaskTracker,
}

impl Simulator {
    /// Starts listening and serving.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(StartError::Config(problems));
        }
        let addr = config.listen;
        let listen = |source| StartError::Listen { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        // The address for resuming is one of its own, so that it can be dead while the other one works.
        let resuming = TcpListener::bind((addr.ip(), 0)).await.map_err(listen)?;
        let resume_addr = resuming.local_addr().map_err(listen)?;
        let core = Arc::new(Core::new(config, addr, resume_addr));
        let tasks = TaskTracker::new();
        let door = gateway::resume_door(core.clone()).into_make_service_with_connect_info::<Cut>();
        let stop = core.cancel.clone().cancelled_owned();
        tasks.spawn(async move {
            // As below.
            let _ = axum::serve(Listener(resuming), door).with_graceful_shutdown(stop).await;
        });
        let control =
            control::router(core.clone()).layer(from_fn_with_state(core.clone(), playground::guard));
        let app = rest::router(core.clone()).merge(control).merge(playground::router(core.clone()));
        let service = app.into_make_service_with_connect_info::<Cut>();
        let stop = core.cancel.clone().cancelled_owned();
        tasks.spawn(async move {
            // It ends only by the shutdown signal; accept errors are retried inside.
            let _ = axum::serve(Listener(listener), service).with_graceful_shutdown(stop).await;
        });
        tasks.spawn(tick(core.clone()));
        tasks.close();
        Ok(Self { core, tasks })
    }

    /// The address listened on.
    pub fn addr(&self) -> SocketAddr {
        self.core.addr
    }

    /// REST base without `/api`, such as `http://127.0.0.1:4000`.
    pub fn rest_base(&self) -> String {
        format!("http://{}", self.core.addr)
    }

    /// Where the world can be watched and played with in a browser.
    pub fn playground_url(&self) -> String {
        format!("{}/playground", self.rest_base())
    }

    /// The gateway address given to clients.
    pub fn gateway_url(&self) -> String {
        self.core.gateway_url()
    }

    /// The bot token it accepts.
    pub fn token(&self) -> &str {
        &self.core.config.token
    }

    /// The settings it runs with.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// The servers of the world.
    pub fn servers(&self) -> &[Server] {
        &self.core.world.servers
    }

    /// Unix milliseconds on the clock that transcript entries carry.
    pub fn now_ms(&self) -> u64 {
        self.core.clock.unix_ms()
    }

    /// The transcript.
    pub fn transcript(&self) -> &Transcript {
        &self.core.transcript
    }

    /// Transcript entries from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.core.transcript.subscribe()
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.core.counters.read()
    }

    /// Gateway sessions, connected or waiting to be resumed.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.core.hub.all().iter().map(|session| SessionInfo::of(session)).collect()
    }

    /// How far an interaction has got; `None` when it is unknown or expired.
    pub fn interaction(&self, id: InteractionId) -> Option<Phase> {
        self.core.interactions.by_id(id).map(|interaction| *interaction.phase())
    }

    /// Breaks the TCP connection of a session, or of all websockets, without a close frame. The session can
    /// be resumed. Returns how many connections were broken.
    pub fn drop_connection(&self, session: Option<&str>) -> usize {
        self.core.hub.order(session, Order::Drop)
    }

    /// Closes the connection of a session, or all websockets, with a close code.
    pub fn close_connection(&self, session: Option<&str>, code: u16) -> usize {
        self.core.hub.order(session, Order::Close(code))
    }

    /// Breaks every websocket at once.
    pub fn sever_all(&self) -> usize {
        self.drop_connection(None)
    }

    /// Asks the client of a session, or all clients, to reconnect and resume (opcode 7).
    pub fn ask_to_reconnect(&self, session: Option<&str>) -> usize {
        self.core.hub.order(session, Order::Reconnect)
    }

    /// Ends a session: a connected client is told by opcode 9, and no RESUME will find it.
    pub fn invalidate(&self, session: &str) -> bool {
        let fault = GatewayFault::Invalidate { resumable: false };
        self.gateway_fault(&GatewayTarget::session(session), &fault) > 0
    }

    /// Lets something go wrong with the gateway. Returns how many connections or sessions it took hold of at
    /// once; what cannot be meant ([`GatewayFault::problem`]) takes hold of none.
    pub fn gateway_fault(&self, target: &GatewayTarget, fault: &GatewayFault) -> usize {
        if let Some(problem) = fault.problem(target) {
            tracing::warn!(?fault, problem, "a gateway fault was left out");
            return 0;
        }
        self.core.hub.fault(target, fault, self.core.clock.now())
    }

    /// Ends all standing gateway faults and outages.
    pub fn clear_gateway_faults(&self) {
        self.core.hub.clear_faults();
    }

    /// The bot token as its owner finds it now: another one after the daily identify budget was exceeded.
    pub fn current_token(&self) -> String {
        self.core.hub.token()
    }

    /// Cancelled when the simulator shuts down.
    pub fn cancelled(&self) -> CancellationToken {
        self.core.cancel.child_token()
    }

    /// Closes all connections and stops listening; waits at most three seconds for them to end.
    pub async fn shutdown(&self) {
        self.core.cancel.cancel();
        if timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end within {DRAIN:?} and were abandoned");
        }
    }
}

/// Fails overdue interactions, and about once a second forgets what expired.
async fn tick(core: Arc<Core>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = core.cancel.cancelled() => return,
        }
        // Where the clock is logical, things become due when it is moved and at no other time.
        if core.clock.is_logical() {
            continue;
        }
        core.fail_overdue();
        count = (count + 1) % SWEEP_EVERY;
        if count == 0 {
            core.sweep();
        }
    }
}
