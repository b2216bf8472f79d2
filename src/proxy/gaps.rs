//! `helpline.gaps`: what Discord sent, or would have sent, and no stream has. Written before anything is forgotten that
//! would tell of it, so that the next proxy repairs what this one could not.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use helpline_cluster::ids::{GatewayShard, ServerId, ShardId};
use serde::Deserialize;
use sqlx::PgPool;
use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;

use super::activity::Written;

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Discord refused to resume the session.
    SessionLost,
    /// There was no session to resume: Redis lost it while no proxy held it.
    SessionUnknown,
    /// A shard's stream took nothing for longer than the backlog can hold.
    StreamFull,
    /// Redis lost a stream, and what was in it could not be published again.
    StreamLost,
}

impl Cause {
    pub fn label(self) -> &'static str {
        match self {
            Self::SessionLost => "session_lost",
            Self::SessionUnknown => "session_unknown",
            Self::StreamFull => "stream_full",
            Self::StreamLost => "stream_lost",
        }
    }
}

/// So many places of a gap are remembered; of what is missing beyond them, only channels known otherwise are read.
const MOST_PLACES: usize = 2_000;

/// The channels in which messages were written that are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeSet<(ServerId, u64)>);

impl Places {
    /// Adds the channel of an event about a message, and returns it unless there are too many.
    pub fn add(&mut self, server: Option<ServerId>, kind: &str, payload: &[u8]) -> Option<u64> {
        let place = place(server, kind, payload)?;
        if self.0.len() < MOST_PLACES {
            self.0.insert(place);
        }
        self.0.contains(&place).then_some(place.1)
    }

    /// Whether an event is about a message in one of the channels.
    pub fn has(&self, server: Option<ServerId>, kind: &str, payload: &[u8]) -> bool {
        // Most servers have no place here, and need no reading.
        let of_server = |server| self.0.range((server, 0)..=(server, u64::MAX)).next().is_some();
        server.is_some_and(of_server)
            && place(server, kind, payload).is_some_and(|place| self.0.contains(&place))
    }

    pub fn channels(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|(_, channel)| *channel)
    }

    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// Where a message is that an event is about.
fn place(server: Option<ServerId>, kind: &str, payload: &[u8]) -> Option<(ServerId, u64)> {
    #[derive(Deserialize)]
    struct Head<'a> {
        channel_id: &'a str,
    }
    let server = server.filter(|_| kind.starts_with("MESSAGE_"))?;
    let head = serde_json::from_slice::<Head<'_>>(payload).ok()?;
    Some((server, head.channel_id.parse().ok()?))
}

/// What a session told of one server's channels when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    pub sequence: u64,
    pub server: ServerId,
    pub written: Vec<Written>,
}

/// Events that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    pub cause: Cause,
    /// None: of every server of the gateway shard.
    pub shard: Option<ShardId>,
    /// When the first of them may have been sent; none when that is not known.
    pub from_ms: Option<u64>,
    /// Of the missing events, so many are known to be interactions, which cannot be read again.
    pub interactions: u32,
    /// Channels in which some of them were written, beside those that are read in any case.
    pub places: Places,
}

impl Missed {
    /// Events of every server of the gateway shard.
    pub fn of_all(cause: Cause, from_ms: Option<u64>) -> Self {
        Self { cause, shard: None, from_ms, interactions: 0, places: Places::default() }
    }
}

/// A gap that is to be repaired.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub id: i64,
    pub requests: u32,
    /// Unix time of the first that may be missing; none for the events of one shard.
    pub of_all_from_ms: Option<u64>,
}

/// A channel that is still to be read for a gap, after this message.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    pub server: ServerId,
    pub channel: u64,
    pub after: u64,
}

/// Records a gap with its channels. None: nothing has ever been applied, so that nothing is missing.
pub async fn open(
    pool: &PgPool,
    gateway: GatewayShard,
    missed: &Missed,
    reach: Duration,
) -> sqlx::Result<Option<i64>> {
    let from = missed
        .from_ms
        .and_then(|ms| OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok());
    let (servers, channels): (Vec<i64>, Vec<i64>) =
        missed.places.0.iter().map(|(server, channel)| (server.db(), channel.cast_signed())).unzip();
    sqlx::query_scalar!(
        "select helpline.open_gap($1, $2, $3, $4, $5, now(), $6, $7, $8, $9)",
        gateway.total.cast_signed(),
        gateway.id.cast_signed(),
        missed.shard.map(|shard| shard.db()),
        missed.cause.label(),
        from,
        missed.interactions.cast_signed(),
        interval(reach),
        &servers,
        &channels
    )
    .fetch_one(pool)
    .await
}

