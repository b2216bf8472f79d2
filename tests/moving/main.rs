//! Servers move between shards while their members ask: nothing lost, doubled or out of order, whoever dies meanwhile.

mod bench;
mod counted;
mod crashes;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../answering/harness.rs"]
mod harness;
mod poison;
mod record;
mod servers;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../support/settled.rs"]
mod settled;
mod shards;
#[path = "../support/mod.rs"]
mod support;
