//! REST rate limits: a window for each bucket and major parameter, sublimits that no header tells of, limits of
//! single resources, the global windows, and the count of invalid requests that ends in a ban.
//!
//! Shapes follow <https://discord.com/developers/docs/topics/rate-limits>. Discord does not publish the
//! numbers of single routes; the defaults are what bots commonly see, and all can be set or switched off.

mod invalid;
mod route;
mod rules;
mod window;

pub use route::Route;
pub use rules::{LimitChange, RouteLimits, Rule, Sublimit};
pub(crate) use window::Standing;

use crate::chance::Chance;
use crate::config::Config;
use crate::lock;
use invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::time::Instant;
use window::Window;

/// Whose limit a 429 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The bot's, on a route.
    User,
    /// The bot's, over all routes.
    Global,
    /// A channel's or server's, whoever asks; not counted as an invalid request.
    Shared,
}

impl Scope {
    /// As in `X-RateLimit-Scope`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Global => "global",
            Self::Shared => "shared",
        }
    }
}

/// What a request asks of the limiter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) route: Route,
    /// Hash of the channel, server or webhook.
    pub(crate) major: u64,
    /// Whether it carries an authorization header; otherwise the address is counted.
    pub(crate) signed: bool,
    pub(crate) sublimits: &'a [Sublimit],
    /// The server of a channel, by its id, where a limit of single resources may be met.
    pub(crate) server: Option<u64>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) scope: Scope,
    pub(crate) retry_after: Duration,
    pub(crate) code: Option<u32>,
}

/// A bucket as it stands, for the headers.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) standing: Standing,
}

/// What the limiter says to a request.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) refusal: Option<Refusal>,
    /// The bucket to tell of; none where the route has none or keeps it back.
    pub(crate) bucket: Option<Bucket>,
}

#[derive(Debug)]
struct Rules {
    global_per_s: Option<u32>,
    routes: RouteLimits,
    jitter: Duration,
    /// How often the names of all buckets were changed.
    generation: u64,
}

const STRIPES: u64 = 16;

/// Whether a request carries an authorization header decides whose global window it counts against.
type Globals = [Option<Window>; 2];
type Windows = HashMap<(Route, u64), Option<Window>>;

/// All windows. Windows that have passed are removed by `sweep`.
#[derive(Debug)]
pub(crate) struct Limiter {
    rules: RwLock<Rules>,
    windows: Vec<Mutex<Windows>>,
    sublimits: Mutex<HashMap<(Sublimit, u64), Option<Window>>>,
    /// Channels and servers that are limited until a moment, with the error code.
    resources: Mutex<HashMap<u64, (Instant, Option<u32>)>>,
    globals: Mutex<Globals>,
    invalid: Mutex<Invalid>,
    chance: Chance,
    began: Instant,
}

