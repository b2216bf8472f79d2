//! One test for each kind of fault.

mod discord;
mod network;
mod proxies;
mod stores;
mod witness;
mod workers;
