//! Which server is to be asked: the one of the URL, the primary as the sentinels know it, or the cluster's node of a slot.
//!
//! What was found out is kept until somebody finds it wrong, and looked up anew every few seconds: a primary that was
//! cut off from its sentinels goes on taking writes that will be lost.
//! Sources: Redis, "Sentinel client spec" and "Redis cluster specification".

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, Value};
use tokio::time::timeout;

use super::once::{Made, Once};
use super::route::SLOTS;
use super::url::{Form, Servers};

/// How long one sentinel or node may take to say what it knows.
const PATIENCE: Duration = Duration::from_millis(500);
/// After so long it is asked again, beside the work.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A server, by host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// As MOVED and ASK name it; without a host it is the one that answered.
    pub(super) fn parse(text: &str, answered: &Address) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = if host.is_empty() { answered.host.as_str() } else { host };
        Some(Self::new(host, port.parse().ok()?))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Who serves what.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Map {
    One(Address),
    Slots {
        /// First and last slot.
        ranges: Vec<(u16, u16, Address)>,
        /// What nodes have said since by MOVED.
        moved: HashMap<u16, Address>,
    },
}

impl Map {
    fn find(&self, slot: Option<u16>) -> Option<&Address> {
        match (self, slot) {
            (Self::One(address), _) => Some(address),
            (Self::Slots { ranges, moved }, Some(slot)) => moved.get(&slot).or_else(|| {
                ranges
                    .iter()
                    .find(|(from, to, _)| (*from..=*to).contains(&slot))
                    .map(|(_, _, address)| address)
            }),
            (Self::Slots { ranges, .. }, None) if ranges.is_empty() => None,
            (Self::Slots { ranges, .. }, None) => Some(&ranges[fastrand::usize(..ranges.len())].2),
        }
    }

    fn addresses(&self) -> Vec<Address> {
        match self {
            Self::One(address) => vec![address.clone()],
            Self::Slots { ranges, moved } => {
                let ranges = ranges.iter().map(|(_, _, address)| address);
                let mut all: Vec<Address> = ranges.chain(moved.values()).cloned().collect();
                all.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
                all.dedup();
                all
            }
        }
    }
}

/// A server that is believed to serve what was asked for.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) address: Address,
    /// Of the knowledge behind it.
    pub(super) version: u64,
}

/// Shared by all connections of a link.
pub(super) struct Locator {
    form: Form,
    map: Once<Arc<Map>>,
    /// Nodes of the cluster as last seen: those that the URL names may be gone by now.
    seen: Mutex<Vec<Address>>,
    looking_again: AtomicBool,
}

impl Locator {
    pub(super) fn new(form: Form) -> Self {
        Self { form, map: Once::new(), seen: Mutex::default(), looking_again: AtomicBool::new(false) }
    }

    pub(super) fn info(&self, address: &Address) -> ConnectionInfo {
        match &self.form {
            Form::Single(info) => info.clone(),
            Form::Sentinel { servers, .. } | Form::Cluster { servers, .. } => {
                servers.at(&address.host, address.port)
            }
        }
    }

    /// Redis has only one address in this form: nothing can be found out.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.form, Form::Single(_))
    }

    /// Where the slot is served; without one, any server.
    pub(super) async fn locate(self: &Arc<Self>, slot: Option<u16>) -> RedisResult<Located> {
        let map = self.map.get(self.discover()).await?;
        if map.at.elapsed() > LOOK_AGAIN && !self.is_fixed() {
            self.look_again(map.version);
        }
        match map.value.find(slot) {
            Some(address) => Ok(Located { address: address.clone(), version: map.version }),
            None => {
                self.map.discard(map.version).await;
                Err((ErrorKind::ClusterConnectionNotFound, "no node of the cluster serves this slot now")
                    .into())
            }
        }
    }

    /// The present knowledge, if there is any, still says so.
    pub(super) fn still_at(&self, slot: u16, address: &Address) -> bool {
        self.map.peek().is_none_or(|map| map.value.find(Some(slot)) == Some(address))
    }

    /// A server found under this version did not serve: the next who needs one asks anew.
    pub(super) async fn doubt(&self, version: u64) {
        if !self.is_fixed() {
            self.map.discard(version).await;
        }
    }

    /// A node has said who serves the slot.
    pub(super) async fn moved(&self, version: u64, slot: u16, address: &Address) {
        let Some(Made { value, version: now, .. }) = self.map.peek() else { return };
        if let Map::Slots { ranges, moved } = &*value
            && now == version
        {
            let (ranges, mut moved) = (ranges.clone(), moved.clone());
            moved.insert(slot, address.clone());
            self.map.replace(version, Arc::new(Map::Slots { ranges, moved })).await;
        }
    }

    fn look_again(self: &Arc<Self>, version: u64) {
        if self.looking_again.swap(true, Ordering::AcqRel) {
            return;
        }
        let me = Arc::clone(self);
        tokio::spawn(async move {
            // What cannot be asked leaves the knowledge as it is; the work shows whether it is good.
            if let Ok(map) = me.discover().await {
                me.map.replace(version, map).await;
            }
            me.looking_again.store(false, Ordering::Release);
        });
    }

    async fn discover(&self) -> RedisResult<Arc<Map>> {
        let map = match &self.form {
            Form::Single(info) => Map::One(Address::new(&info.addr().to_string(), 0)),
            Form::Sentinel { sentinels, primary, servers } => {
                Map::One(primary_by_sentinels(sentinels, primary, servers).await?)
            }
            Form::Cluster { seeds, servers } => {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let seen = seen.iter().map(|node| servers.at(&node.host, node.port));
                let mut nodes: Vec<ConnectionInfo> = seen.chain(seeds.iter().cloned()).collect();
                fastrand::shuffle(&mut nodes);
                let map = slots_by_nodes(&nodes).await?;
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = map.addresses();
                map
            }
        };
        Ok(Arc::new(map))
    }
}

