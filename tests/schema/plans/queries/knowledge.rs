//! Queries of documents and passages as admins change them.

use super::Query;

pub const QUERIES: &[Query] = &[];
