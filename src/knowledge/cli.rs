//! `helpline knowledge …`: what an operator types to bring documents in.

use helpline_cluster::ids::ServerId;
use sqlx::PgPool;
use std::path::PathBuf;

/// `helpline knowledge import --server ID FILES`: imports every file that can be, prints a line for each, and
/// fails at the end when any could not.
pub async fn import(_pool: &PgPool, _server: ServerId, _files: &[PathBuf]) -> anyhow::Result<()> {
    anyhow::bail!("not built into this binary")
}
