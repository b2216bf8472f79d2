//! The worker's part in moving a server between shards: where servers stand, markers, and events that are held.
//!
//! [`helpline_cluster::consumer`] decides, this module does: each function is one fenced transaction, or a part of the
//! one that moves the cursor, so that a crash leaves either all or nothing of it. ADR 11 has the protocol.
//!
//! Bounds: the proxy lets [`crate::proxy::markers::EARLY`] events of a server run ahead of it, and a replay takes no
//! second place. Beyond [`HELD_AT_MOST`] of one server the shard waits where it is, counted and logged; nothing is lost.

use std::collections::{HashMap, HashSet};

use helpline_cluster::consumer::{self, HeldStep, Item, Move, Place, State, Step};
use helpline_cluster::database::Database;
use helpline_cluster::event_log::Entry;
use helpline_cluster::fence::{self, Fence, FencedTx};
use helpline_cluster::ids::{MoveId, ServerId, ShardId, StreamId};
use helpline_cluster::membership::MOVES;

use super::apply::{self, Error, T1};
use super::lanes::Lanes;
use super::{Shared, letters};
use crate::deliver::outbox::Lane;
use crate::metrics as names;

/// Events of one server that are held for one shard. Far above what the proxy lets run ahead, however often it dies.
pub const HELD_AT_MOST: i64 = 20_000;
/// Held events applied by one transaction.
pub(super) const AT_ONCE: i64 = 32;

/// Where the servers stand, seen from the transaction's shard. Those that live there stay until it ends.
pub async fn places(tx: &mut FencedTx, servers: &[ServerId]) -> Result<HashMap<ServerId, Place>, Error> {
    let mut places = HashMap::with_capacity(servers.len());
    if servers.is_empty() {
        return Ok(places);
    }
    let shard = tx.fence().shard;
    let mut ids: Vec<i64> = servers.iter().map(|server| server.db()).collect();
    let here =
        sqlx::query_file!("src/worker/sql/places_here.sql", &ids, shard.db()).fetch_all(tx.conn()).await?;
    for row in here {
        let place = Place { lives_on: Some(shard), moving: None, waiting: row.waiting };
        places.insert(ServerId::from_db(row.server_id), place);
    }
    ids.retain(|id| !places.contains_key(&ServerId::from_db(*id)));
    if ids.is_empty() {
        return Ok(places);
    }
    let elsewhere =
        sqlx::query_file!("src/worker/sql/places_elsewhere.sql", &ids).fetch_all(tx.conn()).await?;
    for row in elsewhere {
        let (server, lives_on) = (ServerId::from_db(row.server_id), ShardId::from_db(row.shard_id));
        if lives_on == shard {
            return Err(Error::MovedMeanwhile(server));
        }
        let moving = match (row.move_id, row.from_shard, row.to_shard) {
            (Some(id), Some(from), Some(to)) => Some(Move {
                id: MoveId::from_db(id),
                server,
                from: ShardId::from_db(from),
                to: ShardId::from_db(to),
                state: State::Planned,
            }),
            _ => None,
        };
        places.insert(server, Place { lives_on: Some(lives_on), moving, waiting: false });
    }
    Ok(places)
}

/// Puts an event behind those that are held for a shard.
pub async fn hold(tx: &mut FencedTx, shard: ShardId, server: ServerId, entry: &Entry) -> Result<(), Error> {
    let held = sqlx::query_scalar!(
        r#"select count(*) as "held!" from helpline.held_events where shard_id = $1 and server_id = $2"#,
        shard.db(),
        server.db()
    )
    .fetch_one(tx.conn())
    .await?;
    if held >= HELD_AT_MOST {
        metrics::counter!(names::HELD_FULL).increment(1);
        return Err(Error::HeldFull(server));
    }
    sqlx::query_file!(
        "src/worker/sql/hold_event.sql",
        shard.db(),
        server.db(),
        entry.origin,
        entry.kind,
        entry.received_at_ms.cast_signed(),
        entry.payload.as_ref()
    )
    .execute(tx.conn())
    .await?;
    metrics::counter!(names::EVENTS_HELD).increment(1);
    if shard != tx.fence().shard {
        notify(tx, Some(shard)).await?;
    }
    Ok(())
}

/// What became of *moved out*.
#[derive(Debug)]
pub enum Marked {
    /// The cursor stands behind it now, or did before.
    Passed,
    /// Held events of the server come first.
    HeldFirst(ServerId),
}

/// Lets a server leave as *moved out* says and moves the cursor past the marker, in one transaction.
pub async fn moved_out(
    shared: &Shared,
    fence: &Fence,
    lanes: &Lanes,
    entry: &Entry,
    id: MoveId,
) -> Result<Marked, Error> {
    // Its lanes stop before the transaction, which would otherwise wait for theirs.
    let leaving = leaving(&shared.first, fence.shard, id).await?;
    if let Some(server) = leaving {
        lanes.leave(server).await;
    }
    let done = pass_moved_out(shared, fence, entry, id).await;
    if let (Some(server), false) = (leaving, matches!(done, Ok((_, true)))) {
        lanes.arrive(server).await;
    }
    done.map(|(marked, _)| marked)
}

