//! The demonstration: real Helpline processes against a simulated Discord, with processes killed on the way.
//!
//! [`options`] is the command line, [`stage`] sets up services, Discord, processes and documents, [`show`] lets members
//! ask and kills, [`observe`] reads from outside what happened, [`summary`] judges.

pub mod observe;
pub mod options;
pub mod process;
pub mod script;
pub mod show;
pub mod stage;
pub mod summary;
