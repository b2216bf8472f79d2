//! Finds the passages of a server's knowledge that fit a question.

use sqlx::PgPool;

/// Why nothing could be retrieved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("reading from Postgres: {0}")]
    Database(#[from] sqlx::Error),
}

/// Retrieves passages; cheap to clone, one per process.
#[derive(Clone, Debug)]
pub struct Retriever {
    #[expect(dead_code, reason = "the index follows")]
    pool: PgPool,
}

impl Retriever {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}
