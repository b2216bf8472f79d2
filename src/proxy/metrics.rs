//! Metrics of the proxy: names, units, fixed labels (never a server or user).

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Labels: `class`.
pub const EVENTS: &str = "helpline_proxy_events_total";
/// Labels: `reason`.
pub const DROPPED: &str = "helpline_proxy_dropped_events_total";
pub const PUBLISHED: &str = "helpline_proxy_published_events_total";
pub const REFUSED: &str = "helpline_proxy_refused_events_total";
/// Labels: `gateway_shard`.
pub const BACKLOG_ENTRIES: &str = "helpline_proxy_backlog_entries";
/// Labels: `gateway_shard`.
pub const BACKLOG_BYTES: &str = "helpline_proxy_backlog_bytes";
/// Labels: `gateway_shard`.
pub const RETAINED_ENTRIES: &str = "helpline_proxy_retained_entries";
/// Labels: `gateway_shard`.
pub const RETAINED_BYTES: &str = "helpline_proxy_retained_bytes";
pub const RETAINED_DROPPED: &str = "helpline_proxy_retained_dropped_total";
pub const REPUBLISHED: &str = "helpline_proxy_republished_events_total";
pub const GIVEN_UP: &str = "helpline_proxy_given_up_events_total";
/// Labels: `gateway_shard`.
pub const SEQUENCE_SAVED: &str = "helpline_proxy_saved_sequence";
pub const RESUMES: &str = "helpline_proxy_resumes_total";
pub const IDENTIFIES: &str = "helpline_proxy_identifies_total";
/// NaN while nothing is known.
pub const IDENTIFIES_LEFT: &str = "helpline_proxy_identifies_left";
pub const IDENTIFIES_LOW: &str = "helpline_proxy_identifies_low";
pub const RECOMMENDED: &str = "helpline_proxy_recommended_gateway_shards";
pub const GATEWAY_SHARDS_HELD: &str = "helpline_proxy_gateway_shards_held";
pub const GATEWAY_SHARDS_UP: &str = "helpline_proxy_gateway_shards_up";
pub const GATEWAY_SHARDS_UNHELD: &str = "helpline_proxy_gateway_shards_unheld";
pub const PROXIES: &str = "helpline_proxies";
/// Counted where the claim is won, in the cluster's library.
pub const TAKEOVERS: &str = "helpline_proxy_takeovers_total";
pub const SESSIONS_LOST: &str = "helpline_proxy_lost_sessions_total";
/// Labels: `why`.
pub const DISCONNECTS: &str = "helpline_proxy_disconnects_total";
/// Labels: `status`.
pub const REST_REQUESTS: &str = "helpline_proxy_rest_requests_total";
/// Labels: `scope`.
pub const REST_LIMITED: &str = "helpline_proxy_rest_limited_total";
pub const REST_WAIT: &str = "helpline_proxy_rest_wait_seconds";
pub const REST_TIME: &str = "helpline_proxy_rest_seconds";
pub const REST_REFUSED: &str = "helpline_proxy_rest_overflow_total";
pub const REST_INVALID: &str = "helpline_proxy_rest_invalid_total";
/// As Redis tells it: all proxies show the same.
pub const INVALID_BUDGET_USED: &str = "helpline_rest_invalid_recent";
pub const BREAKER_OPEN: &str = "helpline_rest_breaker_open";
/// Recorded by the cluster crate, which knows no exporter.
const LIMITS_SHARED: &str = "helpline_rest_limits_shared";
const LIMITS_PROXIES: &str = "helpline_rest_limits_proxies";
/// Labels: `result` = ok, failed.
const LIMITS_EXCHANGES: &str = "helpline_rest_limits_exchanges_total";
/// Labels: `by` = worker, proxy, elsewhere.
pub const ACKNOWLEDGED: &str = "helpline_proxy_interactions_acknowledged_total";
/// Labels: `by` = worker, proxy.
pub const ACKNOWLEDGED_TIME: &str = "helpline_proxy_interaction_acknowledgment_seconds";
/// Labels: `why` = too_old, refused, overflow.
pub const UNACKNOWLEDGED: &str = "helpline_proxy_interactions_unacknowledged_total";
pub const REST_SUPERSEDED: &str = "helpline_proxy_rest_superseded_total";
/// Labels: `why`.
pub const REST_UNCHECKED: &str = "helpline_proxy_rest_unchecked_total";

