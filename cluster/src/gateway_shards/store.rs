//! The rows of proxies, sets and gateway shards. Every change by a holder names its id and epoch: a superseded one
//! changes nothing.

use sqlx::{PgConnection, PgPool};

use super::plan::Row;
use crate::database;
use crate::ids::{GatewayShard, ProxyId};
use crate::membership::{LOCK_CLASS, MEMBERSHIP, notify};

/// What a holder does with the events of its gateway shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Keeps them back: an old set's gateway shard still publishes for the same servers.
    Held,
    Serving,
    /// Publishes what its session had up to now, then ends it for good.
    Closing,
}

impl Phase {
    fn from_db(text: &str) -> Self {
        match text {
            "held" => Self::Held,
            "closing" => Self::Closing,
            _ => Self::Serving,
        }
    }
}

/// A set of gateway shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    pub total: u32,
    /// It comes up beside the one that serves.
    pub rising: bool,
}

/// One row of `gateway_shards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub gateway: GatewayShard,
    pub phase: Phase,
    pub up: bool,
    pub owner: Option<ProxyId>,
}

impl Standing {
    pub(super) const fn row(&self) -> Row {
        Row { gateway: self.gateway, owner: self.owner, closing: matches!(self.phase, Phase::Closing) }
    }
}

/// Everything at one moment, or nearly so.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The living, with whether they drain.
    pub proxies: Vec<(ProxyId, bool)>,
    pub sets: Vec<Set>,
    pub gateways: Vec<Standing>,
}

/// A claim that was won.
#[derive(Clone, Copy, Debug)]
pub(super) struct Won {
    pub(super) gateway: GatewayShard,
    pub(super) epoch: u64,
    pub(super) phase: Phase,
    pub(super) previous: Option<ProxyId>,
}

/// What names one holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) gateway: GatewayShard,
    pub(super) owner: ProxyId,
    pub(super) epoch: u64,
}

/// Reads everything.
///
/// # Errors
/// When the database cannot be read.
pub async fn look(pool: &PgPool) -> Result<Snapshot, sqlx::Error> {
    let proxies =
        sqlx::query!("select id, draining from helpline.proxies order by id").fetch_all(pool).await?;
    let sets =
        sqlx::query!("select total, state from helpline.gateway_sets order by total").fetch_all(pool).await?;
    let gateways =
        sqlx::query!("select total, id, phase, up, owner from helpline.gateway_shards order by total, id")
            .fetch_all(pool)
            .await?;
    let standing = |total, id, phase: &str, up, owner: Option<uuid::Uuid>| Standing {
        gateway: gateway(total, id),
        phase: Phase::from_db(phase),
        up,
        owner: owner.map(ProxyId::from_db),
    };
    Ok(Snapshot {
        proxies: proxies.into_iter().map(|row| (ProxyId::from_db(row.id), row.draining)).collect(),
        sets: sets
            .into_iter()
            .map(|row| Set { total: row.total.cast_unsigned(), rising: row.state == "rising" })
            .collect(),
        gateways: gateways
            .into_iter()
            .map(|row| standing(row.total, row.id, &row.phase, row.up, row.owner))
            .collect(),
    })
}

const fn gateway(total: i32, id: i32) -> GatewayShard {
    GatewayShard::new(id.cast_unsigned(), total.cast_unsigned())
}

/// Begins the first set, unless there is one.
pub(super) async fn begin(pool: &PgPool, total: u32) -> Result<(), sqlx::Error> {
    add_set(pool, total, "serving").await.map(drop)
}

/// Lets a set rise beside the one that serves. False: one rises already, or this one is there.
///
/// # Errors
/// When the database cannot be written.
pub async fn rise(pool: &PgPool, total: u32) -> Result<bool, sqlx::Error> {
    add_set(pool, total, "rising").await
}

