//! The servers' own documents: importing them, cutting them into passages and keeping those up to date.

pub mod cli;
pub mod eval;
pub mod import;
pub mod index;
pub mod language;
pub mod passages;
pub mod vectors;