pub const PUBLISH_TIME: &str = "helpline_proxy_publish_seconds";
/// Labels: `gateway_shard`.
pub const GATEWAY_LATENCY: &str = "helpline_proxy_gateway_latency_seconds";

/// Labels: `cause`.
pub const GAPS: &str = "helpline_gaps_total";
/// Labels: `result` = repaired, given_up.
pub const BACKFILL_CHANNELS: &str = "helpline_backfill_channels_total";
pub const BACKFILLED: &str = "helpline_backfilled_messages_total";
pub const BACKFILL_REQUESTS: &str = "helpline_backfill_requests_total";
pub const MISSED_INTERACTIONS: &str = "helpline_missed_interactions_total";

/// Gives the exporter the help texts; once for each process, after the recorder is installed.
pub fn describe() {
    describe_counter!(EVENTS, "Gateway events passed on, by class");
    describe_counter!(DROPPED, "Gateway events not passed on, by reason");
    describe_counter!(PUBLISHED, "Events that are in their shard's stream");
    describe_counter!(REFUSED, "Attempts that a stream refused (full or lost); repeated until taken");
    describe_gauge!(BACKLOG_ENTRIES, "Events received and not published yet");
    describe_gauge!(BACKLOG_BYTES, Unit::Bytes, "Size of the events received and not published yet");
    describe_gauge!(
        RETAINED_ENTRIES,
        "Events published and not yet durably applied, kept for publishing again"
    );
    describe_gauge!(RETAINED_BYTES, Unit::Bytes, "Size of the events kept for publishing again");
    describe_counter!(RETAINED_DROPPED, "Events no longer kept because others needed the room; oldest first");
    describe_counter!(REPUBLISHED, "Events published again after Redis lost their stream");
    describe_counter!(GIVEN_UP, "Events that Redis lost and that were not kept any more");
    describe_gauge!(SEQUENCE_SAVED, "Gateway sequence from which another proxy would resume");
    describe_counter!(RESUMES, "Sessions resumed");
    describe_counter!(IDENTIFIES, "Sessions started; Discord allows 1,000 a day");
    describe_gauge!(IDENTIFIES_LEFT, "Sessions that may still be started today, over all proxies");
    describe_gauge!(IDENTIFIES_LOW, "1 while a gateway shard waits because the day's sessions run out");
    describe_gauge!(RECOMMENDED, "Gateway shards that Discord recommends");
    describe_gauge!(GATEWAY_SHARDS_HELD, "Gateway shards that this proxy holds");
    describe_gauge!(GATEWAY_SHARDS_UP, "Gateway shards of this proxy that have their session");
    describe_gauge!(GATEWAY_SHARDS_UNHELD, "Gateway shards that no living proxy holds");
    describe_gauge!(PROXIES, "Living proxies, as this one sees them");
    describe_counter!(TAKEOVERS, "Gateway shards taken over from dead proxies");
    describe_counter!(
        SESSIONS_LOST,
        "Sessions that Discord refused to resume: events between them are missed"
    );
    describe_counter!(GAPS, "Gaps recorded: events that never came, by cause");
    describe_counter!(BACKFILL_CHANNELS, "Channels of gaps that were read again or given up");
    describe_counter!(BACKFILLED, "Messages read again over REST and published");
    describe_counter!(BACKFILL_REQUESTS, "Requests spent on reading again");
    describe_counter!(MISSED_INTERACTIONS, "Interactions known to be lost; they cannot be read again");
    describe_counter!(DISCONNECTS, "Gateway connections that ended, by reason");
    describe_counter!(REST_REQUESTS, "Requests sent to Discord, by status");
    describe_counter!(REST_LIMITED, "Requests that Discord refused with 429, by scope");
    describe_histogram!(REST_WAIT, Unit::Seconds, "Time a request waited for the rate limits");
    describe_histogram!(REST_TIME, Unit::Seconds, "Time Discord took to answer");
    describe_counter!(REST_REFUSED, "Requests of workers refused because too many wait");
    describe_counter!(
        ACKNOWLEDGED,
        "Interactions that got their first reply: from a worker through this proxy, from this proxy because no worker \
         was in time, or elsewhere (a worker's came through another proxy)"
    );
    describe_histogram!(
        ACKNOWLEDGED_TIME,
        Unit::Seconds,
        "From a member's act to its first reply; Discord allows three seconds"
    );
    describe_counter!(UNACKNOWLEDGED, "Interactions that this proxy could not acknowledge, by reason");
    describe_counter!(REST_SUPERSEDED, "Requests of workers refused because another owns their shard now");
    describe_counter!(
        REST_UNCHECKED,
        "Requests of workers sent though Redis could not say who owns their shard, by reason"
    );
    describe_counter!(REST_INVALID, "Answers 401, 403 and 429 (but for shared limits) that this proxy got");
    describe_gauge!(
        INVALID_BUDGET_USED,
        "Answers 401, 403 and 429 that all proxies got in ten minutes; Discord bans at 10,000"
    );
    describe_gauge!(BREAKER_OPEN, "1 while too many requests were refused and only probes are sent");
    describe_gauge!(
        LIMITS_SHARED,
        "1 while the REST limits are shared through Redis, 0 while this proxy goes on alone"
    );
    describe_gauge!(LIMITS_PROXIES, "Proxies that share the REST limits");
    describe_counter!(LIMITS_EXCHANGES, "Exchanges with the shared REST limits, by result");
    describe_histogram!(PUBLISH_TIME, Unit::Seconds, "Time Redis took to store one batch of events");
    describe_gauge!(
        GATEWAY_LATENCY,
        Unit::Seconds,
        "Time Discord took to answer the latest heartbeats of a gateway shard"
    );
}

