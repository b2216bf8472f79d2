//! REST faults on demand: which requests meet one, and which fault it is. What a fault does to a request is in
//! `rest::front` and `rest::harm`.
//!
//! Plans are chosen by route, count, probability and span of time; draws follow from the seed, the plan and
//! the request's number among those that fit, so that the same requests meet the same faults again.

use crate::chance::Chance;
use crate::lock;
use crate::rate_limit::{Route, Scope};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answered with this status, in Discord's JSON, without being carried out.
    Status(u16),
    /// Carried out, then answered with this status, in Discord's JSON.
    StatusAfter(u16),
    /// Answered with a proxy's HTML page of this status, such as 502 or 504, without being carried out.
    Page(u16),
    /// Carried out, then answered with a proxy's HTML page of this status.
    PageAfter(u16),
    /// The connection closes before the request is carried out.
    DropRequest,
    /// Carried out, then the connection closes without an answer.
    DropAnswer,
    /// The connection is reset before the request is carried out.
    Reset,
    /// Carried out, then the connection is reset.
    ResetAfter,
    /// Carried out after so many milliseconds, also when the client has given up by then.
    StallMs(u64),
    /// Carried out at once and answered after so many milliseconds.
    LateMs(u64),
    /// Carried out; the answer ends in the middle of its body.
    Truncated,
    /// Carried out; the body of the answer takes so many milliseconds.
    SlowBodyMs(u64),
    /// Refused with a 429 out of the blue.
    RateLimited {
        /// Time to wait that it tells.
        retry_after_ms: u64,
        /// Whose limit it says it is.
        scope: Scope,
    },
    /// Carried out twice; the answer is the second's. Discord never promises that this does not happen to a
    /// message without a nonce.
    Twice,
}

/// Which requests meet a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultPlan {
    /// What happens to them.
    pub fault: Fault,
    /// Their route; `None` is any.
    pub route: Option<Route>,
    /// How many of them; `None` is all.
    pub count: Option<u64>,
    /// Chance of each, from 0 to 1.
    pub probability: f64,
    /// Time from now until the plan begins.
    pub after: Duration,
    /// Time it lasts then; `None` is for ever.
    pub lasts: Option<Duration>,
}

impl FaultPlan {
    /// Every request of any route from now on.
    pub const fn always(fault: Fault) -> Self {
        Self { fault, route: None, count: None, probability: 1.0, after: Duration::ZERO, lasts: None }
    }

    /// The next request of any route.
    pub const fn once(fault: Fault) -> Self {
        Self { count: Some(1), ..Self::always(fault) }
    }

    /// The same for one route.
    pub fn on(self, route: Route) -> Self {
        Self { route: Some(route), ..self }
    }

    /// The same for so many requests.
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// The same with a chance for each request.
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability, ..self }
    }

    /// The same for a span of time.
    pub fn lasting(self, lasts: Duration) -> Self {
        Self { lasts: Some(lasts), ..self }
    }

    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        if !(self.probability > 0.0 && self.probability <= 1.0) {
            return Some("a probability is above 0 and at most 1".to_owned());
        }
        if self.count == Some(0) {
            return Some("a fault happens at least once".to_owned());
        }
        match self.fault {
            Fault::Status(status)
            | Fault::StatusAfter(status)
            | Fault::Page(status)
            | Fault::PageAfter(status)
                if !(400..=599).contains(&status) =>
            {
                Some(format!("a request fails with a status from 400 to 599, not {status}"))
            }
            _ => None,
        }
    }
}

/// A plan as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FaultStanding {
    /// Number of the plan.
    pub id: u64,
    /// What happens.
    pub fault: Fault,
    /// Route; `None` is any.
    pub route: Option<&'static str>,
    /// How many more requests will meet it; `None` is all.
    pub left: Option<u64>,
    /// Chance of each request.
    pub probability: f64,
    /// How many requests met it.
    pub met: u64,
}

#[derive(Debug)]
struct Planned {
    id: u64,
    plan: FaultPlan,
    from: Instant,
    left: Option<u64>,
    /// Requests that fitted, which numbers the draws.
    seen: u64,
    met: u64,
}

impl Planned {
    fn is_over(&self, now: Instant) -> bool {
        self.left == Some(0) || self.plan.lasts.is_some_and(|lasts| now >= self.from + lasts)
    }

    fn takes(&mut self, route: Route, now: Instant, chance: Chance) -> bool {
        if self.plan.route.is_some_and(|wanted| wanted != route) || now < self.from || self.is_over(now) {
            return false;
        }
        self.seen += 1;
        if chance.share("fault", self.id, self.seen) >= self.plan.probability {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.met += 1;
        true
    }
}

#[derive(Debug, Default)]
struct Plans {
    planned: Vec<Planned>,
    made: u64,
}

/// Faults that wait for their requests. At most 1,000 plans; more replace the oldest.
#[derive(Debug)]
pub(crate) struct Faults {
    plans: Mutex<Plans>,
    chance: Chance,
}

const MAX_PLANS: usize = 1_000;

impl Faults {
    pub(crate) fn new(chance: Chance) -> Self {
        Self { plans: Mutex::default(), chance }
    }