/// Adds to the gaps of a lost session the channels that the next one tells to have been written in, and takes those off in
/// which nothing was. Returns the told channels that are to be read; none when nothing is missing.
pub async fn notice(
    pool: &PgPool,
    gateway: GatewayShard,
    noticed: &[Noticed],
    reach: Duration,
) -> sqlx::Result<HashSet<u64>> {
    let all = || noticed.iter().flat_map(|one| one.written.iter().map(|written| (one.server, *written)));
    let servers: Vec<i64> = all().map(|(server, _)| server.db()).collect();
    let channels: Vec<i64> = all().map(|(_, written)| written.channel.cast_signed()).collect();
    let newest: Vec<i64> = all().map(|(_, written)| written.newest.cast_signed()).collect();
    let to_read = sqlx::query_scalar!(
        r#"select helpline.notice_channels($1, $2, $3, $4, $5, $6) as "channel!""#,
        gateway.total.cast_signed(),
        gateway.id.cast_signed(),
        &servers,
        &channels,
        &newest,
        interval(reach)
    )
    .fetch_all(pool)
    .await?;
    Ok(to_read.into_iter().map(i64::cast_unsigned).collect())
}

fn interval(of: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(of.as_micros()).unwrap_or(i64::MAX) }
}

/// Adds the threads that were started after the gap was recorded; for a gap whose session is up. Does so once.
pub async fn list_new_threads(pool: &PgPool, gap: i64, reach: Duration) -> sqlx::Result<u32> {
    let added = sqlx::query_scalar!("select helpline.list_new_threads($1, $2)", gap, interval(reach))
        .fetch_one(pool)
        .await?;
    Ok(added.unwrap_or(0).cast_unsigned())
}

/// Takes up what this gateway shard serves now of the open gaps of sets that are gone.
pub async fn adopt(pool: &PgPool, gateway: GatewayShard) -> sqlx::Result<u32> {
    let (total, id) = (gateway.total.cast_signed(), gateway.id.cast_signed());
    let adopted =
        sqlx::query_scalar!("select helpline.adopt_gaps($1, $2)", total, id).fetch_one(pool).await?;
    Ok(adopted.unwrap_or(0).cast_unsigned())
}

/// The gaps of a gateway shard that are to be repaired, oldest first.
pub async fn unrepaired(pool: &PgPool, gateway: GatewayShard) -> sqlx::Result<Vec<Gap>> {
    let rows = sqlx::query!(
        r#"select id, requests,
             case when shard_id is null then (extract(epoch from from_at) * 1000)::bigint end as "of_all_from_ms"
         from helpline.gaps
         where gateway_total = $1 and gateway_id = $2 and state = 'open' order by id"#,
        gateway.total.cast_signed(),
        gateway.id.cast_signed()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Gap {
            id: row.id,
            requests: row.requests.cast_unsigned(),
            of_all_from_ms: row.of_all_from_ms.map(i64::cast_unsigned),
        })
        .collect())
}

/// The channels of a gap that are still to be read.
pub async fn channels(pool: &PgPool, gap: i64) -> sqlx::Result<Vec<Channel>> {
    let rows = sqlx::query!(
        "select server_id, channel_id, after_id from helpline.gap_channels
         where gap_id = $1 and given_up is null order by server_id, channel_id",
        gap
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Channel {
            server: ServerId::from_db(row.server_id),
            channel: row.channel_id.cast_unsigned(),
            after: row.after_id.cast_unsigned(),
        })
        .collect())
}

/// A channel was read; what was missing of it is in the stream.
pub async fn repaired(
    pool: &PgPool,
    gap: i64,
    channel: Channel,
    messages: u32,
    requests: u32,
) -> sqlx::Result<()> {
    sqlx::query_file!(
        "src/proxy/sql/channel_repaired.sql",
        gap,
        channel.server.db(),
        channel.channel.cast_signed(),
        messages.cast_signed(),
        requests.cast_signed()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A channel is not read, or no further.
pub async fn given_up(
    pool: &PgPool,
    gap: i64,
    channel: Channel,
    why: &str,
    requests: u32,
) -> sqlx::Result<()> {
    sqlx::query_file!(
        "src/proxy/sql/channel_given_up.sql",
        gap,
        channel.server.db(),
        channel.channel.cast_signed(),
        why,
        requests.cast_signed()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Ends the gap when nothing of it is left to be read. Some(true): everything was, or it is gone. None: there is something again.
pub async fn finish(pool: &PgPool, gap: i64) -> sqlx::Result<Option<bool>> {
    let mut transaction = pool.begin().await?;
    // What is noticed waits for this lock or is seen below.
    let found = sqlx::query!("select id from helpline.gaps where id = $1 for update", gap)
        .fetch_optional(&mut *transaction)
        .await?;
    if found.is_none() {
        return Ok(Some(true));
    }
    let whole = sqlx::query_scalar!(
        r#"update helpline.gaps g
         set state = case when g.channels_given_up = 0 then 'repaired' else 'given_up' end, finished_at = now()
         where g.id = $1
             and not exists (select from helpline.gap_channels c where c.gap_id = g.id and c.given_up is null)
         returning g.state = 'repaired' as "whole!""#,
        gap
    )
    .fetch_optional(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(whole)
}
