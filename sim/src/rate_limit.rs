//! REST rate limits: one window per route and major parameter, one global window, and the count of
//! invalid requests that ends in a ban.
//!
//! Shapes follow <https://discord.com/developers/docs/topics/rate-limits>. Discord does not publish the
//! numbers of single routes; the defaults are what bots commonly see, and all can be set or switched off.

mod route;

pub use route::Route;

use crate::lock;
use std::collections::HashMap;
use std::sync::{Mutex, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// So many requests in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Requests allowed in one window.
    pub limit: u32,
    /// Length of the window, which opens with its first request.
    pub per: Duration,
}

impl Rule {
    /// `limit` requests per `seconds` seconds.
    pub const fn per_s(limit: u32, seconds: u64) -> Self {
        Self { limit, per: Duration::from_secs(seconds) }
    }
}

/// The rule of each route; a route without one is not limited and sends no headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLimits(HashMap<Route, Rule>);

impl RouteLimits {
    /// No route is limited.
    pub fn off() -> Self {
        Self(HashMap::new())
    }

    /// Sets the rule of a route; `None` switches it off.
    pub fn set(&mut self, route: Route, rule: Option<Rule>) {
        match rule {
            Some(rule) => self.0.insert(route, rule),
            None => self.0.remove(&route),
        };
    }

    /// The same limits with one changed.
    pub fn with(mut self, route: Route, rule: Option<Rule>) -> Self {
        self.set(route, rule);
        self
    }

    /// The rule of a route.
    pub fn get(&self, route: Route) -> Option<Rule> {
        self.0.get(&route).copied()
    }
}

impl Default for RouteLimits {
    fn default() -> Self {
        Self(HashMap::from([
            (Route::Gateway, Rule::per_s(2, 5)),
            (Route::CurrentUser, Rule::per_s(30, 30)),
            (Route::CurrentApplication, Rule::per_s(30, 30)),
            (Route::Commands, Rule::per_s(10, 30)),
            (Route::Channel, Rule::per_s(5, 1)),
            (Route::ModifyChannel, Rule::per_s(5, 15)),
            (Route::ListMessages, Rule::per_s(5, 1)),
            (Route::GetMessage, Rule::per_s(5, 1)),
            (Route::CreateMessage, Rule::per_s(5, 5)),
            (Route::EditMessage, Rule::per_s(5, 5)),
            (Route::DeleteMessage, Rule::per_s(5, 1)),
            (Route::StartThread, Rule::per_s(50, 10)),
            (Route::Typing, Rule::per_s(5, 5)),
            (Route::WebhookMessage, Rule::per_s(5, 2)),
            (Route::WebhookExecute, Rule::per_s(5, 2)),
        ]))
    }
}

/// `create_message=5/5s` or `create_message=off`, as on the command line.
pub fn parse_limit(text: &str) -> Result<(Route, Option<Rule>), String> {
    let wrong =
        || format!("{text:?} is not of the form route=requests/seconds (create_message=5/5s) or route=off");
    let (route, rule) = text.split_once('=').ok_or_else(wrong)?;
    let route = route.parse()?;
    if rule == "off" {
        return Ok((route, None));
    }
    let (limit, per) = rule.split_once('/').ok_or_else(wrong)?;
    let seconds: f64 = per.trim_end_matches('s').parse().map_err(|_| wrong())?;
    let limit: u32 = limit.parse().map_err(|_| wrong())?;
    let per = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    if limit == 0 || per.is_zero() {
        return Err(wrong());
    }
    Ok((route, Some(Rule { limit, per })))
}

/// State of a window after one request was counted against it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    pub(crate) reset_after: Duration,
    pub(crate) allowed: bool,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    per: Duration,
    used: u32,
}

impl Window {
    fn take(&mut self, rule: Rule, now: Instant) -> Standing {
        if now.duration_since(self.start) >= self.per {
            *self = Self { start: now, per: rule.per, used: 0 };
        }
        let allowed = self.used < rule.limit;
        if allowed {
            self.used += 1;
        }
        Standing {
            limit: rule.limit,
            remaining: rule.limit.saturating_sub(self.used),
            reset_after: (self.start + self.per).duration_since(now),
            allowed,
        }
    }
}

const STRIPES: u64 = 16;
const INVALID_WINDOW: Duration = Duration::from_secs(600);

/// All windows. Windows that have passed are removed by `sweep`.
#[derive(Debug)]
pub(crate) struct Limiter {
    rules: RwLock<(Option<u32>, RouteLimits)>,
    windows: Vec<Mutex<HashMap<(Route, u64), Window>>>,
    global: Mutex<Window>,
    invalid: Mutex<(Instant, u64)>,
    invalid_limit: u64,
}

