//! Questions from the simulated Discord through a real proxy and real workers, with real Postgres and Redis.

mod commands;
mod desk;
mod direct;
#[path = "../support/embedding_server.rs"]
mod embedding_server;
mod faults;
mod feedback;
mod gaps;
mod harness;
mod injection;
mod interactions;
mod knowledge;
mod languages;
mod limits;
mod meaning;
mod model;
#[path = "../support/model_server.rs"]
mod model_server;
mod numbers;
mod ownership;
mod pdf;
#[path = "../support/pdf.rs"]
mod pdf_file;
mod privacy;
mod questions;
mod replies;
mod reports;
mod revised;
mod scenarios;
#[path = "../support/settled.rs"]
mod settled;
mod setup;
mod silences;
mod staff;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod ticket_desk;
mod ticket_files;
mod tickets;
mod typing;
mod ways;
