//! A member's question and what became of it.
//!
//! [`state`] is pure: state x command -> state', actions. [`command`] are the things that happen, [`ticket`] the lawful
//! ways of what was handed over, [`store`] reads and writes `conversations`, `forwarded_tickets` and `answer_jobs` inside the owner's fenced transaction.

pub mod command;
pub mod state;
pub mod store;
pub mod ticket;
