//! Reads again over REST what the gateway did not bring: support channels, open threads and channels that were written in
//! while nobody listened, message by message after the last id known, into the streams as ordinary events.
//!
//! Runs beside the gateway shard that missed them. Promises: a gap is recorded before anything is forgotten that tells of
//! it; a channel's missed messages go before its live ones ([`super::holds`]); a channel is done only when what was read
//! of it is in its stream, so that another proxy goes on where this one died; requests stay within budgets and behind
//! those of the workers; a channel of several gaps is read once. What is not repaired is counted and stays in `helpline.gap_channels` with its reason.
//! Source: <https://discord.com/developers/docs/resources/message#get-channel-messages>.

mod left;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::StatusCode;
use helpline_cluster::ids::{GatewayShard, ServerId};
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use left::{Costs, Left, Unread};

use super::backlog::Entry;
use super::egress::Egress;
use super::gaps::{self, Channel, Gap, Missed};
use super::ingest::{self, Class, Identity, Verdict};
use super::metrics;
use super::publish::Link;
use super::routes::Routes;
use crate::discord::MessageId;

/// Messages of one request, the most that Discord gives.
const PAGE: usize = 100;
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How often it is looked for gaps that others left.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pause after a store or Discord failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often one channel is tried before it goes to the end of the list.
const TRIES: u32 = 3;
/// Of so many servers at once it is looked at what a new session tells of their channels.
const SERVERS_AT_ONCE: usize = 200;
/// How long a start waits for its gap to be recorded: connecting later would miss more.
const RECORD_WITHIN: Duration = Duration::from_secs(5);
/// How long a resume waits to learn what an earlier proxy left to be read; longer than that, order matters less than time.
const HOLD_WITHIN: Duration = Duration::from_millis(500);

/// What repairing may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Requests for the channels of one server, for one gap.
    pub per_server: u32,
    /// Requests for one gap.
    pub in_all: u32,
    /// Requests a second: two fifths of what Discord grants a bot, and none while workers wait.
    pub per_second: u32,
    /// How long one gap is worked at.
    pub time: Duration,
    /// Nothing older is read.
    pub reach: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            per_server: 50,
            in_all: 5_000,
            per_second: 20,
            time: Duration::from_secs(20 * 60),
            reach: Duration::from_secs(24 * 3_600),
        }
    }
}

/// Repairs the gaps of one gateway shard.
#[derive(Debug)]
pub struct Backfill {
    pub gateway: GatewayShard,
    pub pool: PgPool,
    pub egress: Arc<Egress>,
    pub link: Arc<Link>,
    pub routes: Arc<Routes>,
    pub me: Identity,
    pub budget: Budget,
    /// How often something was recorded: the list of what is left may be another since.
    pub looks: AtomicU64,
}

/// What became of reading one channel.
enum Read {
    /// The messages after the last known one, with what they cost.
    All { messages: Vec<(u64, Value)>, requests: u32 },
    /// With what was read before.
    GivenUp { why: &'static str, messages: Vec<(u64, Value)>, requests: u32 },
    /// No answer; to be tried again.
    Failed { requests: u32 },
}

/// What is known to be left of the open gaps, oldest first.
struct Known {
    /// By which look; another number: there may be more by now.
    looks: Option<u64>,
    gaps: Vec<Gap>,
    left: Left,
}

impl Backfill {
    /// Records what is missing already, before the gateway is connected.
    pub async fn before_connecting(&self) {
        if tokio::time::timeout(RECORD_WITHIN, self.record()).await.is_err() {
            tracing::warn!("{}: a gap cannot be recorded yet; connecting meanwhile", self.gateway);
        }
    }

