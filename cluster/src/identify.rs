//! The identify queue of the cluster: who may start a session on Discord's gateway, and when.
//!
//! Discord takes one IDENTIFY for each bucket (gateway shard id % max_concurrency) in five seconds, and a number of
//! them a day; beyond that it resets the bot's token. Redis counts for all processes, and a permit is taken from bucket
//! and budget in one step. Promises: never more than Discord said; the last of the day ([`RESERVE_PERCENT`]) are kept
//! for gateway shards without which servers get no events; with none left nobody identifies until there are new ones;
//! a gateway shard that starts again and again, as with a proxy that crashes, is slowed down to one start in
//! [`LONGEST_PAUSE`]. RESUME needs no permit.
//! Sources: <https://discord.com/developers/docs/events/gateway#rate-limiting> and `#session-start-limit-object`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{RedisError, Script};
use tokio::sync::{Notify, oneshot, watch};
use twilight_gateway_queue::Queue;

use crate::ids::GatewayShard;
use crate::keys::Keys;
use crate::redis_link::{Connection, RedisLink};

/// How long a bucket rests after an IDENTIFY. Discord's five seconds, and some for its clock.
const REST: Duration = Duration::from_millis(5_250);
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// Whoever waits for more than a bucket looks again so often: Discord may have told something new.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What is kept of a day's sessions, but at least [`RESERVE_LEAST`] and at most half.
pub const RESERVE_PERCENT: u32 = 10;
pub const RESERVE_LEAST: u32 = 50;
/// A gateway shard may start so often without a pause.
const FREE_STARTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Time from a permit until Discord counts its IDENTIFY, at the most.
const ON_ITS_WAY: Duration = Duration::from_secs(60);

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("identify/lua/take.lua")));
static LEARN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("identify/lua/learn.lua")));

/// `session_start_limit` of GET /gateway/bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub total: u32,
    pub remaining: u32,
    pub reset_after: Duration,
    pub max_concurrency: u32,
}

/// How the day's budget stands, as last seen by this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Sessions left, the reserve included; none before anything was seen.
    pub left: Option<u32>,
    /// Somebody waits because only the reserve is left, or nothing.
    pub low: bool,
}

/// What came of asking for a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Taken,
    BucketRests,
    Unknown,
    UsedUp { wait: Duration },
    ReserveOnly { wait: Duration },
    TooOften { wait: Duration },
}

/// The queue as one process sees it. Cheap to clone.
#[derive(Clone)]
pub struct Identifies {
    redis: Connection,
    keys: Keys,
    max_concurrency: Arc<AtomicU32>,
    rest: Duration,
    budget: Arc<watch::Sender<Budget>>,
    /// Redis does not know the budget, or its day is over: somebody has to ask Discord.
    wanted: Arc<Notify>,
}

impl std::fmt::Debug for Identifies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identifies").field("max_concurrency", &self.max_concurrency).finish_non_exhaustive()
    }
}

