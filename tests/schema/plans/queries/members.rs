//! Queries of what members ask for besides questions.

use super::Query;

pub const QUERIES: &[Query] = &[];
