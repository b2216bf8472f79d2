//! One test for each kind of fault.

mod backfill;
mod discord;
mod network;
mod proxies;
mod stores;
mod witness;
mod workers;
