//! The rules: how many requests in how long, which routes share a bucket, and what is kept back from the headers.

use super::Route;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::time::Duration;

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

/// Limits beside those of the routes that no header tells of, before they refuse or when they do: the headers
/// go on showing the route's own bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sublimit {
    /// Renaming a channel or thread. <https://github.com/discord/discord-api-docs/issues/1900>
    ChannelRename,
    /// Changing a channel's topic, counted apart from its name.
    ChannelTopic,
    /// Editing messages of a channel that are older than an hour; code 30046.
    OldEdits,
}

impl Sublimit {
    /// Every sublimit.
    pub const ALL: [Self; 3] = [Self::ChannelRename, Self::ChannelTopic, Self::OldEdits];

    /// Name in flags, the control API and scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChannelRename => "channel_rename",
            Self::ChannelTopic => "channel_topic",
            Self::OldEdits => "old_edits",
        }
    }

    /// The error code that comes with the 429.
    pub(crate) const fn code(self) -> Option<u32> {
        match self {
            Self::OldEdits => Some(30_046),
            Self::ChannelRename | Self::ChannelTopic => None,
        }
    }
}

/// The rule of each route; a route without one is not limited and sends no headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLimits {
    rules: HashMap<Route, Rule>,
    /// Buckets whose headers come with a 429 only.
    unannounced: HashSet<Route>,
    /// Routes that count against another's bucket.
    shared: HashMap<Route, Route>,
    sublimits: HashMap<Sublimit, Rule>,
}

impl RouteLimits {
    /// No route is limited.
    pub fn off() -> Self {
        Self {
            rules: HashMap::new(),
            unannounced: HashSet::new(),
            shared: HashMap::new(),
            sublimits: HashMap::new(),
        }
    }

    /// Sets the rule of a route's bucket; `None` switches it off.
    pub fn set(&mut self, route: Route, rule: Option<Rule>) {
        let bucket = self.bucket(route);
        match rule {
            Some(rule) => self.rules.insert(bucket, rule),
            None => self.rules.remove(&bucket),
        };
    }

    /// The same limits with one changed.
    pub fn with(mut self, route: Route, rule: Option<Rule>) -> Self {
        self.set(route, rule);
        self
    }

    /// The rule of a route.
    pub fn get(&self, route: Route) -> Option<Rule> {
        self.rules.get(&self.bucket(route)).copied()
    }

    /// Whether the headers of a route's bucket come with every answer, or with a 429 only.
    pub fn announce(&mut self, route: Route, announced: bool) {
        let bucket = self.bucket(route);
        if announced {
            self.unannounced.remove(&bucket)
        } else {
            self.unannounced.insert(bucket)
        };
    }

    /// Whether the headers of a route's bucket come with every answer.
    pub fn announced(&self, route: Route) -> bool {
        !self.unannounced.contains(&self.bucket(route))
    }

    /// From now on `route` counts against the bucket of `with`; with itself, against its own again.
    pub fn share(&mut self, route: Route, with: Route) {
        self.shared.remove(&route);
        let bucket = self.bucket(with);
        if bucket != route {
            // Nobody shares with a route that itself shares, so that one look finds the bucket.
            self.shared.values_mut().filter(|of| **of == route).for_each(|of| *of = bucket);
            self.shared.insert(route, bucket);
        }
    }

    /// The route that gives a route's bucket its name.
    pub fn bucket(&self, route: Route) -> Route {
        self.shared.get(&route).copied().unwrap_or(route)
    }

    /// Sets a sublimit; `None` switches it off.
    pub fn set_sublimit(&mut self, sublimit: Sublimit, rule: Option<Rule>) {
        match rule {
            Some(rule) => self.sublimits.insert(sublimit, rule),
            None => self.sublimits.remove(&sublimit),
        };
    }

    /// The rule of a sublimit.
    pub fn sublimit(&self, sublimit: Sublimit) -> Option<Rule> {
        self.sublimits.get(&sublimit).copied()
    }

    /// Carries out a change.
    pub fn apply(&mut self, change: &LimitChange) {
        match *change {
            LimitChange::Route(route, rule) => self.set(route, rule),
            LimitChange::Announce(route, announced) => self.announce(route, announced),
            LimitChange::Share(route, with) => self.share(route, with),
            LimitChange::Sublimit(sublimit, rule) => self.set_sublimit(sublimit, rule),
        }
    }
}

