//! Shards, leases, fences, placement and the event log. Knows nothing of Discord support.

pub mod budgets;
pub mod claims;
pub mod clock;
pub mod consumer;
pub mod database;
pub mod event_log;
pub mod fence;
pub mod gateway_session;
pub mod gateway_shards;
pub mod identify;
pub mod ids;
pub mod invalid_requests;
pub mod keys;
pub mod lease;
pub mod membership;
pub mod placement;
pub mod rate_limit;
pub mod redis_link;