async fn add_set(pool: &PgPool, total: u32, state: &str) -> Result<bool, sqlx::Error> {
    let mut tx = database::begin(pool, None).await?;
    let total = total.cast_signed();
    // Either key refuses: the set is there, or another in the same state.
    let added = sqlx::query!(
        "insert into helpline.gateway_sets (total, state) values ($1, $2) on conflict do nothing",
        total,
        state
    )
    .execute(&mut *tx)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(false);
    }
    let phase = if state == "rising" { "held" } else { "serving" };
    sqlx::query!(
        "insert into helpline.gateway_shards (total, id, phase) select $1, id, $2 from generate_series(0, $1 - 1) id",
        total,
        phase
    )
    .execute(&mut *tx)
    .await?;
    notify(&mut *tx, MEMBERSHIP, "").await?;
    tx.commit().await?;
    Ok(true)
}

/// Gives a rising set up; of this total, or whichever. None: there is none, or it has gone too far.
///
/// # Errors
/// When the database cannot be written.
pub async fn abandon(pool: &PgPool, total: Option<u32>) -> Result<Option<u32>, sqlx::Error> {
    let total = total.map(u32::cast_signed);
    let mut tx = database::begin(pool, None).await?;
    lock_sets(&mut tx).await?;
    let gone = sqlx::query_file_scalar!("src/gateway_shards/sql/abandon.sql", total)
        .fetch_optional(&mut *tx)
        .await?;
    if gone.is_some() {
        notify(&mut *tx, MEMBERSHIP, "").await?;
    }
    tx.commit().await?;
    Ok(gone.map(i32::cast_unsigned))
}

/// One at a time moves the sets: what a step closes for the sake of a set must not be given up beside it.
async fn lock_sets(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select total from helpline.gateway_sets order by total for update")
        .fetch_all(tx)
        .await
        .map(drop)
}

/// Carries the change of the number of gateway shards one step on, if one is due. Any proxy may, at any time.
pub(super) async fn step(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut tx = database::begin(pool, None).await?;
    lock_sets(&mut tx).await?;
    let closing = sqlx::query_file!("src/gateway_shards/sql/close_old.sql").execute(&mut *tx).await?;
    let serving = sqlx::query_file!("src/gateway_shards/sql/serve_new.sql").execute(&mut *tx).await?;
    let removed = sqlx::query_file!("src/gateway_shards/sql/remove_old_set.sql").execute(&mut *tx).await?;
    if removed.rows_affected() > 0 {
        sqlx::query!("update helpline.gateway_sets set state = 'serving' where state = 'rising'")
            .execute(&mut *tx)
            .await?;
    }
    if closing.rows_affected() + serving.rows_affected() + removed.rows_affected() > 0 {
        notify(&mut *tx, MEMBERSHIP, "").await?;
    }
    tx.commit().await
}

pub(super) async fn claim(
    pool: &PgPool,
    proxy: ProxyId,
    gateways: &[GatewayShard],
) -> Result<Vec<Won>, sqlx::Error> {
    let totals: Vec<i32> = gateways.iter().map(|gateway| gateway.total.cast_signed()).collect();
    let ids: Vec<i32> = gateways.iter().map(|gateway| gateway.id.cast_signed()).collect();
    let rows = sqlx::query_file!("src/gateway_shards/sql/claim.sql", proxy.db(), &totals, &ids)
        .fetch_all(pool)
        .await?;
    let won = |row_total, row_id, epoch: i64, phase: &str, previous: Option<uuid::Uuid>| Won {
        gateway: gateway(row_total, row_id),
        epoch: epoch.cast_unsigned(),
        phase: Phase::from_db(phase),
        previous: previous.map(ProxyId::from_db),
    };
    Ok(rows.into_iter().map(|row| won(row.total, row.id, row.epoch, &row.phase, row.previous)).collect())
}

