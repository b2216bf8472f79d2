//! The shared connection: one multiplexed connection to each server that is needed, made anew when it breaks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, sleep, timeout};

use super::is_final;
use super::locate::{Address, Locator, connect};
use super::once::Once;
use super::route;

/// Pause before a command that was refused is offered again.
const RETRY: Duration = Duration::from_millis(20);

/// Implements [`ConnectionLike`]; clones share their connections. A command without a key goes where this clone's
/// last one went, so that SCRIPT LOAD reaches the server that missed the script.
#[derive(Clone)]
pub struct Connection {
    pool: Arc<Pool>,
    slot: Option<u16>,
    /// Who was asked last, if it was not the slot's own server.
    asked: Option<Address>,
}

struct Pool {
    locator: Arc<Locator>,
    patience: Duration,
    servers: Mutex<HashMap<Address, Arc<Once<MultiplexedConnection>>>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// What is to be sent.
#[derive(Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    Many { pipeline: &'a Pipeline, offset: usize, count: usize },
}

/// What an error says of the request.
enum Verdict {
    /// Redis has answered; or trying again mends nothing.
    Final,
    /// It may have been executed: the caller decides. The connection is of no use.
    Unknown,
    /// It was not executed, and may be elsewhere or a little later.
    NotNow,
    Moved(Address),
    Ask(Address),
}

impl Connection {
    pub(super) fn new(locator: Arc<Locator>, patience: Duration) -> Self {
        Self {
            pool: Arc::new(Pool { locator, patience, servers: Mutex::default() }),
            slot: None,
            asked: None,
        }
    }

    /// For commands that have no key but belong to the server of one, as CLIENT UNBLOCK.
    #[must_use]
    pub fn beside(mut self, key: &str) -> Self {
        self.slot = Some(route::slot(key.as_bytes()));
        self
    }

    async fn send(&mut self, request: Request<'_>) -> RedisResult<Vec<Value>> {
        if let Some(slot) = request.slot() {
            (self.slot, self.asked) = (Some(slot), None);
        }
        self.pool.send(self.slot, request, &mut self.asked).await
    }
}

impl Pool {
    async fn send(
        &self,
        slot: Option<u16>,
        request: Request<'_>,
        asked: &mut Option<Address>,
    ) -> RedisResult<Vec<Value>> {
        let deadline = Instant::now() + self.patience;
        loop {
            let error = match self.try_send(slot, request, asked.as_ref()).await {
                Ok(answers) => return Ok(answers),
                Err((Verdict::Final | Verdict::Unknown, error)) => return Err(error),
                Err((Verdict::Ask(address), error)) => {
                    *asked = Some(address);
                    error
                }
                Err((Verdict::Moved(_), error)) => {
                    *asked = None;
                    error
                }
                Err((Verdict::NotNow, error)) => {
                    *asked = None;
                    sleep(RETRY.mul_f64(0.5 + fastrand::f64())).await;
                    error
                }
            };
            if Instant::now() >= deadline {
                return Err(error);
            }
        }
    }

    async fn try_send(
        &self,
        slot: Option<u16>,
        request: Request<'_>,
        asking: Option<&Address>,
    ) -> Result<Vec<Value>, (Verdict, RedisError)> {
        let not_now = |error: RedisError| match is_final(&error) {
            true => (Verdict::Final, error),
            false => (Verdict::NotNow, error),
        };
        let mut at = self.locator.locate(slot).await.map_err(not_now)?;
        let is_asked = asking.is_some();
        at.address = asking.cloned().unwrap_or(at.address);
        let server = self.server(&at.address);
        let info = self.locator.info(&at.address);
        let open = match server.get(connect(info, self.patience)).await {
            Ok(open) => open,
            Err(error) => {
                self.locator.doubt(at.version).await;
                self.forget(&at.address, &server);
                return Err(not_now(error));
            }
        };
        let mut connection = open.value;
        let answer = timeout(self.patience, request.send(&mut connection, is_asked)).await;
        let error = match answer.unwrap_or_else(|_| Err(too_late())) {
            Ok(answers) => return Ok(answers),
            Err(error) => error,
        };
        let verdict = judge(&error, &at.address);
        match (&verdict, slot) {
            (Verdict::Unknown, _) => {
                server.discard(open.version).await;
                self.locator.doubt(at.version).await;
            }
            (Verdict::NotNow, _) => self.locator.doubt(at.version).await,
            (Verdict::Moved(to), Some(slot)) => self.locator.moved(at.version, slot, to).await,
            (Verdict::Moved(_), None) => self.locator.doubt(at.version).await,
            (Verdict::Final | Verdict::Ask(_), _) => {}
        }
        Err((verdict, error))
    }

