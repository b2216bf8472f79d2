//! Queries of vectors and what retrieval reads.

use super::Query;

pub const QUERIES: &[Query] = &[];