impl Limiter {
    /// `now` is the moment from which windows are numbered.
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        Self {
            rules: RwLock::new(Rules {
                global_per_s: config.rest_global_per_s,
                routes: config.route_limits.clone(),
                jitter: config.window_jitter,
                generation: 0,
            }),
            windows: (0..STRIPES).map(|_| Mutex::default()).collect(),
            sublimits: Mutex::default(),
            resources: Mutex::default(),
            globals: Mutex::default(),
            invalid: Mutex::new(Invalid::new(config.invalid_request_limit, config.ban)),
            chance: Chance::new(config.seed),
            began: now,
        }
    }

    fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules_mut(&self) -> RwLockWriteGuard<'_, Rules> {
        self.rules.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_global(&self, per_s: Option<u32>) {
        self.rules_mut().global_per_s = per_s;
    }

    pub(crate) fn change(&self, change: &LimitChange) {
        self.rules_mut().routes.apply(change);
    }

    pub(crate) fn set_jitter(&self, jitter: Duration) {
        self.rules_mut().jitter = jitter;
    }

    /// Gives every bucket a new name.
    pub(crate) fn rename_buckets(&self) {
        self.rules_mut().generation += 1;
    }

    /// Refuses requests about a channel or server, by its id, until a moment.
    pub(crate) fn limit_resource(&self, id: u64, until: Instant, code: Option<u32>) {
        lock(&self.resources).insert(route::major_of(id), (until, code));
    }

    /// Whether any single channel or server is limited.
    pub(crate) fn limits_resources(&self) -> bool {
        !lock(&self.resources).is_empty()
    }

    /// Counts a request and says whether it may pass.
    pub(crate) fn admit(&self, ask: &Ask<'_>, now: Instant) -> Verdict {
        let rules = self.rules();
        if let Some(refusal) = self.globally(&rules, ask, now) {
            return Verdict { refusal: Some(refusal), bucket: None };
        }
        let lead = rules.routes.bucket(ask.route);
        let standing = rules.routes.get(lead).map(|rule| self.take(&rules, lead, rule, ask.major, now));
        let refusal = match standing {
            Some(standing) if !standing.allowed => {
                Some(Refusal { scope: Scope::User, retry_after: standing.reset_after, code: None })
            }
            _ => self.resource(ask, now).or_else(|| self.beneath(&rules, ask, now)),
        };
        let told = rules.routes.announced(lead) || standing.is_some_and(|standing| !standing.allowed);
        let name = || self.chance.hex("bucket", route::hash(&lead.name()), rules.generation);
        let bucket = standing.filter(|_| told).map(|standing| Bucket { name: name(), standing });
        Verdict { refusal, bucket }
    }

    fn globally(&self, rules: &Rules, ask: &Ask<'_>, now: Instant) -> Option<Refusal> {
        let rule = rules.global_per_s.filter(|_| !ask.route.is_interaction()).map(|n| Rule::per_s(n, 1))?;
        let standing = Window::take(&mut lock(&self.globals)[usize::from(ask.signed)], rule, now, |per| per);
        let refusal = Refusal { scope: Scope::Global, retry_after: standing.reset_after, code: None };
        (!standing.allowed).then_some(refusal)
    }

    fn take(&self, rules: &Rules, lead: Route, rule: Rule, major: u64, now: Instant) -> Standing {
        let mut windows = lock(&self.windows[usize::try_from(major % STRIPES).expect("less than 16")]);
        let stretch = |per: Duration| {
            // Windows are numbered by the moment they open, which a logical clock repeats in the next run.
            let nth = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(0);
            let share = self.chance.share("window", major ^ route::hash(&lead.name()), nth);
            let off = rules.jitter.min(per / 2).as_secs_f64() * (share * 2.0 - 1.0);
            Duration::try_from_secs_f64(per.as_secs_f64() + off).unwrap_or(per)
        };
        Window::take(windows.entry((lead, major)).or_default(), rule, now, stretch)
    }

    fn resource(&self, ask: &Ask<'_>, now: Instant) -> Option<Refusal> {
        let resources = lock(&self.resources);
        let server = ask.server.map(route::major_of);
        [Some(ask.major), server].into_iter().flatten().find_map(|major| {
            let (until, code) = *resources.get(&major)?;
            let retry_after = until.saturating_duration_since(now);
            (!retry_after.is_zero()).then_some(Refusal { scope: Scope::Shared, retry_after, code })
        })
    }

    fn beneath(&self, rules: &Rules, ask: &Ask<'_>, now: Instant) -> Option<Refusal> {
        let mut windows = lock(&self.sublimits);
        ask.sublimits.iter().find_map(|sublimit| {
            let rule = rules.routes.sublimit(*sublimit)?;
            let slot = windows.entry((*sublimit, ask.major)).or_default();
            let standing = Window::take(slot, rule, now, |per| per);
            let refusal =
                Refusal { scope: Scope::Shared, retry_after: standing.reset_after, code: sublimit.code() };
            (!standing.allowed).then_some(refusal)
        })
    }

    /// Counts an answer 401, 403 or 429.
    pub(crate) fn count_invalid(&self, now: Instant) {
        lock(&self.invalid).add(now);
    }

    /// How long the client is banned for too many invalid requests, if it is.
    pub(crate) fn banned_for(&self, now: Instant) -> Option<Duration> {
        lock(&self.invalid).banned_for(now)
    }

    /// Forgets all windows, resource limits, invalid requests and the ban, and takes the rules from the
    /// settings again.
    pub(crate) fn reset(&self, config: &Config) {
        let generation = self.rules().generation;
        *self.rules_mut() = Rules {
            global_per_s: config.rest_global_per_s,
            routes: config.route_limits.clone(),
            jitter: config.window_jitter,
            generation,
        };
        self.windows.iter().for_each(|windows| lock(windows).clear());
        lock(&self.sublimits).clear();
        lock(&self.resources).clear();
        *lock(&self.globals) = Globals::default();
        *lock(&self.invalid) = Invalid::new(config.invalid_request_limit, config.ban);
    }

    pub(crate) fn sweep(&self, now: Instant) {
        let open = |window: &mut Option<Window>| window.as_ref().is_some_and(|window| !window.is_over(now));
        for windows in &self.windows {
            lock(windows).retain(|_, window| open(window));
        }
        lock(&self.sublimits).retain(|_, window| open(window));
        lock(&self.resources).retain(|_, (until, _)| *until > now);
    }

    /// The rules and counts as they stand, for people.
    pub(crate) fn describe(&self, now: Instant) -> serde_json::Value {
        let rules = self.rules();
        let rule = |rule: Rule| format!("{}/{}s", rule.limit, rule.per.as_secs_f64());
        let routes = Route::ALL.iter().filter_map(|route| {
            let of = rules.routes.get(*route)?;
            let bucket = rules.routes.bucket(*route).name();
            let announced = rules.routes.announced(*route);
            let one = serde_json::json!({"limit": rule(of), "bucket": bucket, "announced": announced});
            Some((route.name().to_owned(), one))
        });
        let sublimits = Sublimit::ALL.into_iter().filter_map(|sublimit| {
            Some((sublimit.name().to_owned(), rule(rules.routes.sublimit(sublimit)?).into()))
        });
        let mut invalid = lock(&self.invalid);
        serde_json::json!({
            "global_per_s": rules.global_per_s,
            "routes": routes.collect::<serde_json::Map<_, _>>(),
            "sublimits": sublimits.collect::<serde_json::Map<_, _>>(),
            "jitter_ms": u64::try_from(rules.jitter.as_millis()).unwrap_or(u64::MAX),
            "invalid_requests": invalid.count(now),
            "banned_for_s": invalid.banned_for(now).map(|left| left.as_secs_f64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(global: Option<u32>, limits: RouteLimits) -> (Limiter, Instant) {
        let now = Instant::now();
        let config = Config { rest_global_per_s: global, route_limits: limits, ..Config::default() };
        (Limiter::new(&config, now), now)
    }

    fn ask(route: Route, major: u64) -> Ask<'static> {
        Ask { route, major, signed: true, sublimits: &[], server: None }
    }

    #[test]
    fn a_window_refuses_past_its_limit_and_opens_again() {
        let limits = RouteLimits::off().with(Route::CreateMessage, Some(Rule::per_s(2, 5)));
        let (limiter, now) = limiter(None, limits);
        let take = |major, at| limiter.admit(&ask(Route::CreateMessage, major), at);
        assert_eq!(take(1, now).bucket.unwrap().standing.remaining, 1);
        assert!(take(1, now).refusal.is_none());
        let refused = take(1, now + Duration::from_secs(2)).refusal.unwrap();
        assert_eq!((refused.scope, refused.retry_after), (Scope::User, Duration::from_secs(3)));
        assert!(take(2, now).refusal.is_none(), "another channel has a window of its own");
        assert!(take(1, now + Duration::from_secs(5)).refusal.is_none());
        assert!(limiter.admit(&ask(Route::Typing, 1), now).bucket.is_none());
    }

    #[test]
    fn interactions_are_outside_the_global_limit_and_addresses_beside_it() {
        let (limiter, now) = limiter(Some(1), RouteLimits::off());
        let refused = |ask: Ask<'_>| limiter.admit(&ask, now).refusal.map(|refusal| refusal.scope);
        assert_eq!(refused(ask(Route::CreateMessage, 1)), None);
        assert_eq!(refused(ask(Route::Typing, 2)), Some(Scope::Global));
        assert_eq!(refused(ask(Route::InteractionCallback, 3)), None);
        assert_eq!(refused(Ask { signed: false, ..ask(Route::Gateway, 0) }), None);
        assert_eq!(refused(Ask { signed: false, ..ask(Route::Gateway, 0) }), Some(Scope::Global));
    }

    #[test]
    fn a_global_refusal_leaves_the_route_alone() {
        let limits = RouteLimits::off().with(Route::Typing, Some(Rule::per_s(2, 60)));
        let (limiter, now) = limiter(Some(1), limits);
        limiter.admit(&ask(Route::Typing, 1), now);
        assert!(limiter.admit(&ask(Route::Typing, 1), now).refusal.is_some());
        let later = limiter.admit(&ask(Route::Typing, 1), now + Duration::from_secs(1));
        assert_eq!(later.bucket.unwrap().standing.remaining, 0, "the second request that passed");
    }

    #[test]
    fn a_bucket_keeps_its_window_when_its_name_changes() {
        let limits = RouteLimits::off().with(Route::Typing, Some(Rule::per_s(3, 60)));
        let (limiter, now) = limiter(None, limits);
        let before = limiter.admit(&ask(Route::Typing, 1), now).bucket.unwrap();
        limiter.rename_buckets();
        let after = limiter.admit(&ask(Route::Typing, 1), now).bucket.unwrap();
        assert_ne!(before.name, after.name);
        assert_eq!(after.standing.remaining, 1);
    }

    #[test]
    fn jitter_follows_from_the_seed_and_stays_within_its_bound() {
        let limits = RouteLimits::off().with(Route::Typing, Some(Rule::per_s(1, 5)));
        let ends = |seed| {
            let now = Instant::now();
            let config = Config {
                seed,
                rest_global_per_s: None,
                window_jitter: Duration::from_millis(300),
                route_limits: limits.clone(),
                ..Config::default()
            };
            let limiter = Limiter::new(&config, now);
            let end = |major| {
                limiter.admit(&ask(Route::Typing, major), now);
                limiter.admit(&ask(Route::Typing, major), now).refusal.unwrap().retry_after
            };
            (0..50).map(end).collect::<Vec<_>>()
        };
        assert_eq!(ends(1), ends(1));
        assert_ne!(ends(1), ends(2));
        let bounds = Duration::from_millis(4_700)..=Duration::from_millis(5_300);
        assert!(ends(3).iter().all(|end| bounds.contains(end)));
    }
}
