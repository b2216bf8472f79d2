//! A proxy's life as a member: from joining until it leaves or is declared dead, and what it claims meanwhile.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::store::{self, Snapshot, Standing};
use super::{Report, Shared, plan};
use crate::ids::{GatewayShard, ProxyId, WorkerId};
use crate::lease::SelfFence;
use crate::membership::session::{End, Session};
use crate::membership::watch::Watch;
use crate::membership::{Error, Kind, PATIENCE, within};

/// The rows are looked at that often even when nothing was heard.
const EVERY: Duration = Duration::from_millis(500);

impl Shared {
    /// Life after life, until cancelled.
    pub(super) async fn live(self: Arc<Self>) {
        let mut pause = Duration::from_millis(50);
        while !self.cancel.is_cancelled() {
            let asked_at = Instant::now();
            let config = &self.config;
            let joining = tokio::select! {
                () = self.cancel.cancelled() => return,
                joining = Session::join(&self.session, Kind::Proxy, &config.name, config.session_locks) => joining,
            };
            match joining {
                Ok(session) => {
                    pause = Duration::from_millis(50);
                    self.live_once(session, asked_at).await;
                }
                Err(error) => tracing::warn!(%error, "proxy {} could not join the cluster yet", config.name),
            }
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn live_once(self: &Arc<Self>, session: Session, asked_at: Instant) {
        let (member, key, fast) = (session.id, session.key, session.fast);
        let me = ProxyId(member.get());
        if fast {
            tracing::info!("{me} joined as {}", self.config.name);
            let burying = within(PATIENCE, store::bury_former(&self.pool, me, &self.config.name));
            if let Err(error) = burying.await {
                tracing::debug!(%error, "{me} leaves its former self to its peers");
            }
        } else {
            tracing::warn!(
                "{me} joined without session locks (a pooler?): its death is seen after {:?} only",
                self.config.ttl
            );
        }
        let fence = Arc::new(SelfFence::new(self.config.ttl, Arc::clone(&self.config.clock)));
        fence.renewed(asked_at);
        self.set_member(Some(me));
        let life = self.cancel.child_token();
        let tasks = TaskTracker::new();
        let watch = Watch {
            kind: Kind::Proxy,
            options: self.session.clone(),
            id: member,
            key,
            fast,
            ttl: self.config.ttl,
            redis: self.redis.clone(),
            membership: self.signals.membership.subscribe(),
        };
        tasks.spawn(watch.run(life.clone()));
        tasks.spawn(Arc::clone(self).renew_in_redis(member, Arc::clone(&fence), life.clone()));
        tasks.spawn(Arc::clone(self).keep_share(me, fast, Arc::clone(&fence), life.clone()));
        let membership = self.signals.membership.subscribe();
        let end = session.keep(self.config.ttl, Arc::clone(&fence), membership, Vec::new, life.clone()).await;
        if end == End::DeclaredDead {
            tracing::warn!("{me} was declared dead: it gives up its gateway shards and joins anew");
        }
        fence.revoke();
        life.cancel();
        self.lose_all();
        self.set_member(None);
        self.report.send_replace(Report::default());
        tasks.close();
        tasks.wait().await;
        let leaving = async {
            if let Err(error) = store::leave(&self.pool, me).await {
                tracing::debug!(%error, "{me} could not leave; its peers will see it");
            }
            self.redis.give_up(member).await
        };
        drop(timeout(self.config.ttl.min(Duration::from_secs(1)), leaving).await);
    }

    fn set_member(&self, member: Option<ProxyId>) {
        *self.member.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = member;
    }

    async fn renew_in_redis(self: Arc<Self>, id: WorkerId, fence: Arc<SelfFence>, life: CancellationToken) {
        let every = self.config.ttl / 3;
        loop {
            let asked_at = Instant::now();
            let renewed = tokio::select! {
                () = life.cancelled() => return,
                renewed = timeout(every, self.redis.renew(id)) => matches!(renewed, Ok(Ok(()))),
            };
            if renewed {
                fence.extended(asked_at);
            }
            tokio::select! {
                () = life.cancelled() => return,
                () = sleep(every.mul_f64(0.9 + 0.1 * fastrand::f64())) => {}
            }
        }
    }

    /// Keeps this proxy's share of the gateway shards claimed, and carries a change of their number on.
    async fn keep_share(
        self: Arc<Self>,
        me: ProxyId,
        fast: bool,
        fence: Arc<SelfFence>,
        life: CancellationToken,
    ) {
        let mut mine = self.signals.mine.subscribe();
        let mut membership = self.signals.membership.subscribe();
        let mut failing = false;
        loop {
            mine.mark_unchanged();
            membership.mark_unchanged();
            let done = tokio::select! {
                () = life.cancelled() => return,
                done = self.reconcile(me, fast, &fence, &life) => done,
            };
            if let Err(error) = &done
                && !failing
            {
                tracing::warn!(%error, "{me} cannot look at the gateway shards; it keeps those it has");
            }
            failing = done.is_err();
            tokio::select! {
                () = life.cancelled() => return,
                Ok(()) = mine.changed(), if !failing => {}
                Ok(()) = membership.changed(), if !failing => {}
                () = sleep(EVERY.mul_f64(0.5 + 0.5 * fastrand::f64())) => {}
            }
        }
    }

    async fn reconcile(
        &self,
        me: ProxyId,
        fast: bool,
        fence: &Arc<SelfFence>,
        life: &CancellationToken,
    ) -> Result<(), Error> {
        let mut snapshot = within(PATIENCE, store::look(&self.pool)).await?;
        if snapshot.sets.is_empty() {
            within(PATIENCE, store::begin(&self.pool, self.config.first_total)).await?;
            snapshot = within(PATIENCE, store::look(&self.pool)).await?;
        }
        if snapshot.sets.iter().any(|set| set.rising) {
            within(PATIENCE, store::step(&self.pool)).await?;
        }
        let open: Vec<ProxyId> =
            snapshot.proxies.iter().filter(|(_, draining)| !draining).map(|(id, _)| *id).collect();
        let rows: Vec<plan::Row> = snapshot.gateways.iter().map(Standing::row).collect();
        let plan = plan::plan(&open, &rows);
        let share = Self::share(&plan, me);
        let ups = self.compare(me, &snapshot, &plan);
        if !ups.is_empty() {
            within(PATIENCE, store::report_up(&self.pool, me, &ups)).await?;
        }
        let (wanted, strays) = self.not_in_hand(me, &snapshot, &plan);
        if !strays.is_empty() {
            within(PATIENCE, store::release_strays(&self.pool, me, &strays)).await?;
        }
        if !wanted.is_empty() && !*self.draining.borrow() && fence.is_valid() {
            let won = within(PATIENCE, store::claim(&self.pool, me, &wanted)).await?;
            let from_others = won.iter().filter(|won| won.previous.is_some_and(|owner| owner != me)).count();
            if !won.is_empty() {
                tracing::info!(
                    "{me} claims {} gateway shards, {from_others} of them from the dead",
                    won.len()
                );
                metrics::counter!("helpline_proxy_takeovers_total").increment(from_others as u64);
            }
            for won in won {
                self.enter(won, me, fence, life).await;
            }
        }
        self.tell(fast, &snapshot, share.len());
        Ok(())
    }

    /// Ends what is ours no more, asks back what is another's by the plan, tells phases. Returns which of those held
    /// are up where the rows say otherwise.
    fn compare(
        &self,
        me: ProxyId,
        snapshot: &Snapshot,
        plan: &BTreeMap<GatewayShard, ProxyId>,
    ) -> Vec<(GatewayShard, bool)> {
        let mut ups = Vec::new();
        let mine = snapshot.gateways.iter().filter(|row| row.owner == Some(me));
        let mine: HashMap<GatewayShard, &Standing> = mine.map(|row| (row.gateway, row)).collect();
        self.lock().retain(|gateway, held| {
            let Some(row) = mine.get(gateway) else {
                held.lost.cancel();
                return false;
            };
            if plan.get(gateway).is_some_and(|planned| *planned != me) {
                held.release.cancel();
            }
            held.phase.send_if_modified(|phase| std::mem::replace(phase, row.phase) != row.phase);
            let up = *held.up.borrow();
            if up != row.up {
                ups.push((*gateway, up));
            }
            true
        });
        ups
    }

    /// What could be claimed now, and what the rows still give to this proxy although nothing runs for it.
    fn not_in_hand(
        &self,
        me: ProxyId,
        snapshot: &Snapshot,
        plan: &BTreeMap<GatewayShard, ProxyId>,
    ) -> (Vec<GatewayShard>, Vec<GatewayShard>) {
        let alive: HashSet<ProxyId> = snapshot.proxies.iter().map(|(proxy, _)| *proxy).collect();
        let (mut wanted, mut strays) = (Vec::new(), Vec::new());
        let held = self.lock();
        for row in snapshot.gateways.iter().filter(|row| !held.contains_key(&row.gateway)) {
            let mine = plan.get(&row.gateway) == Some(&me);
            match row.owner {
                Some(owner) if owner == me && !mine => strays.push(row.gateway),
                Some(owner) if owner != me && alive.contains(&owner) => {}
                _ if mine => wanted.push(row.gateway),
                _ => {}
            }
        }
        (wanted, strays)
    }

    fn tell(&self, fast: bool, snapshot: &Snapshot, share: usize) {
        let alive = |id: ProxyId| snapshot.proxies.iter().any(|(proxy, _)| *proxy == id);
        let held = self.lock().len();
        let total = |rising| snapshot.sets.iter().find(|set| set.rising == rising).map(|set| set.total);
        let report = Report {
            joined: true,
            fast,
            proxies: snapshot.proxies.len(),
            share,
            held,
            unheld: snapshot.gateways.iter().filter(|row| !row.owner.is_some_and(alive)).count(),
            all: snapshot.gateways.len(),
            serving: total(false),
            rising: total(true),
        };
        self.report.send_if_modified(|now| std::mem::replace(now, report.clone()) != report);
    }
}
