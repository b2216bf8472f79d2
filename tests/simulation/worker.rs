//! A worker process: brings what it holds in line with the plan, and runs a loop for each shard that it owns.
//!
//! `cluster::claims::held` is the product's; the reconciler and the making sure of a log are glue, after
//! `cluster/src/claims/reconcile.rs` and `log.rs`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use helpline_cluster::claims::held::{Held, Steps};
use helpline_cluster::clock::Clock;
use helpline_cluster::event_log::Entry;
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{Epoch, MoveId, ServerId, ShardId, StreamId};
use tokio_util::sync::CancellationToken;

use crate::member::{self, Life};
use crate::mutation::Mutation;
use crate::network::Lost;
use crate::node::{Node, TTL};
use crate::store::claims::Claim;
use crate::store::members::Role;
use crate::store::{Fail, Locking};

pub mod apply;
pub mod lanes;
pub mod shard_loop;

/// The right to apply a shard.
#[derive(Clone)]
pub struct Lease {
    pub life: Life,
    pub fence: Fence,
    pub cursor: StreamId,
    pub stop: CancellationToken,
    pub shared: Rc<Shared>,
    /// Moves whose *moved in* was read. Lost with this owner: the proxy writes the marker again.
    pub moved_in: Rc<RefCell<BTreeSet<MoveId>>>,
}

/// What is to be done with a shard whose loop has ended.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// Let the next owner claim it.
    Release,
    /// What stands is in doubt: claim it anew, above this epoch, before anything of it is read.
    Reacquire { above: Option<Epoch> },
}

/// What the loops of one process share.
pub struct Shared {
    pub held: Held,
    /// Only of the mutation that keeps held events here.
    pub held_in_memory: RefCell<BTreeMap<(ShardId, ServerId), Vec<Entry>>>,
    /// Shards whose loop has not ended yet, and what stops them.
    pub loops: RefCell<BTreeMap<ShardId, (Fence, CancellationToken)>>,
}

/// Starts the process.
pub fn start(node: &Node) {
    let shared =
        Rc::new(Shared { held: Held::new(), held_in_memory: RefCell::default(), loops: RefCell::default() });
    let (begin, end) = (Rc::clone(&shared), shared);
    node.spawn(member::live(
        node.clone(),
        Role::Worker,
        move |life| life.clone().spawn(reconcile(life, Rc::clone(&begin))),
        move |life| end.held.stop_all(life.node.world.engine.clock(life.node.host()).now()),
    ));
}

async fn reconcile(life: Life, shared: Rc<Shared>) {
    life.spawn(stop_when_expired(life.clone(), Rc::clone(&shared)));
    life.spawn(keep_epochs(life.clone(), Rc::clone(&shared)));
    let waiting: Rc<RefCell<BTreeSet<ShardId>>> = Rc::default();
    loop {
        drop(reconcile_once(&life, &shared, &waiting).await);
        life.node.sleep(life.node.jittered(Duration::from_millis(250))).await;
    }
}

async fn reconcile_once(
    life: &Life,
    shared: &Rc<Shared>,
    waiting: &Rc<RefCell<BTreeSet<ShardId>>>,
) -> Result<(), Lost> {
    let (me, held) = (life.id, &shared.held);
    let seen_at = held.changes();
    let standings = life.node.postgres(move |store| store.standings(me)).await?;
    let now = life.node.world.engine.clock(life.node.host()).now();
    let Steps { mut claim, release: to_release, revoke } =
        held.compare(me, &standings, seen_at, now, now.checked_sub(TTL));
    for fence in revoke {
        // The loop finishes the transaction in hand and releases.
        life.node.note(|| format!("{} is revoked", fence.shard));
        if let Some((_, stop)) = shared.loops.borrow().get(&fence.shard).filter(|(of, _)| *of == fence) {
            stop.cancel();
        }
    }
    for fence in to_release {
        held.remove(&fence);
        release(&life.node, fence).await;
    }
    claim.retain(|shard| !waiting.borrow().contains(shard) && !shared.loops.borrow().contains_key(shard));
    if claim.is_empty() || !life.may_act() {
        return Ok(());
    }
    let asked: Vec<_> = claim.iter().map(|shard| (*shard, held.above(*shard))).collect();
    let won = life.node.postgres(move |store| store.claim_free(me, &asked)).await?;
    claim.retain(|shard| !won.iter().any(|claim| claim.fence.shard == *shard));
    for claim in won {
        accept(life, shared, claim);
    }
    for shard in claim {
        waiting.borrow_mut().insert(shard);
        let (life, shared, waiting) = (life.clone(), Rc::clone(shared), Rc::clone(waiting));
        life.clone().spawn(async move {
            let client = life.node.client;
            let above = shared.held.above(shard);
            let won =
                life.node.postgres_waiting(|store| store.claim_held(client, life.id, shard, above)).await;
            waiting.borrow_mut().remove(&shard);
            if let Ok(Ok(Some(claim))) = won {
                accept(&life, &shared, claim);
            }
        });
    }
    Ok(())
}

