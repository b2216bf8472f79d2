//! What can be done to a simulator while it runs: REST faults, limits, the clock, starting afresh.

use crate::clock::Skew;
use crate::core::Core;
use crate::faults::{Fault, FaultPlan, FaultStanding};
use crate::gateway::Order;
use crate::lock;
use crate::playground::Happening;
use crate::rate_limit::{LimitChange, Route, Rule};
use crate::simulator::Simulator;
use std::time::Duration;

impl Simulator {
    /// Plans a fault and gives the plan's number, or says what is wrong with it.
    pub fn plan_fault(&self, plan: FaultPlan) -> Result<u64, String> {
        self.core.plan_fault(plan)
    }

    /// The next `count` requests of `route`, or of any route, meet a fault.
    pub fn fail_next(&self, route: Option<Route>, count: u64, fault: Fault) {
        let plan = FaultPlan { route, ..FaultPlan::once(fault).times(count) };
        self.core.faults.plan(plan, self.core.clock.now());
    }

    /// The plans that are not used up or over.
    pub fn fault_plans(&self) -> Vec<FaultStanding> {
        self.core.faults.standing(self.core.clock.now())
    }

    /// Takes one plan back; tells whether it was there.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.core.faults.remove(id)
    }

    /// Takes back all faults that have not met a request yet.
    pub fn clear_faults(&self) {
        self.core.faults.clear();
    }

    /// Changes the global REST limit while running; `None` is no limit.
    pub fn set_rest_global_per_s(&self, per_s: Option<u32>) {
        self.core.limiter.set_global(per_s);
    }

    /// Changes the limit of one route while running; `None` is no limit.
    pub fn set_route_limit(&self, route: Route, rule: Option<Rule>) {
        self.core.limiter.change(&LimitChange::Route(route, rule));
    }

    /// Changes a limit, whether it is announced, or which bucket a route shares.
    pub fn change_limit(&self, change: &LimitChange) {
        self.core.limiter.change(change);
    }

    /// How much longer or shorter than announced windows may be that open from now on.
    pub fn set_window_jitter(&self, jitter: Duration) {
        self.core.limiter.set_jitter(jitter);
    }

    /// Gives every rate-limit bucket a new name, as Discord does when it changes its limits.
    pub fn rename_buckets(&self) {
        self.core.limiter.rename_buckets();
    }

    /// Refuses every request about a channel or server, by its id, for a while: 429 with scope `shared`. The
    /// code is 20028 for a channel's write limit, 20029 for a server's.
    pub fn limit_resource(&self, id: u64, lasts: Duration, code: Option<u32>) {
        self.core.limiter.limit_resource(id, self.core.clock.now() + lasts, code);
    }

    /// Skews the wall clock from now on, or says what is wrong with the skew.
    pub fn skew(&self, skew: Skew) -> Result<(), String> {
        self.core.skew(skew)
    }

    /// Moves the clock on, with all that becomes due by it.
    pub fn advance(&self, by: Duration) {
        self.core.advance(by);
    }

    /// Starts afresh: see [`Core::reset`].
    pub fn reset(&self) {
        self.core.reset();
    }
}

impl Core {
    pub(crate) fn plan_fault(&self, plan: FaultPlan) -> Result<u64, String> {
        match plan.problem() {
            Some(problem) => Err(problem),
            None => Ok(self.faults.plan(plan, self.clock.now())),
        }
    }

    pub(crate) fn skew(&self, skew: Skew) -> Result<(), String> {
        match skew.problem() {
            Some(problem) => Err(problem),
            None => {
                self.clock.skew(skew);
                Ok(())
            }
        }
    }

    /// Forgets faults, changed limits, counts, the transcript, nonces, interactions and the skew of the clock,
    /// ends every gateway session, and gives back the servers as they were generated, without messages. What
    /// the bot registered, what was bought, and the time stay.
    pub(crate) fn reset(&self) {
        self.faults.clear();
        self.limiter.reset(&self.config);
        self.nonces.clear();
        self.interactions.clear();
        self.clock.skew(self.config.skew);
        self.hub.order(None, Order::Invalid { resumable: false });
        self.hub.reset(&self.config);
        self.store.clear();
        self.webhooks.clear();
        lock(&self.no_dms).clear();
        self.transcript.clear();
        self.counters.clear();
        self.feed.tell(|| Happening::Afresh);
    }
}