    fn server(&self, address: &Address) -> Arc<Once<MultiplexedConnection>> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(servers.entry(address.clone()).or_insert_with(|| Arc::new(Once::new())))
    }

    /// A server that is gone for good is not remembered; a fixed one keeps its back-off.
    fn forget(&self, address: &Address, server: &Arc<Once<MultiplexedConnection>>) {
        if self.locator.is_fixed() {
            return;
        }
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if servers.get(address).is_some_and(|known| Arc::ptr_eq(known, server)) {
            servers.remove(address);
        }
    }
}

impl Request<'_> {
    fn slot(self) -> Option<u16> {
        match self {
            Self::One(command) => route::slot_of(command),
            Self::Many { pipeline, .. } => pipeline.cmd_iter().find_map(route::slot_of),
        }
    }

    async fn send(self, connection: &mut MultiplexedConnection, asking: bool) -> RedisResult<Vec<Value>> {
        if asking {
            return self.send_asking(connection).await;
        }
        match self {
            Self::One(command) => Ok(vec![connection.req_packed_command(command).await?.extract_error()?]),
            Self::Many { pipeline, offset, count } => {
                refused_as_one(connection.req_packed_commands(pipeline, offset, count).await?)
            }
        }
    }

    /// ASKING holds for the next command of the connection, which has other users: both go out in one piece.
    async fn send_asking(self, connection: &mut MultiplexedConnection) -> RedisResult<Vec<Value>> {
        let mut both = redis::pipe();
        let commands: Vec<&Cmd> = match self {
            Self::One(command) => vec![command],
            Self::Many { pipeline, .. } => pipeline.cmd_iter().collect(),
        };
        for command in &commands {
            both.cmd("ASKING").add_command((*command).clone());
        }
        let answers = connection.req_packed_commands(&both, 0, 2 * commands.len()).await?;
        match answers.into_iter().skip(1).step_by(2).collect::<Vec<Value>>() {
            answers if matches!(self, Self::Many { .. }) => refused_as_one(answers),
            answers => answers.into_iter().map(Value::extract_error).collect(),
        }
    }
}

/// A pipeline of which the server refused every command was not executed: it may be taken elsewhere. One that was
/// executed in part is the caller's.
fn refused_as_one(answers: Vec<Value>) -> RedisResult<Vec<Value>> {
    let refused = |answer: &Value| match answer {
        Value::ServerError(error) => matches!(
            error.kind(),
            Some(
                ServerErrorKind::Moved
                    | ServerErrorKind::Ask
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::BusyLoading
            )
        ),
        _ => false,
    };
    match answers.first() {
        Some(Value::ServerError(first)) if answers.iter().all(refused) => Err(first.clone().into()),
        _ => Ok(answers),
    }
}

/// What a peer that is dead never says.
pub(super) fn too_late() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

fn judge(error: &RedisError, asked: &Address) -> Verdict {
    let named = || error.redirect_node().and_then(|(node, _)| Address::parse(node, asked));
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => named().map_or(Verdict::NotNow, Verdict::Moved),
        ErrorKind::Server(ServerErrorKind::Ask) => named().map_or(Verdict::NotNow, Verdict::Ask),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain,
        ) => Verdict::NotNow,
        ErrorKind::Io | ErrorKind::Parse => Verdict::Unknown,
        _ => Verdict::Final,
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut answers = self.send(Request::One(command)).await?;
            answers.pop().ok_or_else(|| (ErrorKind::Parse, "an answer is missing").into())
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.send(Request::Many { pipeline, offset, count }))
    }

    fn get_db(&self) -> i64 {
        0
    }
}