/// Puts the epochs of what this worker runs back where Redis lost them; where a higher one stands, the shard is given
/// up and claimed anew above it.
async fn keep_epochs(life: Life, shared: Rc<Shared>) {
    loop {
        let mut running = shared.held.running();
        running.sort_unstable_by_key(|fence| fence.shard);
        for fence in running {
            let (shard, epoch) = (fence.shard, fence.epoch.0);
            let raising = life.node.redis(move |redis| redis.raise_shard_epoch(shard, epoch));
            if let Ok((_, stands)) = raising.await
                && stands > epoch
            {
                let now = life.node.world.engine.clock(life.node.host()).now();
                shared.held.claim_above(shard, Epoch(stands));
                shared.held.stop(&fence, now);
            }
        }
        life.node.sleep(life.node.jittered(TTL / 3)).await;
    }
}

/// Stops every lease while no renewal is young enough; afterwards they are claimed anew.
async fn stop_when_expired(life: Life, shared: Rc<Shared>) {
    loop {
        if !life.may_act() {
            let now = life.node.world.engine.clock(life.node.host()).now();
            shared.held.stop_all(now);
        }
        life.node.sleep(TTL / 20).await;
    }
}

fn accept(life: &Life, shared: &Rc<Shared>, claim: Claim) {
    let stop = life.over.child_token();
    shared.held.enter(claim.fence.clone(), stop.clone());
    let (life, shared, fence) = (life.clone(), Rc::clone(shared), claim.fence);
    life.node.clone().spawn(async move {
        let Some(cursor) = stop.run_until_cancelled(usable_log(&life, &fence, true)).await else { return };
        let cursor = match cursor {
            Ok(cursor) => cursor,
            Err(Fail::EpochTaken(stands)) => return reacquire(&shared, &fence, Some(stands)),
            Err(_) => {
                shared.held.remove(&fence);
                return;
            }
        };
        let moved_in = Rc::default();
        let lease = Lease {
            life: life.clone(),
            fence: fence.clone(),
            cursor,
            stop: stop.clone(),
            shared: Rc::clone(&shared),
            moved_in,
        };
        let mut run = false;
        shared.held.run(&fence, || run = true);
        if run {
            shared.loops.borrow_mut().insert(fence.shard, (fence.clone(), stop));
            let ending = shard_loop::run(lease).await;
            shared.loops.borrow_mut().remove(&fence.shard);
            match ending {
                Ending::Reacquire { above } => reacquire(&shared, &fence, above),
                Ending::Release => {
                    shared.held.remove(&fence);
                    release(&life.node, fence).await;
                }
            }
        }
    });
}

/// Forgets the lease and keeps the fence row: it is ours and not in use, so that it is claimed anew.
fn reacquire(shared: &Shared, fence: &Fence, above: Option<Epoch>) {
    if let Some(above) = above {
        shared.held.claim_above(fence.shard, above);
    }
    shared.held.remove(fence);
}

async fn release(node: &Node, fence: Fence) {
    let client = node.client;
    drop(node.postgres_waiting(|store| async move { store.release_fence(client, &fence).await }).await);
}

/// Makes sure that Redis and Postgres agree on the incarnation of the log, and says where to read on.
/// `fresh` = Redis has not heard of this epoch from us.
pub async fn usable_log(life: &Life, fence: &Fence, fresh: bool) -> Result<StreamId, Fail> {
    let mut backoff = life.node.backoff();
    let mut fresh = fresh;
    loop {
        match ensure_log(&life.node, fence, &mut fresh).await {
            // Whatever became of the commit, the next look says where the log stands.
            Err(Fail::Lost | Fail::OutcomeUnknown | Fail::Elsewhere(_)) => backoff.wait().await,
            done => return done,
        }
    }
}

async fn ensure_log(node: &Node, fence: &Fence, fresh: &mut bool) -> Result<StreamId, Fail> {
    let (shard, epoch) = (fence.shard, fence.epoch.0);
    let lost = |_: Lost| Fail::Lost;
    let cursor = node.postgres(move |store| store.tables().streams[&shard].cursor).await.map_err(lost)?;
    let asking = node.redis(move |redis| (redis.raise_shard_epoch(shard, epoch), redis.incarnation(shard)));
    let ((raised, stands), in_redis) = asking.await.map_err(lost)?;
    if stands > epoch || (*fresh && !raised) {
        return Err(Fail::EpochTaken(Epoch(stands)));
    }
    *fresh = false;
    if cursor.incarnation > 0 && in_redis == Some(cursor.incarnation) {
        return Ok(cursor);
    }
    let stale = node.world.is(Mutation::StaleIncarnation) && cursor.incarnation > 0;
    let next = if stale { cursor.incarnation } else { cursor.incarnation.max(in_redis.unwrap_or(0)) + 1 };
    if !stale {
        let tx = node.begin(fence, None).await?;
        let from = cursor.incarnation;
        tx.run(move |store, tx| async move { store.raise_incarnation(tx, shard, from, next).await }).await?;
        tx.commit().await?;
    }
    let begun = node.redis(move |redis| redis.begin_incarnation(shard, epoch, next)).await.map_err(lost)?;
    if begun > epoch {
        return Err(Fail::EpochTaken(Epoch(begun)));
    }
    node.note(|| format!("{shard} begins incarnation {next}"));
    if stale { Ok(cursor) } else { Ok(StreamId::start_of(next)) }
}

/// How the rows of servers are locked in this world.
fn server_rows(node: &Node) -> Locking {
    node.locking(Mutation::NoServerFence)
}