/// The server that is to leave this shard by the move.
async fn leaving(database: &Database, shard: ShardId, id: MoveId) -> Result<Option<ServerId>, Error> {
    let row = sqlx::query_scalar!(
        "select server_id from helpline.server_moves where move_id = $1 and from_shard = $2 and state = 'planned'",
        id.db(),
        shard.db()
    )
    .fetch_optional(database.read().await?.conn())
    .await?;
    Ok(row.map(ServerId::from_db))
}

/// And whether the server has left.
async fn pass_moved_out(
    shared: &Shared,
    fence: &Fence,
    entry: &Entry,
    id: MoveId,
) -> Result<(Marked, bool), Error> {
    let mut tx = FencedTx::begin(&shared.first, fence).await?;
    let open = open_move(&mut tx, id).await?;
    let step = open.as_ref().map(|(_, place)| consumer::step(fence.shard, Item::MovedOut(id), place));
    let mut left = false;
    match (step, open) {
        (Some(Step::HeldFirst), Some((moving, _))) => {
            tx.rollback().await?;
            return Ok((Marked::HeldFirst(moving.server), false));
        }
        (Some(Step::Leave { to }), Some((moving, _))) => {
            leave(&mut tx, &moving, to).await?;
            left = true;
        }
        _ => {}
    }
    if !tx.move_cursor(entry.id).await? {
        tx.rollback().await?;
        return Ok((Marked::Passed, false));
    }
    tx.commit().await?;
    Ok((Marked::Passed, left))
}

async fn leave(tx: &mut FencedTx, moving: &Move, to: ShardId) -> Result<(), Error> {
    let from = tx.fence().shard;
    let left = sqlx::query_file!("src/worker/sql/leave.sql", moving.server.db(), from.db(), to.db())
        .execute(tx.conn())
        .await?;
    if left.rows_affected() != 1 {
        return Err(Error::MovedMeanwhile(moving.server));
    }
    // Direct messages are held by another shard's owner, who may have been faster: they wait there, before later ones.
    sqlx::query_file!("src/worker/sql/pass_held_on.sql", from.db(), moving.server.db(), to.db())
        .execute(tx.conn())
        .await?;
    notify(tx, Some(to)).await
}

async fn open_move(tx: &mut FencedTx, id: MoveId) -> Result<Option<(Move, Place)>, Error> {
    let shard = tx.fence().shard;
    let row = sqlx::query_file!("src/worker/sql/open_move.sql", id.db(), shard.db())
        .fetch_optional(tx.conn())
        .await?;
    Ok(row.map(|row| {
        let moving = Move {
            id,
            server: ServerId::from_db(row.server_id),
            from: ShardId::from_db(row.from_shard),
            to: ShardId::from_db(row.to_shard),
            state: if row.left { State::Left } else { State::Planned },
        };
        let lives_on = Some(ShardId::from_db(row.lives_on));
        (moving, Place { lives_on, moving: Some(moving), waiting: row.waiting })
    }))
}

/// Ends the server's move to this shard if nothing of it remains to be done. `moved_in`: the moves whose marker was seen.
async fn finish(tx: &mut FencedTx, server: ServerId, moved_in: &[i64]) -> Result<(), Error> {
    let shard = tx.fence().shard;
    let done = sqlx::query_file!("src/worker/sql/finish_move.sql", server.db(), shard.db(), moved_in)
        .execute(tx.conn())
        .await?;
    if done.rows_affected() > 0 {
        metrics::counter!(names::SERVERS_MOVED).increment(1);
        notify(tx, None).await?;
    }
    Ok(())
}

pub(super) async fn notify(tx: &mut FencedTx, to: Option<ShardId>) -> Result<(), Error> {
    let payload = to.map(|shard| shard.get().to_string()).unwrap_or_default();
    sqlx::query!("select pg_notify($1, $2)::text as notified", MOVES, payload).fetch_one(tx.conn()).await?;
    Ok(())
}

/// The servers for which this shard has something to do apart from its stream.
pub async fn arrivals(database: &Database, shard: ShardId) -> Result<Vec<ServerId>, Error> {
    let rows = sqlx::query_file_scalar!("src/worker/sql/arrivals.sql", shard.db())
        .fetch_all(database.read().await?.conn())
        .await?;
    Ok(rows.into_iter().map(ServerId::from_db).collect())
}

/// What became of a look at a server's held events.
#[derive(Debug)]
pub enum Drained {
    /// Some were applied; there may be more.
    Some(HashSet<Lane>),
    /// Nothing is held for this shard any more. The server lives here, unless `gone`.
    All { lanes: HashSet<Lane>, gone: bool },
    /// The server has not left its old shard yet.
    NotYet,
}

