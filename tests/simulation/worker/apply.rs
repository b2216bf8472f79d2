//! T1 after `src/worker/apply.rs`: what follows from a batch of entries, stored together with the cursor.
//!
//! `cluster::consumer` decides what becomes of an entry while servers move, and `Conversation::apply` what a question
//! leads to; both are the product's.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use helpline::conversation::command::{Action, Command, Origin, Question};
use helpline::conversation::state::Conversation;
use helpline::deliver::outbox::Lane;
use helpline::discord::{ApplicationId, ChannelId, InteractionId, MessageId, UserId};
use helpline::texts::Lang;
use helpline_cluster::consumer::{HeldStep, Item, Place, Step, held_step, step};
use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::{MoveId, ServerId, ShardId, StreamId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Lease, Shared, server_rows};
use crate::checker::{Effect, event_id};
use crate::discord::Kind;
use crate::mutation::Mutation;
use crate::node::FencedTx;
use crate::store::locks::Row;
use crate::store::{Fail, JobRow, Locking, OutboxRow, Store, TxId};

pub enum Applied {
    /// The lanes that have work now.
    Now(BTreeSet<Lane>),
    /// The cursor stands there or beyond already: an earlier attempt took effect.
    Before,
}

/// What a transaction of one shard works with.
#[derive(Clone)]
struct T1 {
    store: Rc<Store>,
    tx: TxId,
    shard: ShardId,
    server_rows: Locking,
    moved_in: Rc<RefCell<BTreeSet<MoveId>>>,
    /// Only of the mutation that holds events in memory.
    in_memory: Option<Rc<Shared>>,
}

fn t1(lease: &Lease, store: Rc<Store>, tx: TxId) -> T1 {
    let node = &lease.life.node;
    let in_memory = node.world.is(Mutation::HeldInMemory).then(|| Rc::clone(&lease.shared));
    let moved_in = Rc::clone(&lease.moved_in);
    T1 { store, tx, shard: lease.fence.shard, server_rows: server_rows(node), moved_in, in_memory }
}

/// Applies a batch in one transaction and moves the cursor to its end; one with a marker entry by entry, because a
/// marker changes what the entries after it mean.
pub async fn batch(lease: &Lease, entries: &[Entry], to: StreamId) -> Result<Applied, Fail> {
    let is_marker = |entry: &Entry| Item::read(&entry.kind, &entry.payload) != Ok(Item::Event);
    if entries.len() == 1 || !entries.iter().any(is_marker) {
        return in_one_transaction(lease, entries.to_vec(), to).await;
    }
    let mut all = BTreeSet::new();
    for entry in entries {
        match in_one_transaction(lease, vec![entry.clone()], entry.id).await? {
            Applied::Now(lanes) => all.extend(lanes),
            Applied::Before => {}
        }
    }
    Ok(Applied::Now(all))
}

async fn in_one_transaction(lease: &Lease, entries: Vec<Entry>, to: StreamId) -> Result<Applied, Fail> {
    let node = &lease.life.node;
    let outside = node.world.is(Mutation::CursorOutside);
    if outside {
        let tx = node.begin(&lease.fence, None).await?;
        if !tx.run(move |store, tx| async move { store.move_cursor(tx, to).await }).await? {
            return Ok(Applied::Before);
        }
        tx.commit().await?;
    }
    let tx = node.begin(&lease.fence, None).await?;
    let lease_for_statement = lease.clone();
    let applied = tx.run(move |store, tx| async move {
        let t1 = t1(&lease_for_statement, store, tx);
        let mut lanes = BTreeSet::new();
        for entry in &entries {
            t1.entry(entry, &mut lanes).await?;
        }
        let moved = outside || t1.store.move_cursor(tx, to).await?;
        Ok(moved.then_some(lanes))
    });
    match applied.await? {
        None => Ok(Applied::Before),
        Some(lanes) => {
            commit(lease, tx).await?;
            Ok(Applied::Now(lanes))
        }
    }
}

/// The last moment to see that the lease is over.
async fn commit(lease: &Lease, tx: FencedTx) -> Result<(), Fail> {
    if !lease.life.may_act() {
        return Err(Fail::Lost);
    }
    tx.commit().await
}

