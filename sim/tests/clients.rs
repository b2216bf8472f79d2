//! discord.js and discord.py against the simulator: two programs whose authors know Discord and not us.
//!
//! Each scenario is a script in the library's own terms (tests/clients/); the tests judge from outside, by the
//! simulator's transcript and counters and by what the script says it saw.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

mod support;

#[path = "clients/gateway.rs"]
mod gateway;
#[path = "clients/harness.rs"]
mod harness;
#[path = "clients/interactions.rs"]
mod interactions;
#[path = "clients/limits.rs"]
mod limits;
#[path = "clients/messages.rs"]
mod messages;
#[path = "clients/servers.rs"]
mod servers;

/// Makes two tests of each scenario, one for each library.
macro_rules! with_both_libraries {
    ($($scenario:ident,)*) => {
        mod discord_js {
            $(#[tokio::test] async fn $scenario() { super::$scenario($crate::harness::Library::DiscordJs).await })*
        }
        mod discord_py {
            $(#[tokio::test] async fn $scenario() { super::$scenario($crate::harness::Library::DiscordPy).await })*
        }
    };
}
use with_both_libraries;