impl Limiter {
    pub(crate) fn new(global_per_s: Option<u32>, limits: RouteLimits, invalid_limit: u64) -> Self {
        let now = Instant::now();
        Self {
            rules: RwLock::new((global_per_s, limits)),
            windows: (0..STRIPES).map(|_| Mutex::default()).collect(),
            global: Mutex::new(Window { start: now, per: Duration::ZERO, used: 0 }),
            invalid: Mutex::new((now, 0)),
            invalid_limit,
        }
    }

    pub(crate) fn set_global(&self, per_s: Option<u32>) {
        self.rules.write().unwrap_or_else(std::sync::PoisonError::into_inner).0 = per_s;
    }

    pub(crate) fn set_route(&self, route: Route, rule: Option<Rule>) {
        self.rules.write().unwrap_or_else(std::sync::PoisonError::into_inner).1.set(route, rule);
    }

    fn rules(&self, route: Route) -> (Option<u32>, Option<Rule>) {
        let rules = self.rules.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        (rules.0, rules.1.get(route))
    }

    /// Counts a request against the global window; `None` where there is no such limit.
    pub(crate) fn take_global(&self, route: Route, now: Instant) -> Option<Standing> {
        if route.is_interaction() {
            return None;
        }
        let per_s = self.rules(route).0?;
        Some(lock(&self.global).take(Rule::per_s(per_s, 1), now))
    }

    /// Counts a request against its route's window.
    pub(crate) fn take_route(&self, route: Route, major: u64, now: Instant) -> Option<Standing> {
        let rule = self.rules(route).1?;
        let mut windows = lock(&self.windows[usize::try_from(major % STRIPES).expect("less than 16")]);
        let window =
            windows.entry((route, major)).or_insert_with(|| Window { start: now, per: rule.per, used: 0 });
        Some(window.take(rule, now))
    }

    /// Counts an answer 401, 403 or 429.
    pub(crate) fn count_invalid(&self, now: Instant) {
        let mut invalid = lock(&self.invalid);
        if now.duration_since(invalid.0) >= INVALID_WINDOW {
            *invalid = (now, 0);
        }
        invalid.1 += 1;
    }

    /// How long the client is banned for too many invalid requests, if it is.
    pub(crate) fn banned_for(&self, now: Instant) -> Option<Duration> {
        let invalid = lock(&self.invalid);
        let left = INVALID_WINDOW.checked_sub(now.duration_since(invalid.0))?;
        (invalid.1 >= self.invalid_limit).then_some(left)
    }

    pub(crate) fn sweep(&self, now: Instant) {
        for windows in &self.windows {
            lock(windows).retain(|_, window| now.duration_since(window.start) < window.per);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_refuses_past_its_limit_and_opens_again() {
        let limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(2, 5)));
        let limiter = Limiter::new(None, limits, 10);
        let now = Instant::now();
        let take = |major, at| limiter.take_route(Route::CreateMessage, major, at).unwrap();
        assert_eq!(take(1, now).remaining, 1);
        assert!(take(1, now).allowed);
        let refused = take(1, now + Duration::from_secs(2));
        assert!(!refused.allowed);
        assert_eq!(refused.reset_after, Duration::from_secs(3));
        assert!(take(2, now).allowed, "another channel has a window of its own");
        assert!(take(1, now + Duration::from_secs(5)).allowed);
        assert!(limiter.take_route(Route::Typing, 1, now).is_none());
    }

    #[test]
    fn interactions_are_outside_the_global_limit() {
        let limiter = Limiter::new(Some(1), RouteLimits::off(), 10);
        let now = Instant::now();
        assert!(limiter.take_global(Route::CreateMessage, now).unwrap().allowed);
        assert!(!limiter.take_global(Route::CreateMessage, now).unwrap().allowed);
        assert!(limiter.take_global(Route::InteractionCallback, now).is_none());
    }

    #[test]
    fn limits_are_read_from_the_command_line_form() {
        assert_eq!(
            parse_limit("create_message=5/2.5s").unwrap().1.unwrap().per,
            Duration::from_millis(2_500)
        );
        assert_eq!(parse_limit("typing=off").unwrap(), (Route::Typing, None));
        assert!(parse_limit("typing=0/5s").is_err());
        assert!(parse_limit("nonsense=1/5s").unwrap_err().contains("create_message"));
    }

    #[test]
    fn too_many_invalid_requests_end_in_a_ban() {
        let limiter = Limiter::new(None, RouteLimits::off(), 2);
        let now = Instant::now();
        limiter.count_invalid(now);
        assert_eq!(limiter.banned_for(now), None);
        limiter.count_invalid(now);
        assert!(limiter.banned_for(now).is_some());
        assert_eq!(limiter.banned_for(now + INVALID_WINDOW), None);
    }
}
