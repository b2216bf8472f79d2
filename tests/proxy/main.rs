//! The proxy against a simulated Discord, with real Postgres and Redis. Streams are looked at through another
//! Redis client than the product's.

mod egress;
mod harness;
mod ingest;
mod interactions;
mod outage;
mod sessions;
mod superseded;
#[path = "../support/mod.rs"]
mod support;