/// Applies the next held events of a server in their order, in one transaction without the cursor; `careful`: one alone.
/// With nothing left its move is done if it is among those whose *moved in* was seen.
pub async fn drain(
    shared: &Shared,
    fence: &Fence,
    server: ServerId,
    careful: bool,
    moved_in: &[i64],
) -> Result<Drained, Error> {
    let config = shared.configs.get(server).await?;
    let (mut t1, places) = T1::begin(shared, fence, &[server]).await?;
    let unknown = Place { lives_on: None, moving: None, waiting: true };
    match consumer::held_step(fence.shard, places.get(&server).unwrap_or(&unknown)) {
        HeldStep::Wait | HeldStep::Refuse => {
            t1.tx.rollback().await?;
            return Ok(Drained::NotYet);
        }
        HeldStep::PassOn(to) => {
            sqlx::query_file!("src/worker/sql/pass_held_on.sql", fence.shard.db(), server.db(), to.db())
                .execute(t1.tx.conn())
                .await?;
            notify(&mut t1.tx, Some(to)).await?;
            t1.tx.commit().await?;
            return Ok(Drained::All { lanes: HashSet::new(), gone: true });
        }
        HeldStep::Apply => {}
    }
    let most = if careful { 1 } else { AT_ONCE };
    let rows = next_held(&mut t1.tx, server, most).await?;
    for (id, entry) in &rows {
        match apply::parse(entry) {
            Ok(Some(relevant)) => t1.apply(&relevant, &config).await?,
            Ok(None) => {}
            Err(error) => put_aside(&mut t1.tx, *id, entry, &format!("unreadable payload: {error}")).await?,
        }
    }
    t1.settle().await?;
    forget_held(&mut t1.tx, server, &rows).await?;
    let all = rows.len() < usize::try_from(most).unwrap_or(usize::MAX);
    if all {
        finish(&mut t1.tx, server, moved_in).await?;
    }
    t1.tx.commit().await?;
    Ok(if all { Drained::All { lanes: t1.lanes, gone: false } } else { Drained::Some(t1.lanes) })
}

/// The held event of a server that this shard's owner may apply next, as a trial and a dead letter name it.
pub async fn first_held(
    database: &Database,
    shard: ShardId,
    server: ServerId,
) -> Result<Option<String>, Error> {
    let id = sqlx::query_file_scalar!("src/worker/sql/first_held.sql", shard.db(), server.db())
        .fetch_optional(database.read().await?.conn())
        .await?;
    Ok(id.map(held_name))
}

fn held_name(id: i64) -> String {
    format!("held-{id}")
}

/// Puts the first held event of a server aside: it cannot be applied, however often it is tried.
pub async fn put_first_aside(
    shared: &Shared,
    fence: &Fence,
    server: ServerId,
    failure: &str,
) -> Result<(), Error> {
    let mut tx = FencedTx::begin_for(&shared.first, fence, server).await?;
    let rows = next_held(&mut tx, server, 1).await?;
    for (id, entry) in &rows {
        put_aside(&mut tx, *id, entry, failure).await?;
    }
    forget_held(&mut tx, server, &rows).await?;
    Ok(tx.commit().await?)
}

async fn next_held(tx: &mut FencedTx, server: ServerId, most: i64) -> Result<Vec<(i64, Entry)>, Error> {
    let shard = tx.fence().shard;
    let rows = sqlx::query_file!("src/worker/sql/next_held.sql", shard.db(), server.db(), most)
        .fetch_all(tx.conn())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let entry = Entry {
                // It stands in no stream any more; the number tells held events apart.
                id: StreamId::new(0, row.id.cast_unsigned()),
                origin: row.origin,
                kind: row.kind,
                server: Some(server),
                received_at_ms: row.received_at_ms.cast_unsigned(),
                payload: row.payload.into(),
            };
            (row.id, entry)
        })
        .collect())
}

async fn forget_held(tx: &mut FencedTx, server: ServerId, rows: &[(i64, Entry)]) -> Result<(), Error> {
    let shard = tx.fence().shard;
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    if !ids.is_empty() {
        sqlx::query!(
            "delete from helpline.held_events where shard_id = $1 and server_id = $2 and id = any ($3)",
            shard.db(),
            server.db(),
            &ids
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

async fn put_aside(tx: &mut FencedTx, id: i64, entry: &Entry, failure: &str) -> Result<(), Error> {
    tracing::error!(failure, "a held event ({}) is put aside in helpline.dead_letters", entry.kind);
    metrics::counter!(names::DEAD_LETTERS).increment(1);
    Ok(letters::put_aside(tx, entry, &held_name(id), failure).await?)
}

/// A server lives elsewhere, as its shard's lanes learn it.
pub fn is_elsewhere(error: &Error) -> bool {
    matches!(error, Error::Fence(fence::Error::ServerElsewhere { .. }))
}