/// Asks all sentinels at once and believes the newest word of a majority of them, or of all that answer: one that was
/// cut off names the primary of before. A server that does not call itself primary is none yet.
async fn primary_by_sentinels(
    sentinels: &[ConnectionInfo],
    primary: &str,
    servers: &Servers,
) -> RedisResult<Address> {
    let mut asked: FuturesUnordered<_> =
        sentinels.iter().map(|sentinel| in_time(ask_sentinel(sentinel, primary))).collect();
    let mut answers: Vec<(u64, Address)> = Vec::new();
    let mut failure: Option<RedisError> = None;
    while let Some(answer) = asked.next().await {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(error) => failure = Some(error),
        }
        if answers.len() > sentinels.len() / 2 {
            break;
        }
    }
    let Some((_, address)) = answers.into_iter().max_by_key(|(epoch, _)| *epoch) else {
        return Err(failure.unwrap_or_else(|| (ErrorKind::Io, "no sentinel is named").into()));
    };
    in_time(async {
        let mut server = connect(servers.at(&address.host, address.port), PATIENCE).await?;
        match is_primary(&mut server).await? {
            true => Ok(address),
            false => Err((ErrorKind::Io, "the sentinels' primary does not call itself one yet").into()),
        }
    })
    .await
}

pub(super) async fn is_primary(server: &mut MultiplexedConnection) -> RedisResult<bool> {
    let role: Vec<Value> = redis::cmd("ROLE").query_async(server).await?;
    Ok(role.first().and_then(text).is_some_and(|role| role == "master"))
}

/// The epoch of the configuration and the primary in it.
async fn ask_sentinel(sentinel: &ConnectionInfo, primary: &str) -> RedisResult<(u64, Address)> {
    let mut sentinel = connect(sentinel.clone(), PATIENCE).await?;
    let told: HashMap<String, String> =
        redis::cmd("SENTINEL").arg("MASTER").arg(primary).query_async(&mut sentinel).await?;
    let address = || {
        let port = told.get("port")?.parse().ok()?;
        Some((told.get("config-epoch")?.parse().ok()?, Address::new(told.get("ip")?, port)))
    };
    address()
        .ok_or_else(|| (ErrorKind::Parse, "what a sentinel says of its primary is not understood").into())
}

/// The first node that knows its cluster is believed; where it is wrong, MOVED or a failure shows it, and another is
/// asked.
async fn slots_by_nodes(nodes: &[ConnectionInfo]) -> RedisResult<Map> {
    let mut failure: Option<RedisError> = None;
    for node in nodes {
        match in_time(ask_node(node)).await {
            Ok(ranges) if !ranges.is_empty() => return Ok(Map::Slots { ranges, moved: HashMap::new() }),
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| (ErrorKind::Io, "no node of the cluster knows who serves what").into()))
}

async fn ask_node(node: &ConnectionInfo) -> RedisResult<Vec<(u16, u16, Address)>> {
    let asked = match node.addr() {
        redis::ConnectionAddr::Tcp(host, port) | redis::ConnectionAddr::TcpTls { host, port, .. } => {
            Address::new(host, *port)
        }
        _ => return Err((ErrorKind::InvalidClientConfig, "a cluster is reached by TCP").into()),
    };
    let mut connection = connect(node.clone(), PATIENCE).await?;
    let rows: Vec<Vec<Value>> = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    let range = |row: &Vec<Value>| {
        let slot = |value: &Value| match value {
            Value::Int(slot) => u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS),
            _ => None,
        };
        let Value::Array(primary) = row.get(2)? else { return None };
        let Value::Int(port) = primary.get(1)? else { return None };
        // A node that does not know its own address leaves it empty.
        let host = text(primary.first()?).filter(|host| !host.is_empty() && host != "?");
        let host = host.unwrap_or_else(|| asked.host.clone());
        Some((slot(row.first()?)?, slot(row.get(1)?)?, Address::new(&host, u16::try_from(*port).ok()?)))
    };
    Ok(rows.iter().filter_map(range).collect())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

/// A bare connection, whose answers are waited for without end when `limit` is for connecting only.
pub(super) async fn connect(info: ConnectionInfo, limit: Duration) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(Some(limit))
        .set_pipeline_buffer_size(1024);
    Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
}

async fn in_time<T>(asking: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| Err((ErrorKind::Io, "the server was not heard of in time").into()))
}
