//! Counts of what happened since the start, raised from anywhere without a lock.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Debug, Default)]
        pub(crate) struct Live { $(pub(crate) $name: AtomicU64,)* }

        /// Counts since the start.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Counters { $($(#[$doc])* pub $name: u64,)* }

        impl Live {
            pub(crate) fn read(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            pub(crate) fn clear(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)*
            }
        }
    };
}

counters! {
    /// Events put into gateway sessions, each session counted.
    events_dispatched,
    /// Gateway payloads written to connections, replays included.
    events_sent,
    /// Websocket connections opened.
    connections,
    /// IDENTIFYs accepted.
    identifies,
    /// IDENTIFYs refused for max_concurrency.
    identifies_refused,
    /// RESUMEs accepted.
    resumes,
    /// RESUMEs accepted on another address than the one READY gave for it.
    resumes_elsewhere,
    /// RESUMEs refused.
    resumes_refused,
    /// Events sent again after a RESUME.
    events_replayed,
    /// Sessions ended because their connection lagged past the replay bound.
    sessions_overrun,
    /// Gateway faults met by connections after a number of events.
    gateway_faults,
    /// Heartbeats received.
    heartbeats,
    /// Connections closed for missing heartbeats.
    heartbeats_missed,
    /// REST requests of any kind.
    rest_requests,
    /// Requests answered 429.
    rest_429,
    /// Requests answered 401, 403 or 429 (not counting shared limits).
    rest_invalid,
    /// Requests answered 4xx other than those.
    rest_rejected,
    /// Requests to webhooks and interactions that are not there.
    rest_webhook_404,
    /// Requests refused because of the ban for invalid requests.
    rest_banned,
    /// REST faults injected.
    faults,
    /// Messages posted by members.
    member_messages,
    /// Messages posted by the bot.
    bot_messages,
    /// Messages returned instead of posted because of their nonce.
    nonce_replays,
    /// Interactions made by members.
    interactions,
    /// Interactions without an answer in time.
    interactions_failed,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
