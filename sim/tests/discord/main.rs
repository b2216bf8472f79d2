//! The simulated Discord against the documentation: gateway, REST, limits, faults, scenarios. One program, because
//! each program links the whole simulator.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

#[path = "../bot/mod.rs"]
mod bot;
#[path = "../support/mod.rs"]
mod support;

mod attachments;
mod clock;
mod commands;
mod components;
mod control;
mod determinism;
mod faults;
mod gateway;
mod gateway_commands;
mod gateway_faults;
mod guilds;
mod interactions;
mod members;
mod messages;
mod permissions;
mod rate_limits;
mod rest;
mod scenarios;
mod threads;
mod typed;
mod webhooks;
