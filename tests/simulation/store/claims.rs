//! Fence rows, assignments and the gateway shards' owners: the statements of `cluster::lease` and the leader.

use std::collections::BTreeMap;
use std::rc::Rc;

use helpline_cluster::claims::held::Standing;
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{Epoch, ShardId, StreamId, WorkerId};
use helpline_cluster::placement::{self, Input, Params, Shard};

use super::locks::{Mode, Row};
use super::members::Role;
use super::{Client, Fail, FenceRow, Store, StreamRow, TxId, fence_of};
use crate::engine::{First, MS, Micros, SECOND, race};

/// A transaction that blocks a claim may do nothing for so long before it is ended.
const IDLE_BLOCKER: Micros = 100 * MS;
const CLAIM_WAIT: Micros = 2 * SECOND;

/// Who holds one of Discord's gateway shards.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatewayRow {
    pub owner: Option<WorkerId>,
    pub assigned: Option<WorkerId>,
    pub epoch: u64,
}

/// A fence that was just won, and from whom.
#[derive(Clone, Debug)]
pub struct Claim {
    pub fence: Fence,
    pub previous: Option<WorkerId>,
}

impl Store {
    pub fn add_shard(&self, shard: ShardId) {
        let token = self.engine.uuid();
        self.change(|tables| {
            tables.fences.insert(shard, FenceRow { epoch: 0, token, owner: None });
            tables.streams.insert(shard, StreamRow { cursor: StreamId::start_of(0) });
        });
    }

    fn claimable(&self, shard: ShardId, by: WorkerId) -> bool {
        let tables = self.tables();
        let Some(row) = tables.fences.get(&shard) else { return false };
        let free = row.owner.is_none_or(|owner| owner == by || !tables.members.contains_key(&owner));
        free && tables.assignments.get(&shard) == Some(&by) && tables.members.contains_key(&by)
    }

    pub fn standings(&self, me: WorkerId) -> Vec<Standing> {
        let tables = self.tables();
        let rows = tables.fences.iter().filter_map(|(&shard, row)| {
            let assigned = tables.assignments.get(&shard).copied();
            let ours = row.owner == Some(me);
            (ours || assigned == Some(me)).then(|| Standing {
                shard,
                mine: fence_of(shard, row).filter(|_| ours),
                assigned,
                claimable: row.owner.is_none_or(|owner| owner == me || !tables.members.contains_key(&owner)),
            })
        });
        rows.collect()
    }

    /// Takes what can be had at once; what a transaction holds is left to [`Store::claim_held`].
    pub fn claim_free(&self, me: WorkerId, shards: &[(ShardId, Epoch)]) -> Vec<Claim> {
        let free = |shard: ShardId| self.locks.is_free(&Row::Fence(shard)) && self.claimable(shard, me);
        let free: Vec<_> = shards.iter().copied().filter(|(shard, _)| free(*shard)).collect();
        free.into_iter().map(|(shard, above)| self.take(shard, me, above)).collect()
    }

    /// Waits for the transactions that hold the fence, and ends those among them that do nothing.
    pub async fn claim_held(
        self: Rc<Self>,
        client: Client,
        me: WorkerId,
        shard: ShardId,
        above: Epoch,
    ) -> Result<Option<Claim>, Fail> {
        let tx = self.new_id() | CLAIMS;
        self.open(tx, client)?;
        let this = Rc::clone(&self);
        let ending = async move {
            for _ in 0..CLAIM_WAIT / IDLE_BLOCKER {
                this.engine.sleep_true(IDLE_BLOCKER).await;
                let chain = this.locks.chain(tx);
                let idle: Vec<TxId> =
                    this.idle_for(IDLE_BLOCKER).filter(|blocker| chain.contains(blocker)).collect();
                for blocker in idle {
                    this.engine.note(|| format!("postgres: a claim of {shard} ends transaction {blocker}"));
                    this.rollback(blocker);
                }
            }
        };
        let locking = async {
            let _running = self.running(tx)?;
            self.locks.lock(&self, tx, Row::Fence(shard), Mode::Exclusive).await
        };
        let won = match race(locking, ending).await {
            First::Left(Ok(())) if self.claimable(shard, me) => Ok(Some(self.take(shard, me, above))),
            First::Left(Ok(())) => Ok(None),
            First::Left(Err(fail)) => Err(fail),
            First::Right(()) => Err(Fail::Lost),
        };
        self.rollback(tx);
        won
    }

    fn take(&self, shard: ShardId, me: WorkerId, above: Epoch) -> Claim {
        let token = self.engine.uuid();
        let claim = self.change(|tables| {
            let row = tables.fences.get_mut(&shard).expect("a shard has a fence row");
            let previous = row.owner.replace(me);
            (row.epoch, row.token) = (row.epoch.max(above.get()) + 1, token);
            Claim { fence: fence_of(shard, row).expect("it was just claimed"), previous }
        });
        self.checker.claimed(&claim.fence, claim.previous);
        claim
    }