/// Makes what a proxy counts be there with 0 from its start, see [`crate::metrics::begin_worker`].
pub fn begin(name: &str) {
    crate::metrics::begin(name, "proxy");
    let zero = crate::metrics::zero;
    let classes = ["message", "own_message", "direct_message", "interaction", "server", "channel", "thread"];
    zero(EVENTS, "class", &classes);
    let reasons = ["bot", "not_listening", "unused", "malformed", "repeated", "stream_full"];
    zero(DROPPED, "reason", &reasons);
    zero(REST_LIMITED, "scope", &["user", "global", "shared", "none"]);
    zero(LIMITS_EXCHANGES, "result", &["ok", "failed"]);
    zero(ACKNOWLEDGED, "by", &["worker", "proxy", "elsewhere"]);
    zero(UNACKNOWLEDGED, "why", &["too_old", "refused", "overflow"]);
    zero(REST_UNCHECKED, "why", &["redis_away", "redis_lost_it"]);
    zero(GAPS, "cause", &["session_lost", "session_unknown", "stream_full", "stream_lost"]);
    zero(BACKFILL_CHANNELS, "result", &["repaired", "given_up"]);
    for name in [PUBLISHED, REFUSED, RETAINED_DROPPED, REPUBLISHED, GIVEN_UP, RESUMES, IDENTIFIES, TAKEOVERS]
    {
        ::metrics::counter!(name).increment(0);
    }
    for name in [SESSIONS_LOST, REST_REFUSED, REST_INVALID, REST_SUPERSEDED, BACKFILLED, BACKFILL_REQUESTS] {
        ::metrics::counter!(name).increment(0);
    }
    ::metrics::counter!(MISSED_INTERACTIONS).increment(0);
    for name in [INVALID_BUDGET_USED, BREAKER_OPEN, IDENTIFIES_LOW] {
        ::metrics::gauge!(name).set(0.0);
    }
    for name in [REST_WAIT, REST_TIME, PUBLISH_TIME] {
        drop(::metrics::histogram!(name));
    }
}
