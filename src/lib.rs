//! Helpline: a Discord support bot that answers from a server's own knowledge and runs as a cluster.
//!
//! The library holds every role of the one binary; `main.rs` only dispatches.

pub mod admin;
pub mod answer;
pub mod cli;
pub mod commands;
pub mod config;
pub mod conversation;
pub mod dead_letters;
pub mod deliver;
pub mod discord;
pub mod doctor;
pub mod embedding;
pub mod first_reply;
pub mod knowledge;
pub mod message_content;
pub mod metrics;
pub mod migrate;
pub mod partition;
pub mod proxy;
pub mod server_config;
pub mod shards;
pub mod status;
pub mod store;
pub mod telemetry;
pub mod texts;
pub mod up;
pub mod worker;
