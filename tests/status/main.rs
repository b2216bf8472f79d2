//! What operators see of a running cluster: `helpline status`, the page of the admin port, `helpline doctor`, and what is
//! forgotten in time. Against real Postgres and Redis, with a simulated Discord where one is needed.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

mod command;
mod doctor;
mod page;
mod retention;

#[path = "../../sim/tests/playground/browser.rs"]
#[allow(dead_code, reason = "the simulator's own tests use the rest")]
mod browser;
#[path = "../answering/harness.rs"]
#[allow(dead_code, reason = "the tests of answering use the rest")]
mod harness;
#[path = "../support/own_redis.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod own_redis;
#[path = "../chaos/process.rs"]
#[allow(dead_code, reason = "the tests of faults use the rest")]
mod process;
#[path = "../support/settled.rs"]
mod settled;
#[path = "../support/mod.rs"]
mod support;