    /// Waits for the owner's open transactions. False: it was not the shard's fence any more.
    pub async fn release_fence(&self, client: Client, fence: &Fence) -> Result<bool, Fail> {
        let tx = self.new_id() | CLAIMS;
        self.open(tx, client)?;
        let _running = self.running(tx)?;
        self.locks.lock(self, tx, Row::Fence(fence.shard), Mode::Exclusive).await?;
        let released = self.tables().fence_is(fence);
        if released {
            self.change(|tables| tables.fences.get_mut(&fence.shard).expect("it is there").owner = None);
        }
        drop(_running);
        self.rollback(tx);
        Ok(released)
    }

    /// Only from the incarnation that was looked at. In the caller's fenced transaction.
    pub async fn raise_incarnation(&self, tx: TxId, shard: ShardId, from: u64, to: u64) -> Result<(), Fail> {
        self.lock_row(tx, Row::Stream(shard)).await?;
        self.write(tx, move |tables| {
            let row = tables.streams.get_mut(&shard).expect("a shard has a stream row");
            if row.cursor.incarnation == from {
                *row = StreamRow { cursor: StreamId::start_of(to) };
            }
        })
    }

    /// One round of the leader: shards by `cluster::placement`, gateway shards evenly among the proxies.
    /// One step here, where the product plans in a transaction on the connection that holds the leader's lock.
    pub fn plan_once(&self, params: &Params) {
        self.change(|tables| {
            let of = |role: Role| {
                let members = tables.members.iter().filter(move |(_, m)| m.role == role && !m.draining);
                members.map(|(&id, _)| id).collect::<Vec<_>>()
            };
            let (workers, proxies) = (of(Role::Worker), of(Role::Proxy));
            let mut load: BTreeMap<ShardId, u64> = BTreeMap::new();
            for shard in tables.server_shards.values() {
                *load.entry(*shard).or_default() += 1;
            }
            let shards = tables.fences.iter().map(|(&id, row)| {
                let alive = |worker: &WorkerId| workers.contains(worker);
                let assigned = tables.assignments.get(&id).copied().filter(alive).or(row.owner.filter(alive));
                Shard { id, load: load.get(&id).copied().unwrap_or(0), assigned, moved: None }
            });
            let input = Input { workers: workers.clone(), shards: shards.collect() };
            for shard in &input.shards {
                if let Some(worker) = shard.assigned {
                    tables.assignments.insert(shard.id, worker);
                }
            }
            for assignment in placement::plan(&input, params) {
                tables.assignments.insert(assignment.shard, assignment.worker);
            }
            for (&gateway, row) in &mut tables.gateways {
                if row.assigned.is_none_or(|proxy| !proxies.contains(&proxy)) && !proxies.is_empty() {
                    let turn = usize::try_from(gateway).expect("few gateway shards") % proxies.len();
                    row.assigned = Some(proxies[turn]);
                }
            }
        });
    }

    /// Claims the gateway shards that are assigned to a proxy and whose holder is not alive. Answers with all that it
    /// holds: the answer to an earlier claim may have been lost.
    pub fn claim_gateways(&self, me: WorkerId) -> Vec<(u32, u64)> {
        self.change(|tables| {
            let members = &tables.members;
            let mut won = Vec::new();
            for (&gateway, row) in &mut tables.gateways {
                let free = row.owner.is_none_or(|owner| !members.contains_key(&owner));
                if free && row.assigned == Some(me) && members.contains_key(&me) {
                    row.owner = Some(me);
                    row.epoch += 1;
                }
                if row.owner == Some(me) {
                    won.push((gateway, row.epoch));
                }
            }
            won
        })
    }

    /// Whether a gateway shard is a living proxy's, under this epoch.
    pub fn holds_gateway(&self, gateway: u32, me: WorkerId, epoch: u64) -> bool {
        let tables = self.tables();
        let row = &tables.gateways[&gateway];
        (row.owner, row.epoch) == (Some(me), epoch) && tables.members.contains_key(&me)
    }

    /// The holder's epoch, above one that stands in Redis. None: it is the holder no more.
    pub fn raise_gateway(&self, gateway: u32, me: WorkerId, epoch: u64, stands: u64) -> Option<u64> {
        self.change(|tables| {
            let row = tables.gateways.get_mut(&gateway).expect("rows stay");
            let mine = (row.owner, row.epoch) == (Some(me), epoch);
            row.epoch = if mine { epoch.max(stands) + 1 } else { row.epoch };
            mine.then_some(row.epoch)
        })
    }

    /// What ran for it has ended.
    pub fn release_gateway(&self, gateway: u32, me: WorkerId, epoch: u64) {
        self.change(|tables| {
            let row = tables.gateways.get_mut(&gateway).expect("rows stay");
            row.owner = row.owner.filter(|owner| (*owner, row.epoch) != (me, epoch));
        });
    }
}

/// Ids of the transactions of claims are apart from those that clients choose.
const CLAIMS: u64 = 1 << 63;