impl Default for RouteLimits {
    fn default() -> Self {
        let quarter = Rule { limit: 1, per: Duration::from_millis(250) };
        let rules = HashMap::from([
            (Route::Gateway, Rule::per_s(2, 5)),
            (Route::CurrentUser, Rule::per_s(30, 30)),
            (Route::CurrentApplication, Rule::per_s(30, 30)),
            (Route::Commands, Rule::per_s(10, 30)),
            (Route::GuildCommands, Rule::per_s(10, 30)),
            (Route::Channel, Rule::per_s(5, 1)),
            (Route::ModifyChannel, Rule::per_s(5, 15)),
            (Route::ListMessages, Rule::per_s(5, 1)),
            (Route::GetMessage, Rule::per_s(5, 1)),
            (Route::CreateMessage, Rule::per_s(5, 5)),
            (Route::EditMessage, Rule::per_s(5, 5)),
            (Route::DeleteMessage, Rule::per_s(5, 1)),
            (Route::BulkDelete, Rule::per_s(1, 1)),
            (Route::React, quarter),
            (Route::StartThread, Rule::per_s(50, 10)),
            (Route::Typing, Rule::per_s(5, 5)),
            (Route::WebhookMessage, Rule::per_s(5, 2)),
            (Route::WebhookExecute, Rule::per_s(5, 2)),
            (Route::TokenWebhook, Rule::per_s(5, 2)),
        ]);
        let sublimits = HashMap::from([
            (Sublimit::ChannelRename, Rule::per_s(2, 600)),
            (Sublimit::ChannelTopic, Rule::per_s(2, 600)),
            (Sublimit::OldEdits, Rule::per_s(30, 3_600)),
        ]);
        let shared = HashMap::from([(Route::CreateThread, Route::StartThread)]);
        Self { rules, unannounced: HashSet::new(), shared, sublimits }
    }
}

/// One change of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitChange {
    /// The rule of a route's bucket; `None` is none.
    Route(Route, Option<Rule>),
    /// Whether the bucket is told in the headers of every answer.
    Announce(Route, bool),
    /// The first route counts against the bucket of the second.
    Share(Route, Route),
    /// The rule of a sublimit; `None` is none.
    Sublimit(Sublimit, Option<Rule>),
}

impl FromStr for LimitChange {
    type Err = String;

    /// `create_message=5/5s`, `create_message=off`, `create_message=unannounced`, `create_message=announced`,
    /// `typing=with:create_message`, `channel_rename=2/600s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| wrong(text))?;
        if let Some(sublimit) = Sublimit::ALL.into_iter().find(|sublimit| sublimit.name() == name) {
            return Ok(Self::Sublimit(sublimit, rule(value).ok_or_else(|| wrong(text))?));
        }
        let route = name.parse()?;
        match value {
            "announced" => Ok(Self::Announce(route, true)),
            "unannounced" => Ok(Self::Announce(route, false)),
            other => match other.strip_prefix("with:") {
                Some(with) => Ok(Self::Share(route, with.parse()?)),
                None => Ok(Self::Route(route, rule(other).ok_or_else(|| wrong(text))?)),
            },
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "{text:?} is not of the form route=requests/seconds (create_message=5/5s), route=off, \
         route=unannounced, route=announced or route=with:route"
    )
}

/// `5/2.5s` or `off`.
fn rule(text: &str) -> Option<Option<Rule>> {
    if text == "off" {
        return Some(None);
    }
    let (limit, per) = text.split_once('/')?;
    let seconds: f64 = per.trim_end_matches('s').parse().ok()?;
    let rule = Rule { limit: limit.parse().ok()?, per: Duration::try_from_secs_f64(seconds).ok()? };
    (rule.limit > 0 && !rule.per.is_zero()).then_some(Some(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> LimitChange {
        text.parse().unwrap()
    }

    #[test]
    fn changes_are_read_from_the_command_line_form() {
        let half = Rule { limit: 5, per: Duration::from_millis(2_500) };
        assert_eq!(change("create_message=5/2.5s"), LimitChange::Route(Route::CreateMessage, Some(half)));
        assert_eq!(change("typing=off"), LimitChange::Route(Route::Typing, None));
        assert_eq!(change("typing=unannounced"), LimitChange::Announce(Route::Typing, false));
        assert_eq!(change("typing=with:channel"), LimitChange::Share(Route::Typing, Route::Channel));
        let rename = LimitChange::Sublimit(Sublimit::ChannelRename, Some(Rule::per_s(1, 60)));
        assert_eq!(change("channel_rename=1/60s"), rename);
        assert!("typing=0/5s".parse::<LimitChange>().is_err());
        assert!("nonsense=1/5s".parse::<LimitChange>().unwrap_err().contains("create_message"));
    }

    #[test]
    fn a_shared_bucket_is_one_however_it_came_about() {
        let mut limits = RouteLimits::off();
        limits.share(Route::Pins, Route::Typing);
        limits.share(Route::Typing, Route::Channel);
        assert_eq!(limits.bucket(Route::Pins), Route::Channel);
        limits.set(Route::Pins, Some(Rule::per_s(1, 1)));
        assert_eq!(limits.get(Route::Channel), Some(Rule::per_s(1, 1)));
        limits.share(Route::Pins, Route::Pins);
        assert_eq!(limits.get(Route::Pins), None);
    }
}
