//! Lanes after `src/worker/lanes.rs`: one conversation's questions answered (T2) and its effects delivered, one after
//! the other; many lanes side by side. A lane reads what waits from the store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use helpline::answer::{self, Answer};
use helpline::conversation::command::{AnswerJob, Call, Command};
use helpline::deliver::client::Outcome;
use helpline::deliver::outbox::Lane;
use helpline::deliver::resend::{self, Known, Next, Repeat};
use helpline::deliver::{Effect, nonce};
use helpline::texts::Lang;
use helpline_cluster::ids::{Epoch, ServerId};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use super::Lease;
use super::apply::store_actions;
use crate::engine::{Micros, SECOND};
use crate::mutation::Mutation;
use crate::node::FencedTx;
use crate::rest;
use crate::store::locks::Row;
use crate::store::{Fail, OutboxRow};

/// How long a nonce is relied on: far shorter than the product's, so that a minute's faults go beyond it.
const NONCE_WINDOW: Duration = Duration::from_secs(6);
/// What Discord has to remember, by the promise of `deliver::resend`.
pub const NONCES_LAST: Micros = 6 * SECOND + rest::LONGEST_ATTEMPT;

#[derive(Clone)]
pub struct Lanes(Rc<Inner>);

struct Inner {
    lease: Lease,
    /// Lanes that run, and whether something came in since they last looked.
    running: RefCell<BTreeMap<Lane, bool>>,
    ended: Notify,
    /// Why nothing more may be done under the present epoch: what the next claim has to be above, if anything.
    lost: watch::Sender<Option<Option<Epoch>>>,
}

impl Lanes {
    pub fn new(lease: Lease) -> Self {
        Self(Rc::new(Inner {
            lease,
            running: RefCell::default(),
            ended: Notify::new(),
            lost: watch::Sender::new(None),
        }))
    }

    /// Makes a lane look for work, now or when it is through with what it has.
    pub fn kick(&self, lane: Lane) {
        let mut running = self.0.running.borrow_mut();
        if let Some(again) = running.get_mut(&lane) {
            *again = true;
            return;
        }
        running.insert(lane, false);
        let this = self.clone();
        self.0.lease.life.node.spawn(async move {
            let stop = this.0.lease.stop.clone();
            let _ = stop.run_until_cancelled(this.run(lane)).await;
            this.0.running.borrow_mut().remove(&lane);
            this.0.ended.notify_waiters();
        });
    }

    /// Finds what an earlier owner left, or what has come with a server.
    pub async fn recover(&self) {
        let shard = self.0.lease.fence.shard;
        let asking = self.0.lease.life.node.postgres(move |store| {
            let tables = store.tables();
            let here = |server| tables.server_shards.get(&server) == Some(&shard);
            let jobs = tables.jobs.values().map(|job| (job.server, Some(job.conversation)));
            let effects =
                tables.outbox.values().filter(|row| !row.sent).map(|row| (row.server, row.conversation));
            let lanes = jobs.chain(effects).filter(|(server, _)| here(*server));
            lanes.map(|(server, conversation)| Lane { server, conversation }).collect::<Vec<_>>()
        });
        for lane in asking.await.unwrap_or_default() {
            self.kick(lane);
        }
    }

