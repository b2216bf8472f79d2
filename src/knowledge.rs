//! The servers' own documents: bringing them in, cutting them into passages and keeping those up to date.

pub mod cli;
pub mod documents;
pub mod eval;
pub mod fetch;
pub mod gaps;
pub mod import;
pub mod index;
pub mod language;
pub mod passages;
pub mod pdf;
pub mod vectors;
