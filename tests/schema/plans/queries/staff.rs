//! Queries of tickets, replies and statistics.

use super::Query;

pub const QUERIES: &[Query] = &[];