    /// Adds a plan and gives its number.
    pub(crate) fn plan(&self, plan: FaultPlan, now: Instant) -> u64 {
        let mut plans = lock(&self.plans);
        plans.planned.retain(|planned| !planned.is_over(now));
        if plans.planned.len() == MAX_PLANS {
            plans.planned.remove(0);
        }
        plans.made += 1;
        let id = plans.made;
        let planned = Planned { id, from: now + plan.after, left: plan.count, plan, seen: 0, met: 0 };
        plans.planned.push(planned);
        id
    }

    pub(crate) fn clear(&self) {
        lock(&self.plans).planned.clear();
    }

    /// Takes a plan back; tells whether it was there.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut plans = lock(&self.plans);
        let before = plans.planned.len();
        plans.planned.retain(|planned| planned.id != id);
        plans.planned.len() < before
    }

    pub(crate) fn standing(&self, now: Instant) -> Vec<FaultStanding> {
        let plans = lock(&self.plans);
        let open = plans.planned.iter().filter(|planned| !planned.is_over(now));
        open.map(|planned| FaultStanding {
            id: planned.id,
            fault: planned.plan.fault,
            route: planned.plan.route.map(Route::name),
            left: planned.left,
            probability: planned.plan.probability,
            met: planned.met,
        })
        .collect()
    }

    /// The fault this request meets, taken from the oldest plan that fits.
    pub(crate) fn take(&self, route: Route, now: Instant) -> Option<Fault> {
        let mut plans = lock(&self.plans);
        let met =
            |planned: &mut Planned| planned.takes(route, now, self.chance).then_some(planned.plan.fault);
        let fault = plans.planned.iter_mut().find_map(met)?;
        plans.planned.retain(|planned| !planned.is_over(now));
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(seed: u64) -> (Faults, Instant) {
        (Faults::new(Chance::new(seed)), Instant::now())
    }

    #[test]
    fn a_fault_meets_only_its_route_and_only_so_often() {
        let (faults, now) = faults(1);
        faults.plan(FaultPlan::once(Fault::Status(503)).on(Route::CreateMessage).times(2), now);
        assert_eq!(faults.take(Route::EditMessage, now), None);
        assert_eq!(faults.take(Route::CreateMessage, now), Some(Fault::Status(503)));
        assert_eq!(faults.standing(now)[0].left, Some(1));
        assert_eq!(faults.take(Route::CreateMessage, now), Some(Fault::Status(503)));
        assert_eq!(faults.take(Route::CreateMessage, now), None);
        assert!(faults.standing(now).is_empty());
    }

    #[test]
    fn a_fault_begins_and_ends_with_its_span() {
        let (faults, now) = faults(1);
        let plan = FaultPlan { after: Duration::from_secs(2), ..FaultPlan::always(Fault::Reset) };
        faults.plan(plan.lasting(Duration::from_secs(3)), now);
        let at = |s| faults.take(Route::Typing, now + Duration::from_secs(s));
        assert_eq!((at(1), at(2), at(4), at(5)), (None, Some(Fault::Reset), Some(Fault::Reset), None));
    }

    #[test]
    fn chance_decides_by_the_seed_alone() {
        let hits = |seed| {
            let (faults, now) = faults(seed);
            faults.plan(FaultPlan::always(Fault::Truncated).with_probability(0.3), now);
            (0..1_000).map(|_| faults.take(Route::Typing, now).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
        let share = hits(3).iter().filter(|hit| **hit).count();
        assert!((230..370).contains(&share), "{share} of 1,000 at 30 %");
    }

    #[test]
    fn plans_that_cannot_be_are_told() {
        assert_eq!(FaultPlan::once(Fault::Status(503)).problem(), None);
        assert!(FaultPlan::once(Fault::Page(200)).problem().unwrap().contains("200"));
        assert!(FaultPlan::once(Fault::Reset).with_probability(1.5).problem().is_some());
        assert!(FaultPlan::once(Fault::Reset).times(0).problem().is_some());
    }

    #[test]
    fn a_fault_is_read_from_json() {
        let read = |text| serde_json::from_str::<Fault>(text).unwrap();
        assert_eq!(read(r#"{"status": 500}"#), Fault::Status(500));
        assert_eq!(read(r#""twice""#), Fault::Twice);
        let limited = Fault::RateLimited { retry_after_ms: 500, scope: Scope::Shared };
        assert_eq!(read(r#"{"rate_limited": {"retry_after_ms": 500, "scope": "shared"}}"#), limited);
    }
}
