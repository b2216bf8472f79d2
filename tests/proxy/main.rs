//! The proxy against a simulated Discord, with real Postgres and Redis. Streams are looked at through another
//! Redis client than the product's.

mod bench_acknowledgment;
mod bench_rest_limits;
mod egress;
mod failover;
mod harness;
mod ingest;
mod interactions;
mod kept;
mod lost;
mod outage;
#[path = "../support/own_redis.rs"]
#[allow(dead_code, reason = "the tests of faults use the rest")]
mod own_redis;
mod resharding;
mod sessions;
mod several;
mod shared_limits;
mod starting;
mod superseded;
#[path = "../support/mod.rs"]
mod support;