    /// Holds what an earlier proxy left to be read, before the gateway is connected: the resume brings live messages at once.
    pub async fn before_resuming(&self) {
        let holding = async {
            for gap in gaps::unrepaired(&self.pool, self.gateway).await? {
                let left = gaps::channels(&self.pool, gap.id).await?;
                self.link.hold(left.iter().map(|channel| channel.channel));
                if let Some(ms) = gap.of_all_from_ms {
                    self.link.missing_since(ms);
                }
            }
            Ok::<(), sqlx::Error>(())
        };
        if !matches!(tokio::time::timeout(HOLD_WITHIN, holding).await, Ok(Ok(()))) {
            tracing::warn!(
                "{}: it is not known yet what is to be read again; resuming meanwhile",
                self.gateway
            );
        }
    }

    /// Records and repairs until cancelled. `up` changes when there may be another session.
    pub async fn run(self, mut up: watch::Receiver<bool>, cancel: CancellationToken) {
        let recorded = Notify::new();
        // Beside the repairs, which take minutes: the session is not stored before it is recorded what was missed.
        let recording = async {
            loop {
                self.record().await;
                recorded.notify_one();
                self.link.gap_noted().await;
            }
        };
        let repairing = async {
            loop {
                up.mark_unchanged();
                if self.link.session_id().is_some() {
                    self.repair_all(up.clone()).await;
                }
                tokio::select! {
                    () = recorded.notified() => {}
                    _ = up.changed() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        };
        let both = async { tokio::join!(recording, repairing) };
        cancel.run_until_cancelled(both).await;
    }

    /// Writes down what was missed, however long Postgres is away, and holds the channels concerned.
    async fn record(&self) {
        while let Some(missed) = self.link.missed() {
            match self.record_one(&missed).await {
                Ok(channels) => {
                    // Before the link forgets that something is missing.
                    self.looks.fetch_add(1, Ordering::Relaxed);
                    self.link.recorded(&missed, &channels);
                }
                Err(error) => {
                    tracing::debug!(%error, "{}: recording a gap", self.gateway);
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
        loop {
            let noticed = self.link.noticed(SERVERS_AT_ONCE);
            if noticed.is_empty() {
                return;
            }
            match gaps::notice(&self.pool, self.gateway, &noticed, self.budget.reach).await {
                Ok(to_read) => {
                    self.link.looked_at(&noticed, &to_read);
                    self.looks.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::debug!(%error, "{}: looking at what was written meanwhile", self.gateway);
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    /// Returns the channels that are to be read.
    async fn record_one(&self, missed: &Missed) -> sqlx::Result<HashSet<u64>> {
        let Some(gap) = gaps::open(&self.pool, self.gateway, missed, self.budget.reach).await? else {
            return Ok(HashSet::new());
        };
        let channels = gaps::channels(&self.pool, gap).await?;
        tracing::warn!(
            cause = missed.cause.label(),
            channels = channels.len(),
            "{}: events were missed; gap {gap} is repaired over REST",
            self.gateway
        );
        ::metrics::counter!(metrics::GAPS, "cause" => missed.cause.label()).increment(1);
        ::metrics::counter!(metrics::MISSED_INTERACTIONS).increment(missed.interactions.into());
        let channels: HashSet<u64> = channels.iter().map(|channel| channel.channel).collect();
        self.link.hold(channels.iter().copied());
        Ok(channels)
    }

    async fn repair_all(&self, mut up: watch::Receiver<bool>) {
        match gaps::adopt(&self.pool, self.gateway).await {
            Ok(0) => {}
            Ok(gaps) => tracing::info!(gaps, "{}: takes up gaps of a set that is gone", self.gateway),
            Err(error) => tracing::debug!(%error, "{}: looking for gaps of sets that are gone", self.gateway),
        }
        if let Err(error) = self.repair(&mut up).await {
            tracing::warn!(%error, "{}: repairing gaps is interrupted", self.gateway);
        }
    }

    /// Reads every channel that is left of the open gaps, or gives it up, until none is open.
    async fn repair(&self, up: &mut watch::Receiver<bool>) -> sqlx::Result<()> {
        let mut costs = Costs::new(self.budget);
        let mut pace = tokio::time::interval(Duration::from_secs(1) / self.budget.per_second.max(1));
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut known = self.look(&mut costs, up).await?;
        loop {
            if self.is_stale(&known) {
                known = self.look(&mut costs, up).await?;
                continue;
            }
            let Some(unread) = known.left.next(self.link.most_urgent()) else {
                if known.gaps.is_empty() {
                    self.link.let_go_of_what_is_read(|| !self.is_stale(&known));
                    return Ok(());
                }
                self.finish(&mut known, &costs).await?;
                continue;
            };
            let (given_up, budget) = costs.budget(&unread, Instant::now());
            if budget == 0 {
                self.publish(unread.from(), Vec::new()).await;
            }
            for (gap, why) in &given_up {
                gaps::given_up(&self.pool, *gap, unread.from(), why, 0).await?;
                counted("given_up");
            }
            if budget > 0 {
                let unread = unread.without(&given_up);
                self.read_one(unread, budget, &mut known, &mut costs, &mut pace, up).await?;
            }
            self.finish(&mut known, &costs).await?;
        }
    }

    /// Reads a channel for all its gaps with so many requests at most.
    async fn read_one(
        &self,
        unread: Unread,
        budget: u32,
        known: &mut Known,
        costs: &mut Costs,
        pace: &mut tokio::time::Interval,
        up: &mut watch::Receiver<bool>,
    ) -> sqlx::Result<()> {
        let session = self.session(up).await;
        let channel = unread.from();
        let read = self.read(channel, budget, pace).await;
        let (Read::All { requests, .. } | Read::GivenUp { requests, .. } | Read::Failed { requests }) = read;
        let paid = costs.charge(&unread, requests);
        if self.is_stale(known) {
            *known = self.look(costs, up).await?;
            if !known.left.take_if_same(&unread) {
                return Ok(());
            }
        }
        if self.link.session_id().as_ref() != Some(&session) {
            known.left.put_last(unread);
            return Ok(());
        }
        match read {
            Read::All { messages, .. } => {
                let count = self.publish(channel, messages).await;
                // The oldest has the messages; the others had them with it.
                for (place, (gap, requests)) in paid.into_iter().enumerate() {
                    let count = if place == 0 { count } else { 0 };
                    gaps::repaired(&self.pool, gap, channel, count, requests).await?;
                }
                counted("repaired");
                ::metrics::counter!(metrics::BACKFILLED).increment(count.into());
            }
            Read::GivenUp { why, messages, .. } => {
                let count = self.publish(channel, messages).await;
                ::metrics::counter!(metrics::BACKFILLED).increment(count.into());
                for (gap, requests) in paid {
                    gaps::given_up(&self.pool, gap, channel, why, requests).await?;
                }
                counted("given_up");
            }
            Read::Failed { .. } => known.left.put_last(unread),
        }
        Ok(())
    }

    /// What is left of the open gaps; their channels are held from now on, also those that another proxy left.
    async fn look(&self, costs: &mut Costs, up: &mut watch::Receiver<bool>) -> sqlx::Result<Known> {
        // Threads are listed once more when there is a session that brings what comes later.
        self.session(up).await;
        let looks = self.looks.load(Ordering::Relaxed);
        let gaps = gaps::unrepaired(&self.pool, self.gateway).await?;
        let mut of_gaps = Vec::with_capacity(gaps.len());
        for gap in &gaps {
            if costs.begin(gap, Instant::now()) {
                gaps::list_new_threads(&self.pool, gap.id, self.budget.reach).await?;
            }
            of_gaps.push((gap.id, gaps::channels(&self.pool, gap.id).await?));
        }
        let left = Left::new(of_gaps);
        self.link.hold(left.channels());
        Ok(Known { looks: Some(looks), gaps, left })
    }

    fn is_stale(&self, known: &Known) -> bool {
        known.looks != Some(self.looks.load(Ordering::Relaxed))
    }

    /// Ends the gaps of which nothing is left.
    async fn finish(&self, known: &mut Known, costs: &Costs) -> sqlx::Result<()> {
        let (open, over): (Vec<Gap>, Vec<Gap>) = known.gaps.iter().partition(|gap| known.left.has_of(gap.id));
        known.gaps = open;
        for gap in over {
            let Some(whole) = gaps::finish(&self.pool, gap.id).await? else {
                // What a session tells of channels came meanwhile.
                known.looks = None;
                continue;
            };
            let requests = costs.of(gap.id);
            tracing::info!(whole, requests, "{}: gap {} is done", self.gateway, gap.id);
        }
        Ok(())
    }

    /// The session that brings whatever comes after a reading: without one, a channel would be let go before all of it is
    /// there. It need not be connected: a full backlog of held messages keeps it from that until they are read again.
    async fn session(&self, up: &mut watch::Receiver<bool>) -> String {
        loop {
            if let Some(session) = self.link.session_id() {
                return session;
            }
            if up.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Reads what a channel has after the last message known.
    async fn read(&self, channel: Channel, budget: u32, pace: &mut tokio::time::Interval) -> Read {
        let (mut messages, mut requests, mut failures) = (Vec::new(), 0, 0);
        let mut after = channel.after;
        loop {
            if requests >= budget {
                return Read::GivenUp { why: "budget", messages, requests };
            }
            pace.tick().await;
            self.behind_the_workers().await;
            requests += 1;
            ::metrics::counter!(metrics::BACKFILL_REQUESTS).increment(1);
            let path = format!("/channels/{}/messages", channel.channel);
            let answer = self.egress.read(path, format!("limit={PAGE}&after={after}")).await;
            let status = answer.status();
            let body = to_bytes(answer.into_body(), LARGEST_ANSWER).await;
            let page: Option<Vec<Value>> = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
            let page = match (status, page) {
                (StatusCode::OK, Some(page)) => page,
                (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _) => {
                    return Read::GivenUp { why: "unreadable", messages, requests };
                }
                _ if failures + 1 >= TRIES => return Read::Failed { requests },
                _ => {
                    failures += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                    continue;
                }
            };
            let full = page.len() >= PAGE;
            let newest = page.iter().filter_map(id_of).max();
            messages.extend(page.into_iter().filter_map(|message| Some((id_of(&message)?, message))));
            match newest {
                Some(newest) if full && newest > after => after = newest,
                _ => return Read::All { messages, requests },
            }
        }
    }

    /// Requests of workers are what members wait for.
    async fn behind_the_workers(&self) {
        let until = Instant::now() + Duration::from_secs(2);
        while self.egress.is_busy() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Puts what was missed before what is held of the channel, and waits until it is in the stream.
    async fn publish(&self, channel: Channel, messages: Vec<(u64, Value)>) -> u32 {
        // Nobody wants what a server says that has no shard.
        let known = self.routes.get(channel.server).is_some();
        let messages = messages.into_iter().filter(|_| known);
        let read: Vec<_> =
            messages.filter_map(|(id, message)| self.entry(channel.server, id, message)).collect();
        let count = u32::try_from(read.len()).unwrap_or(u32::MAX);
        self.link.merge(channel.channel, read);
        self.link.read_again_is_published().await;
        count
    }

    /// A message as the gateway would have brought it; none when nobody would have wanted it.
    fn entry(&self, server: ServerId, id: u64, mut message: Value) -> Option<Entry> {
        message["guild_id"] = server.get().to_string().into();
        let text = message.to_string();
        let wanted = match ingest::classify("MESSAGE_CREATE", &text, self.me) {
            Verdict::IfListening { .. } => true,
            Verdict::Keep { class, .. } => class == Class::OwnMessage,
            _ => false,
        };
        // When it was written, so that whoever answers knows how late he is.
        let at_ms = MessageId(id).unix_ms();
        wanted.then(|| {
            let mut entry =
                Entry::read_again("backfill", "MESSAGE_CREATE", Some(server), id, text.into_bytes().into());
            entry.received_at_ms = at_ms;
            entry
        })
    }
}

fn id_of(message: &Value) -> Option<u64> {
    message["id"].as_str()?.parse().ok()
}

fn counted(result: &'static str) {
    ::metrics::counter!(metrics::BACKFILL_CHANNELS, "result" => result).increment(1);
}