/// The holder's epoch, raised above `stands`. None: it is not the holder.
pub(super) async fn raise_epoch(
    pool: &PgPool,
    holding: Holding,
    stands: u64,
) -> Result<Option<u64>, sqlx::Error> {
    let (total, id, owner, epoch) = keys(holding);
    let raised = sqlx::query_file_scalar!(
        "src/gateway_shards/sql/raise_epoch.sql",
        total,
        id,
        owner,
        epoch,
        stands.cast_signed()
    )
    .fetch_optional(pool)
    .await?;
    Ok(raised.map(i64::cast_unsigned))
}

/// Whether it still stands, and its owner has not been declared dead.
pub(super) async fn holds(pool: &PgPool, holding: Holding) -> Result<bool, sqlx::Error> {
    let (total, id, owner, epoch) = keys(holding);
    sqlx::query_file_scalar!("src/gateway_shards/sql/holds.sql", total, id, owner, epoch)
        .fetch_one(pool)
        .await
}

/// Lets another claim it at once.
pub(super) async fn release(pool: &PgPool, holding: Holding) -> Result<(), sqlx::Error> {
    let (total, id, owner, epoch) = keys(holding);
    sqlx::query_file!("src/gateway_shards/sql/release.sql", total, id, owner, epoch)
        .fetch_optional(pool)
        .await
        .map(drop)
}

/// Releases what is the proxy's by the rows alone, whatever the epoch: nothing runs for it.
pub(super) async fn release_strays(
    pool: &PgPool,
    proxy: ProxyId,
    gateways: &[GatewayShard],
) -> Result<(), sqlx::Error> {
    let totals: Vec<i32> = gateways.iter().map(|gateway| gateway.total.cast_signed()).collect();
    let ids: Vec<i32> = gateways.iter().map(|gateway| gateway.id.cast_signed()).collect();
    sqlx::query_file!("src/gateway_shards/sql/release_strays.sql", proxy.db(), &totals, &ids)
        .fetch_optional(pool)
        .await
        .map(drop)
}

/// Removes a closing gateway shard whose session has ended.
pub(super) async fn retire(pool: &PgPool, holding: Holding) -> Result<(), sqlx::Error> {
    let (total, id, owner, epoch) = keys(holding);
    sqlx::query_file!("src/gateway_shards/sql/retire.sql", total, id, owner, epoch)
        .fetch_optional(pool)
        .await
        .map(drop)
}

fn keys(holding: Holding) -> (i32, i32, uuid::Uuid, i64) {
    let GatewayShard { id, total } = holding.gateway;
    (total.cast_signed(), id.cast_signed(), holding.owner.db(), holding.epoch.cast_signed())
}

/// Writes which of the proxy's gateway shards have their session up.
pub(super) async fn report_up(
    pool: &PgPool,
    proxy: ProxyId,
    ups: &[(GatewayShard, bool)],
) -> Result<(), sqlx::Error> {
    let totals: Vec<i32> = ups.iter().map(|(gateway, _)| gateway.total.cast_signed()).collect();
    let ids: Vec<i32> = ups.iter().map(|(gateway, _)| gateway.id.cast_signed()).collect();
    let ups: Vec<bool> = ups.iter().map(|(_, up)| *up).collect();
    sqlx::query_file!("src/gateway_shards/sql/report_up.sql", proxy.db(), &totals, &ids, &ups)
        .fetch_optional(pool)
        .await
        .map(drop)
}

/// Removes what this process was before it was started again: a proxy of the same name that holds no lock.
pub(super) async fn bury_former(pool: &PgPool, me: ProxyId, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/gateway_shards/sql/bury_former.sql", me.db(), name, LOCK_CLASS)
        .fetch_optional(pool)
        .await
        .map(drop)
}

pub(super) async fn set_draining(pool: &PgPool, proxy: ProxyId) -> Result<(), sqlx::Error> {
    sqlx::query!("update helpline.proxies set draining = true where id = $1", proxy.db())
        .execute(pool)
        .await?;
    notify(pool, MEMBERSHIP, "").await
}

pub(super) async fn leave(pool: &PgPool, proxy: ProxyId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from helpline.proxies where id = $1", proxy.db()).execute(pool).await?;
    notify(pool, MEMBERSHIP, "").await
}