    /// Resolves when a lane found that the ownership is in doubt: the shard has to be claimed anew, above this.
    pub async fn lost(&self) -> Option<Epoch> {
        let found = self.0.lost.subscribe().wait_for(Option::is_some).await.map(|above| *above);
        match found {
            Ok(Some(above)) => above,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    fn lose(&self, above: Option<Epoch>) {
        self.0.lost.send_replace(Some(above));
    }

    pub async fn join(&self) {
        loop {
            let ended = self.0.ended.notified();
            if self.0.running.borrow().is_empty() {
                return;
            }
            ended.await;
        }
    }

    async fn run(&self, lane: Lane) {
        let mut backoff = self.0.lease.life.node.backoff();
        loop {
            match self.work(lane).await {
                Ok(()) => {
                    let mut running = self.0.running.borrow_mut();
                    match running.get_mut(&lane) {
                        Some(again) if *again => *again = false,
                        _ => return,
                    }
                }
                Err(Fail::EpochTaken(stands)) => return self.lose(Some(stands)),
                Err(Fail::OutcomeUnknown) => return self.lose(None),
                Err(Fail::Superseded | Fail::Elsewhere(_)) => return,
                Err(Fail::Lost) => backoff.wait().await,
            }
        }
    }

    async fn work(&self, lane: Lane) -> Result<(), Fail> {
        let node = &self.0.lease.life.node;
        loop {
            let asking = node.postgres(move |store| {
                let tables = store.tables();
                let here =
                    |row: &OutboxRow| (row.server, row.conversation) == (lane.server, lane.conversation);
                let pending = tables.outbox.iter().find(|(_, row)| !row.sent && here(row));
                let pending = pending.map(|(id, row)| (*id, row.clone()));
                let job = tables.jobs.iter().find(|(_, row)| Some(row.conversation) == lane.conversation);
                (pending, job.map(|(id, row)| (*id, row.job.clone())))
            });
            match asking.await.map_err(|_| Fail::Lost)? {
                (Some((id, row)), _) => self.deliver(id, row).await?,
                (None, Some((id, job))) => self.answer(lane, id, job).await?,
                (None, None) => return Ok(()),
            }
        }
    }

    async fn deliver(&self, id: u64, row: OutboxRow) -> Result<(), Fail> {
        let lease = &self.0.lease;
        let node = &lease.life.node;
        let mut backoff = node.backoff();
        let mark = nonce(&row.key.event_id, row.key.effect, i32::from(row.key.part));
        let mut tried_at = self.about_to_try(id, &row).await?;
        loop {
            self.wait_until_valid().await;
            let nonce = match node.world.is(Mutation::RandomNonce) {
                true => node.world.engine.uuid().to_string(),
                false => mark.clone(),
            };
            let thread = self.thread(&row).await?;
            let (to, now) =
                (rest::To { node, fence: &lease.fence, nonce: &nonce, mark: &mark }, node.world.engine.now());
            let tried_ago = tried_at.map(|at| Duration::from_micros(now - at));
            let known = Known { repeat: row.effect.repeat(), tried_ago, seen: None };
            let outcome = match resend::next(known, NONCE_WINDOW) {
                Next::Send => match self.noted(to, &row, thread).await? {
                    Ok(thread) => rest::carry_out(to, &row.effect, thread).await,
                    Err(outcome) => outcome,
                },
                Next::Look => rest::look(to, &row.effect, thread).await,
                Next::Done(message) => Outcome::Done { message: Some(message) },
            };
            match outcome {
                Outcome::NotThere => {
                    self.set_tried(id, row.server, true).await?;
                    // As if never tried: what is sent next is sent at once.
                    tried_at = None;
                }
                Outcome::Done { .. } => return self.mark_sent(id, &row).await,
                Outcome::GiveUp { reason } => {
                    node.note(|| format!("gives up {} of {}: {reason}", row.effect.name(), row.key.event_id));
                    return self.mark_sent(id, &row).await;
                }
                Outcome::Superseded { stands } => return Err(Fail::EpochTaken(stands)),
                Outcome::Again { .. } => {
                    tried_at.get_or_insert(now);
                    backoff.wait().await;
                }
            }
        }
    }

    /// Notes durably that the effect may be seen from now on. Returns when that was first so, if it was before.
    async fn about_to_try(&self, id: u64, row: &OutboxRow) -> Result<Option<Micros>, Fail> {
        if row.tried_at.is_none() && row.effect.repeat() == Repeat::WithinWindow {
            self.set_tried(id, row.server, false).await?;
        }
        Ok(row.tried_at)
    }

    /// `anew`: it was looked for in vain, so that it counts from now.
    async fn set_tried(&self, id: u64, server: ServerId, anew: bool) -> Result<(), Fail> {
        let tx = self.begin(server).await?;
        let tried_at = self.0.lease.life.node.world.engine.now();
        tx.run(move |store, tx| async move {
            store.lock_row(tx, Row::Outbox(id)).await?;
            store.writes_server(tx, server)?;
            store.write(tx, move |tables| {
                let row = tables.outbox.get_mut(&id).expect("rows stay");
                row.tried_at = if anew { Some(tried_at) } else { row.tried_at.or(Some(tried_at)) };
            })
        })
        .await?;
        tx.commit().await
    }

    async fn thread(&self, row: &OutboxRow) -> Result<Option<helpline::discord::ChannelId>, Fail> {
        let (Effect::PostInThread { .. } | Effect::StartThreadOnOriginal { .. }, Some(id)) =
            (&row.effect, row.conversation)
        else {
            return Ok(None);
        };
        let server = row.server;
        let asking = self.0.lease.life.node.postgres(move |store| {
            store.tables().conversations.get(&(server, id)).and_then(|conversation| conversation.thread)
        });
        asking.await.map_err(|_| Fail::Lost)
    }

    /// The thread of an effect; one that is to be started on a reply is noted before.
    async fn noted(
        &self,
        to: rest::To<'_>,
        row: &OutboxRow,
        thread: Option<helpline::discord::ChannelId>,
    ) -> Result<Result<Option<helpline::discord::ChannelId>, Outcome>, Fail> {
        let (Effect::StartThreadOnOriginal { token, .. }, Some(conversation), None) =
            (&row.effect, row.conversation, thread)
        else {
            return Ok(Ok(thread));
        };
        let thread = match rest::reply_to(to, token).await {
            Outcome::Done { message: Some(reply) } => reply.thread(),
            other => return Ok(Err(other)),
        };
        let server = row.server;
        let tx = self.begin(server).await?;
        tx.run(move |store, tx| async move {
            store.writes_server(tx, server)?;
            if let Some(mut state) = store.load_conversation(tx, server, conversation).await? {
                state.thread = state.thread.or(Some(thread));
                store.save_conversation(tx, server, &state)?;
            }
            Ok(())
        })
        .await?;
        tx.commit().await?;
        Ok(Ok(Some(thread)))
    }

    async fn mark_sent(&self, id: u64, row: &OutboxRow) -> Result<(), Fail> {
        let server = row.server;
        let tx = self.begin(server).await?;
        tx.run(move |store, tx| async move {
            store.lock_row(tx, Row::Outbox(id)).await?;
            store.writes_server(tx, server)?;
            store.write(tx, move |tables| tables.outbox.get_mut(&id).expect("rows stay").sent = true)
        })
        .await?;
        tx.commit().await
    }

    /// The answerer takes its time outside any transaction; then T2.
    async fn answer(&self, lane: Lane, id: u64, job: AnswerJob) -> Result<(), Fail> {
        let node = &self.0.lease.life.node;
        let thinks = node.world.engine.between(50, 1_500);
        node.sleep(Duration::from_millis(thinks)).await;
        self.wait_until_valid().await;
        let conversation = lane.conversation.expect("jobs come from conversations");
        let tx = self.begin(lane.server).await?;
        tx.run(move |store, tx| async move {
            store.lock_row(tx, Row::Job(id)).await?;
            if !store.tables().jobs.contains_key(&id) {
                return Ok(());
            }
            store.writes_server(tx, lane.server)?;
            store.write(tx, move |tables| _ = tables.jobs.remove(&id))?;
            let Some(state) = store.load_conversation(tx, lane.server, conversation).await? else {
                return Ok(());
            };
            let answer = Answer {
                action: answer::Action::Unsure,
                text: job.question.clone(),
                citations: Vec::new(),
                confidence: 0.0,
                tokens: 0,
            };
            let at = OffsetDateTime::UNIX_EPOCH;
            // It never hands over.
            let call = Call { server: lane.server, support_role: None, ticket: conversation, lang: Lang::En };
            let (state, actions) = state.apply(Command::Answered { job, answer, at, call });
            store.save_conversation(tx, lane.server, &state)?;
            store_actions(&store, tx, lane, actions)
        })
        .await?;
        tx.commit().await
    }

    async fn begin(&self, server: ServerId) -> Result<FencedTx, Fail> {
        self.0.lease.life.node.begin(&self.0.lease.fence, Some(server)).await
    }

    async fn wait_until_valid(&self) {
        while !self.0.lease.life.may_act() {
            self.0.lease.life.node.sleep(Duration::from_millis(50)).await;
        }
    }
}
