//! `helpline knowledge …`: what an operator types to bring documents in.

use super::import::{self, StoreError, Stored};
use crate::server_config;
use helpline_cluster::ids::ServerId;
use sqlx::PgPool;
use std::path::PathBuf;

/// `helpline knowledge import --server ID FILES`: imports every file that can be, prints a line for each, and
/// fails at the end when any could not.
pub async fn import(pool: &PgPool, server: ServerId, files: &[PathBuf]) -> anyhow::Result<()> {
    anyhow::ensure!(!files.is_empty(), "no files named; give the .txt and .md files to import");
    let known = sqlx::query_scalar!("select 1 from public.servers where id = $1", server.db());
    if known.fetch_optional(pool).await?.is_none() {
        return Err(server_config::unknown_server(server));
    }
    let mut failed = 0;
    for file in files {
        let name = file.display();
        match import_one(pool, server, file).await {
            Ok((title, Stored::Added)) => println!("{name}: imported as {title:?}"),
            Ok((title, Stored::Replaced)) => println!("{name}: replaces the document {title:?}"),
            Ok((title, Stored::Unchanged)) => println!("{name}: {title:?} is there already, unchanged"),
            Err(error) => {
                failed += 1;
                eprintln!("{name}: {error}");
            }
        }
    }
    anyhow::ensure!(failed == 0, "{failed} of {} files were not imported; the others were", files.len());
    Ok(())
}

async fn import_one(
    pool: &PgPool,
    server: ServerId,
    file: &std::path::Path,
) -> Result<(String, Stored), Failure> {
    let document = import::read(file)?;
    let stored = import::store(pool, server, &document).await?;
    Ok((document.title, stored))
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    File(#[from] import::FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
