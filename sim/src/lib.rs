//! A simulated Discord, for tests and demonstrations of a support bot.
//!
//! One TCP listener serves the REST API, version 10, and the gateway websocket, as the public documentation
//! describes them (<https://discord.com/developers/docs>), for a generated world of servers. Members act
//! through [`Simulator`] or, by themselves, through [`members`]. Everything posted is in the [`transcript`],
//! from which [`report`] reads lost, doubled and out-of-order answers.
//!
//! The crate knows nothing of the bot it talks to: it shares no code with it, and it judges what the bot
//! posts only by its place (thread, reply, interaction) and by a predicate the caller brings.

mod access;
mod actions;
pub mod attachments;
mod chance;
mod changes;
mod clock;
mod commands;
mod components;
pub mod config;
mod control;
mod core;
mod editing;
mod entitlements;
pub mod faults;
mod gateway;
mod guild;
pub mod ids;
mod interactions;
mod listener;
pub mod matching;
pub mod members;
mod mentions;
mod message;
mod nonces;
pub mod permissions;
mod pins;
mod playground;
mod posting;
pub mod rate_limit;
mod reactions;
mod render;
pub mod report;
mod resolved;
mod rest;
pub mod scenario;
mod servers;
mod simulator;
mod steering;
mod store;
mod thread;
mod threads;
pub mod transcript;
mod webhooks;
mod world;

pub use actions::{ActionError, Writing};
pub use attachments::File;
pub use clock::Skew;
pub use config::Config;
pub use entitlements::{Holder, SkuKind, SubscriptionChange};
pub use faults::{Fault, FaultPlan, FaultStanding};
pub use gateway::faults::{GatewayFault, GatewayTarget, Outage};
pub use gateway::intents;
pub use gateway::presence::Status;
pub use interactions::Phase;
pub use permissions::{Permissions, Target};
pub use rate_limit::{LimitChange, Route, RouteLimits, Rule, Scope, Sublimit};
pub use servers::ChannelKind;
pub use simulator::{SessionInfo, Simulator, StartError};
pub use transcript::{BotMessage, Counters, Entry, Kind, Transcript};
pub use world::{ChannelUse, Server};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex; a panic of another holder does not spread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