/// Looks after the events that wait for servers to arrive on this shard.
pub async fn held_events(lease: &Lease) -> Result<BTreeSet<Lane>, Fail> {
    let node = &lease.life.node;
    let shard = lease.fence.shard;
    let waiting = node.postgres(move |store| store.arrivals(shard)).await.map_err(|_| Fail::Lost)?;
    let mut all = BTreeSet::new();
    for server in waiting.into_iter().chain(in_memory_for(lease)) {
        if !lease.life.may_act() {
            break;
        }
        let tx = node.begin(&lease.fence, None).await?;
        let lease_for_statement = lease.clone();
        let lanes = tx.run(move |store, tx| async move {
            let t1 = t1(&lease_for_statement, store, tx);
            let mut lanes = BTreeSet::new();
            t1.held(server, &mut lanes).await?;
            let moved_in = lease_for_statement.moved_in.borrow().clone();
            t1.store.finish(tx, server, shard, moved_in)?;
            Ok(lanes)
        });
        all.extend(lanes.await?);
        commit(lease, tx).await?;
    }
    Ok(all)
}

fn in_memory_for(lease: &Lease) -> Vec<ServerId> {
    let held = lease.shared.held_in_memory.borrow();
    held.keys().filter(|(shard, _)| *shard == lease.fence.shard).map(|(_, server)| *server).collect()
}

impl T1 {
    async fn entry(&self, entry: &Entry, lanes: &mut BTreeSet<Lane>) -> Result<(), Fail> {
        let Some(server) = entry.server else { return Ok(()) };
        let item = Item::read(&entry.kind, &entry.payload).expect("markers are written by us");
        let mut next = step(self.shard, item, &self.place(server).await?);
        if next == Step::HeldFirst {
            self.held(server, lanes).await?;
            next = step(self.shard, item, &self.place(server).await?);
        }
        match next {
            Step::Apply => self.event(server, entry, lanes).await,
            Step::Hold => self.hold(server, self.shard, entry),
            Step::HandOn(to) => self.hold(server, to, entry),
            Step::Leave { to } => {
                let left = self.store.leave(self.tx, server, self.shard, to, self.server_rows).await?;
                if left { Ok(()) } else { Err(Fail::Elsewhere(server)) }
            }
            Step::Arrive => {
                if let Item::MovedIn(id) = item {
                    self.moved_in.borrow_mut().insert(id);
                }
                Ok(())
            }
            Step::Ignore => Ok(()),
            Step::HeldFirst | Step::Refuse => {
                self.store.checker.violate(&format!("{next:?} of {server} for an entry of {}", self.shard));
                Ok(())
            }
        }
    }

    async fn place(&self, server: ServerId) -> Result<Place, Fail> {
        let place = self.store.place(self.tx, self.shard, server, self.server_rows).await?;
        let in_memory = self.in_memory.as_ref();
        let waiting =
            in_memory.is_some_and(|s| s.held_in_memory.borrow().contains_key(&(self.shard, server)));
        Ok(Place { waiting: place.waiting || waiting, ..place })
    }

    fn hold(&self, server: ServerId, shard: ShardId, entry: &Entry) -> Result<(), Fail> {
        if let Some(shared) = &self.in_memory {
            shared.held_in_memory.borrow_mut().entry((shard, server)).or_default().push(entry.clone());
            return Ok(());
        }
        self.store.hold(self.tx, server, shard, entry)
    }

    /// The held events of one server that wait for this shard.
    async fn held(&self, server: ServerId, lanes: &mut BTreeSet<Lane>) -> Result<(), Fail> {
        match held_step(self.shard, &self.place(server).await?) {
            HeldStep::Apply => {
                let held = self.store.next_held(self.tx, server, self.shard)?;
                let (positions, mut entries): (Vec<u64>, Vec<Entry>) = held.into_iter().unzip();
                if let Some(shared) = &self.in_memory {
                    let held = shared.held_in_memory.borrow_mut().remove(&(self.shard, server));
                    entries.extend(held.into_iter().flatten());
                }
                for entry in entries {
                    self.event(server, &entry, lanes).await?;
                }
                self.store.forget_held(self.tx, server, &positions)
            }
            HeldStep::Wait => Ok(()),
            HeldStep::PassOn(to) => self.store.pass_on(self.tx, server, self.shard, to),
            HeldStep::Refuse => {
                self.store.checker.violate(&format!("events of {server} wait, which nobody knows"));
                Ok(())
            }
        }
    }

