//! REST faults on demand: the next requests of a route fail, stall, or are carried out and the answer lost.

use crate::lock;
use crate::rate_limit::Route;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answered with this status without being carried out, such as 500 or 503.
    Status(u16),
    /// Carried out, then the connection closes without an answer.
    DropAnswer,
    /// Carried out, then answered with this status.
    StatusAfter(u16),
    /// The connection closes before the request is carried out.
    DropRequest,
    /// Carried out after so many milliseconds.
    StallMs(u64),
}

#[derive(Debug)]
struct Plan {
    route: Option<Route>,
    left: u64,
    fault: Fault,
}

/// Faults that wait for their requests. At most 1,000 plans; more replace the oldest.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    plans: Mutex<Vec<Plan>>,
}

const MAX_PLANS: usize = 1_000;

impl Faults {
    /// The next `count` requests of `route`, or of any, meet `fault`.
    pub(crate) fn plan(&self, route: Option<Route>, count: u64, fault: Fault) {
        let mut plans = lock(&self.plans);
        if plans.len() == MAX_PLANS {
            plans.remove(0);
        }
        plans.push(Plan { route, left: count, fault });
    }

    pub(crate) fn clear(&self) {
        lock(&self.plans).clear();
    }

    /// The fault this request meets, taken from the oldest plan that fits.
    pub(crate) fn take(&self, route: Route) -> Option<Fault> {
        let mut plans = lock(&self.plans);
        let at = plans.iter().position(|plan| plan.route.is_none_or(|wanted| wanted == route))?;
        let fault = plans[at].fault;
        plans[at].left = plans[at].left.saturating_sub(1);
        if plans[at].left == 0 {
            plans.remove(at);
        }
        Some(fault)
    }
}

impl Fault {
    /// Time to wait before the request goes on.
    pub(crate) fn stall(self) -> Option<Duration> {
        match self {
            Self::StallMs(ms) => Some(Duration::from_millis(ms)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_only_its_route_and_only_so_often() {
        let faults = Faults::default();
        faults.plan(Some(Route::CreateMessage), 2, Fault::Status(503));
        assert_eq!(faults.take(Route::EditMessage), None);
        assert_eq!(faults.take(Route::CreateMessage), Some(Fault::Status(503)));
        assert_eq!(faults.take(Route::CreateMessage), Some(Fault::Status(503)));
        assert_eq!(faults.take(Route::CreateMessage), None);
    }
}
