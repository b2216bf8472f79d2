//! Texts as vectors: a sentence model that runs on the processor, and the eight-bit form in which vectors are kept.
//!
//! Knows nothing of support, does no network, starts no thread. [`model::Model`] reads a directory as
//! sentence-transformers writes it (BERT with WordPiece, as all-MiniLM-L6-v2); [`int8`] makes vectors small and compares
//! them. Optimised in every build (`profile.dev.package` in the workspace): all of its time is arithmetic.

mod bert;
pub mod int8;
pub mod model;
mod tensors;
pub mod wordpiece;

pub use model::{Model, OpenError};