impl Identifies {
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        Self {
            redis: redis.shared(),
            keys,
            max_concurrency: Arc::new(AtomicU32::new(1)),
            rest: REST,
            budget: Arc::new(watch::Sender::new(Budget::default())),
            wanted: Arc::new(Notify::new()),
        }
    }

    /// With another rest of a bucket than Discord's.
    #[must_use]
    pub fn with_rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// How many may begin at once, where what is left is not known.
    pub fn set_max_concurrency(&self, max_concurrency: u32) {
        self.max_concurrency.store(max_concurrency.max(1), Ordering::Relaxed);
    }

    /// Takes over what Discord says; what was handed out and may not have reached it stays counted.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn learn(&self, limit: Limit) -> Result<(), RedisError> {
        self.set_max_concurrency(limit.max_concurrency);
        let left: u32 = LEARN
            .key(self.keys.identify_budget())
            .arg(limit.total.max(1))
            .arg(limit.remaining)
            .arg(millis(limit.reset_after))
            .arg(millis(ON_ITS_WAY))
            .invoke_async(&mut self.redis.clone())
            .await?;
        self.budget.send_modify(|budget| budget.left = Some(left));
        Ok(())
    }

    /// Waits until the limit has to be read from Discord and given to [`Identifies::learn`].
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub fn budget(&self) -> watch::Receiver<Budget> {
        self.budget.subscribe()
    }

    /// The queue of one gateway shard. `essential` says, each time it asks, whether servers get no events without it.
    pub fn of(&self, gateway: GatewayShard, essential: Arc<dyn Fn() -> bool + Send + Sync>) -> ShardQueue {
        ShardQueue { identifies: self.clone(), gateway, essential }
    }

    async fn ask(&self, gateway: GatewayShard, essential: bool) -> Result<Asked, RedisError> {
        let bucket = gateway.id % self.max_concurrency.load(Ordering::Relaxed);
        let (what, wait, left): (u8, u64, i64) = TAKE
            .key(self.keys.identify_bucket(bucket))
            .key(self.keys.identify_budget())
            .key(self.keys.identify_starts(gateway))
            .arg(millis(self.rest))
            .arg(u8::from(essential))
            .arg(RESERVE_PERCENT)
            .arg(RESERVE_LEAST)
            .arg(FREE_STARTS)
            .arg(millis(FIRST_PAUSE))
            .arg(millis(LONGEST_PAUSE))
            .invoke_async(&mut self.redis.clone())
            .await?;
        let wait = Duration::from_millis(wait);
        let asked = match what {
            0 => Asked::Taken,
            1 => Asked::BucketRests,
            3 => Asked::UsedUp { wait },
            4 => Asked::ReserveOnly { wait },
            5 => Asked::TooOften { wait },
            _ => Asked::Unknown,
        };
        if let Ok(left) = u32::try_from(left) {
            let low = matches!(asked, Asked::UsedUp { .. } | Asked::ReserveOnly { .. });
            self.budget.send_if_modified(|budget| {
                let now = Budget { left: Some(left), low };
                std::mem::replace(budget, now) != now
            });
        }
        Ok(asked)
    }

    /// Waits until the gateway shard may identify; a Redis that is away is waited for, not passed by.
    async fn permit(&self, gateway: GatewayShard, essential: &(dyn Fn() -> bool + Send + Sync)) {
        let mut told = None;
        loop {
            let asked = self.ask(gateway, essential()).await;
            let pause = match &asked {
                Ok(Asked::Taken) => return,
                Ok(Asked::BucketRests) => RETRY_EVERY,
                Ok(Asked::Unknown) => {
                    self.wanted.notify_one();
                    RETRY_EVERY
                }
                Ok(Asked::UsedUp { wait } | Asked::ReserveOnly { wait } | Asked::TooOften { wait }) => {
                    (*wait).clamp(RETRY_EVERY, LOOK_EVERY)
                }
                Err(_) => RETRY_EVERY * 5,
            };
            // The same reason is told once.
            let reason = match &asked {
                Ok(asked) => Some(std::mem::discriminant(asked)),
                Err(_) => None,
            };
            if told != Some(reason) {
                tell(gateway, &asked);
                told = Some(reason);
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }
}

fn tell(gateway: GatewayShard, asked: &Result<Asked, RedisError>) {
    let minutes = |wait: &Duration| wait.as_secs() / 60 + 1;
    match asked {
        Ok(Asked::Taken | Asked::BucketRests) => {}
        Ok(Asked::Unknown) => tracing::debug!("{gateway}: asks Discord how many sessions are left today"),
        Ok(Asked::UsedUp { wait }) => tracing::error!(
            minutes = minutes(wait),
            "{gateway}: today's sessions are used up; it waits for new ones, because Discord would reset the token"
        ),
        Ok(Asked::ReserveOnly { wait }) => tracing::error!(
            minutes = minutes(wait),
            "{gateway}: few of today's sessions are left, kept for gateway shards whose servers get no events; it waits"
        ),
        Ok(Asked::TooOften { wait }) => tracing::error!(
            minutes = minutes(wait),
            "{gateway}: it has started sessions too often lately and waits: does a proxy crash again and again?"
        ),
        Err(error) => tracing::warn!(%error, "{gateway}: an identify waits for Redis"),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One gateway shard's place in the queue, for twilight.
#[derive(Clone)]
pub struct ShardQueue {
    identifies: Identifies,
    gateway: GatewayShard,
    essential: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for ShardQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardQueue").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl Queue for ShardQueue {
    fn enqueue(&self, _id: u32) -> oneshot::Receiver<()> {
        let (permit, granted) = oneshot::channel();
        let queue = self.clone();
        tokio::spawn(async move {
            let mut permit = permit;
            tokio::select! {
                () = queue.identifies.permit(queue.gateway, &*queue.essential) => { let _ = permit.send(()); }
                // The connection that asked is gone: its place is not used up.
                () = permit.closed() => {}
            }
        });
        granted
    }
}
