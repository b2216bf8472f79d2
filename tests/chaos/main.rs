//! Real processes under faults: workers and proxies are killed, frozen, cut off and told to stop, Postgres and Redis
//! crash and are wiped, Discord ends sessions and loses answers, all while members ask.
//!
//! What decides is recorded outside the code under test: triggers in the database write down who wrote what
//! ([`recorder`]), the simulated Discord what was said. [`history`] and [`crowd`] judge. docs/testing.md says more.

mod cluster;
mod crowd;
mod database;
mod failover;
mod history;
mod history_tests;
#[path = "../support/own_redis.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod own_redis;
mod process;
mod recorder;
mod scenarios;
#[path = "../support/settled.rs"]
mod settled;
mod soak;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/wire.rs"]
mod wire;
