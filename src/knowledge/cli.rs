//! `helpline knowledge …`: what an operator types to bring documents in.

use super::import::{self, FileError, NewDocument, StoreError, Stored};
use super::passages::Format;
use super::pdf;
use crate::server_config;
use helpline_cluster::ids::ServerId;
use sqlx::PgPool;
use std::path::{Path, PathBuf};

/// `helpline knowledge import --server ID FILES`: imports every file that can be, prints a line for each document, and
/// fails at the end when any file could not. A .jsonl file holds a document a line: {"title", "text"}, the text being
/// Markdown.
pub async fn import(
    pool: &PgPool,
    reader: &pdf::Reader,
    server: ServerId,
    files: &[PathBuf],
) -> anyhow::Result<()> {
    anyhow::ensure!(!files.is_empty(), "no files named; give the .txt, .md, .pdf and .jsonl files to import");
    let known = sqlx::query_scalar!("select 1 from public.servers where id = $1", server.db());
    if known.fetch_optional(pool).await?.is_none() {
        return Err(server_config::unknown_server(server));
    }
    let mut failed = 0;
    for file in files {
        let is_good = match file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl")) {
            true => import_lines(pool, server, file).await,
            false => told(&file.display().to_string(), import_one(pool, reader, server, file).await),
        };
        failed += usize::from(!is_good);
    }
    anyhow::ensure!(failed == 0, "{failed} of {} files were not imported; the others were", files.len());
    Ok(())
}

/// Says what became of a document. False: it could not be imported.
fn told(name: &str, done: Result<(String, Stored), Failure>) -> bool {
    match &done {
        Ok((title, Stored::Added)) => println!("{name}: imported as {title:?}"),
        Ok((title, Stored::Replaced)) => println!("{name}: replaces the document {title:?}"),
        Ok((title, Stored::Unchanged)) => println!("{name}: {title:?} is there already, unchanged"),
        Err(error) => eprintln!("{name}: {error}"),
    }
    done.is_ok()
}

async fn import_one(
    pool: &PgPool,
    reader: &pdf::Reader,
    server: ServerId,
    file: &Path,
) -> Result<(String, Stored), Failure> {
    let document = import::read(reader, file).await?;
    store(pool, server, document).await
}

async fn store(pool: &PgPool, server: ServerId, document: NewDocument) -> Result<(String, Stored), Failure> {
    let stored = import::store(pool, server, &document).await?;
    Ok((document.title, stored))
}

/// A document of a line.
#[derive(serde::Deserialize)]
struct Line {
    title: String,
    text: String,
}

/// False: one of the lines, or the file, could not be imported.
async fn import_lines(pool: &PgPool, server: ServerId, file: &Path) -> bool {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return told(&file.display().to_string(), Err(FileError::from(error).into())),
    };
    let mut all = true;
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let name = format!("{}:{}", file.display(), n + 1);
        let done = match document_of(line) {
            Ok(document) => store(pool, server, document).await,
            Err(failure) => Err(failure),
        };
        all &= told(&name, done);
    }
    all
}

fn document_of(line: &str) -> Result<NewDocument, Failure> {
    let line: Line = serde_json::from_str(line)?;
    let document = import::check(&line.title, Format::Markdown, line.text.as_bytes())?;
    Ok(NewDocument { title: import::one_title(&line.title), ..document })
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("is no JSON object with title and text: {0}")]
    Line(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}
