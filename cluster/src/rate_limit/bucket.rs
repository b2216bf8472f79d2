//! One bucket: how many requests its current window still takes.

use std::time::Duration;

use tokio::time::Instant;

use super::Answer;

/// What is known of a bucket's size.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// Nothing was answered yet: one request at a time, to learn from.
    Unknown,
    /// The route answers without limit headers.
    Unlimited,
    /// `limit` requests in a `window` (the longest reset seen).
    Known { limit: u32, window: Duration },
}

#[derive(Debug)]
pub(super) struct Bucket {
    limit: Limit,
    in_flight: u32,
    /// The window's size less what was granted in it.
    own: u32,
    /// The least that an answer of this window left.
    told: Option<u32>,
    /// The window's end, known from the first answer on.
    reset_at: Option<Instant>,
    blocked_until: Option<Instant>,
}

impl Bucket {
    pub(super) fn new(limit: Limit) -> Self {
        let own = match limit {
            Limit::Known { limit, .. } => limit,
            Limit::Unknown | Limit::Unlimited => 0,
        };
        Self { limit, in_flight: 0, own, told: None, reset_at: None, blocked_until: None }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Counts `places` as taken by requests that the bucket does not know.
    pub(super) fn reserve(&mut self, places: u32) {
        self.own = self.own.saturating_sub(places);
    }

    /// Takes a place, or says until when to wait; `None` = until an answer comes.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        if let Some(until) = self.blocked_until {
            if now < until {
                return Err(Some(until));
            }
            self.blocked_until = None;
        }
        match self.limit {
            Limit::Unlimited => {}
            Limit::Unknown if self.in_flight == 0 => {}
            Limit::Unknown => return Err(None),
            Limit::Known { limit, .. } => {
                if self.reset_at.is_some_and(|reset_at| reset_at <= now) {
                    self.open_window(limit, None);
                }
                // What is in flight may not be counted yet in what the answers told.
                let told = self.told.map_or(u32::MAX, |told| told.saturating_sub(self.in_flight));
                if self.own.min(told) == 0 {
                    return Err(self.reset_at);
                }
                self.own -= 1;
            }
        }
        self.in_flight += 1;
        Ok(())
    }

    /// A granted request was not sent.
    pub(super) fn take_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Limit::Known { limit, .. } = self.limit {
            self.own = (self.own + 1).min(limit);
        }
    }

    /// Length of its window; none while that is not known.
    pub(super) fn window(&self) -> Option<Duration> {
        match self.limit {
            Limit::Known { window, .. } => Some(window),
            Limit::Unknown | Limit::Unlimited => None,
        }
    }

    /// A granted request ended, answered or not.
    pub(super) fn give_back(&mut self, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        // Without an answer nobody would say when the window ends.
        if self.in_flight == 0
            && self.reset_at.is_none()
            && let Limit::Known { limit, window } = self.limit
            && self.own < limit
        {
            self.reset_at = Some(now + window);
        }
    }

    /// Takes a size that was just learned or changed.
    pub(super) fn set_limit(&mut self, limit: Limit) {
        match (self.limit, limit) {
            (_, Limit::Unknown) => return,
            (Limit::Known { limit: old, .. }, Limit::Known { limit: new, .. }) => {
                self.own = (self.own + new).saturating_sub(old);
            }
            (_, Limit::Known { limit: new, .. }) => self.own = new.saturating_sub(self.in_flight),
            (_, Limit::Unlimited) => {}
        }
        self.limit = limit;
    }

    pub(super) fn answered(&mut self, answer: &Answer, now: Instant) {
        let Limit::Known { limit, window } = self.limit else { return };
        let (Some(remaining), Some(reset_after)) = (answer.remaining, answer.reset_after) else { return };
        let reset_at = now + reset_after;
        match self.reset_at {
            // Much later than expected: the far end has opened a new window already.
            Some(known) if reset_at > known + window / 2 => {
                self.open_window(limit, Some(reset_at));
                self.told = Some(remaining);
            }
            known => {
                self.reset_at = Some(known.map_or(reset_at, |known| known.max(reset_at)));
                self.told = Some(self.told.map_or(remaining, |told| told.min(remaining)));
            }
        }
    }

    pub(super) fn block(&mut self, until: Instant) {
        self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
    }

    /// Nothing would be lost by forgetting it.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.in_flight == 0
            && self.reset_at.is_none_or(|reset_at| reset_at <= now)
            && self.blocked_until.is_none_or(|until| until <= now)
    }

    /// What is in flight may arrive in the new window.
    fn open_window(&mut self, limit: u32, reset_at: Option<Instant>) {
        self.own = limit.saturating_sub(self.in_flight);
        self.told = None;
        self.reset_at = reset_at;
    }
}