    async fn event(&self, server: ServerId, entry: &Entry, lanes: &mut BTreeSet<Lane>) -> Result<(), Fail> {
        let Some(event) = event_id(&entry.payload) else { return Ok(()) };
        let kind = self.store.checker.kind_of(event).expect("it happened");
        if kind == Kind::Noise {
            return Ok(());
        }
        // Both keys, so that neither a replay of the session nor a second way in applies it again.
        let first = self.store.remember(self.tx, &entry.origin).await?;
        let second = self.store.remember(self.tx, &format!("message:{event}")).await?;
        if !first || !second {
            return Ok(());
        }
        let question = question(server, event, kind, entry.received_at_ms);
        let thread = ChannelId(if let Kind::FollowUp(thread) = kind { thread } else { 0 });
        let known = self.store.conversation_in(self.tx, server, thread).await?;
        let fresh = self.store.engine.uuid();
        let conversation = known.unwrap_or_else(|| Conversation::begin(fresh, &question));
        let (conversation, actions) = conversation.apply(Command::Ask(question));
        let lane = Lane { server, conversation: Some(conversation.id) };
        self.store.effect(self.tx, Effect::Applied(event, Some(conversation.id)))?;
        self.store.save_conversation(self.tx, server, &conversation)?;
        store_actions(&self.store, self.tx, lane, actions)?;
        lanes.insert(lane);
        Ok(())
    }
}

fn question(server: ServerId, event: u64, kind: Kind, received_at_ms: u64) -> Question {
    let origin = match kind {
        Kind::Slash => Origin::Slash {
            channel: ChannelId(server.get()),
            interaction: InteractionId(event),
            application: ApplicationId(1),
            token: format!("token-{event}"),
            in_thread: false,
            private: false,
        },
        Kind::FollowUp(thread) => {
            Origin::Message { channel: ChannelId(thread), message: MessageId(event), in_thread: true }
        }
        Kind::Question | Kind::Noise => {
            Origin::Message { channel: ChannelId(server.get()), message: MessageId(event), in_thread: false }
        }
    };
    let seconds = i64::try_from(received_at_ms / 1_000).expect("a time of our days");
    let asked_at = OffsetDateTime::from_unix_timestamp(seconds).expect("a time of our days");
    Question { origin, author: UserId(server.get()), text: format!("#{event}#"), asked_at, lang: Lang::En }
}

/// Stores what follows from a command.
pub fn store_actions(store: &Store, tx: TxId, lane: Lane, actions: Vec<Action>) -> Result<(), Fail> {
    let Lane { server, conversation } = lane;
    for action in actions {
        let id = store.new_id();
        match action {
            Action::Answer(job) => {
                let conversation = conversation.expect("actions come from a conversation");
                store.write(tx, move |tables| {
                    _ = tables.jobs.insert(id, JobRow { server, conversation, job })
                })?;
            }
            Action::Deliver(key, effect) => {
                let row = OutboxRow { server, conversation, key, effect, sent: false, tried_at: None };
                store.write(tx, move |tables| _ = tables.outbox.insert(id, row))?;
            }
            Action::OpenTicket(_)
            | Action::ChangeTicket(_)
            | Action::Vote(_)
            | Action::Resolved { .. }
            | Action::Unresolved { .. } => {}
        }
    }
    Ok(())
}

impl Store {
    /// The conversation whose thread this is, locked for the transaction.
    pub async fn conversation_in(
        &self,
        tx: TxId,
        server: ServerId,
        thread: ChannelId,
    ) -> Result<Option<Conversation>, Fail> {
        let known = self.tables().threads.get(&(server, thread)).copied();
        match known {
            Some(id) => self.load_conversation(tx, server, id).await,
            None => Ok(None),
        }
    }

    pub async fn load_conversation(
        &self,
        tx: TxId,
        server: ServerId,
        id: Uuid,
    ) -> Result<Option<Conversation>, Fail> {
        self.lock_row(tx, Row::Conversation(id)).await?;
        if let Some(changed) = self.changed_conversation(tx, id)? {
            return Ok(Some(changed));
        }
        Ok(self.tables().conversations.get(&(server, id)).cloned())
    }

    pub fn save_conversation(
        &self,
        tx: TxId,
        server: ServerId,
        conversation: &Conversation,
    ) -> Result<(), Fail> {
        self.writes_server(tx, server)?;
        self.change_conversation(tx, conversation.clone())?;
        let conversation = conversation.clone();
        self.write(tx, move |tables| {
            if let Some(thread) = conversation.thread {
                tables.threads.insert((server, thread), conversation.id);
            }
            tables.conversations.insert((server, conversation.id), conversation);
        })
    }
}
