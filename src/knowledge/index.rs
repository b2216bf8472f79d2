//! Keeps helpline.knowledge_passages in step with public.knowledge_documents.
//!
//! Documents may be written by anybody (the command line, a dashboard); their passages are derived and may be
//! made again at any time. What they were made from is remembered as a hash of the document, its language and
//! [`REVISION`], so that a change of any of them makes the document stale.

use super::language;
use super::passages::{self, Format, Passage};
use helpline_cluster::ids::ServerId;
use sqlx::{Acquire, PgConnection};
use uuid::Uuid;

/// Raised when documents are cut or parsed differently, so that every document is indexed again.
const REVISION: u32 = 1;
/// Documents read at a time; their contents are held in memory.
const BATCH: i64 = 50;

/// Makes the passages of every stale document of a server; returns how many documents that were.
/// `configuration` is what [`language::configuration`] says of the server's language. Where nothing has changed since it was
/// last done this is one short query: documents are read, and hashed, only when the server's version has moved on.
pub async fn index_stale(
    conn: &mut PgConnection,
    server: ServerId,
    configuration: &str,
) -> Result<usize, sqlx::Error> {
    let made_from = format!("{REVISION} {configuration}");
    let version = sqlx::query_file_scalar!("src/knowledge/sql/undone_version.sql", server.db(), made_from)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(version) = version else { return Ok(0) };
    let mut indexed = 0;
    loop {
        let stale = sqlx::query_file!("src/knowledge/sql/stale_documents.sql", server.db(), made_from, BATCH)
            .fetch_all(&mut *conn)
            .await?;
        if stale.is_empty() {
            sqlx::query_file!("src/knowledge/sql/passages_done.sql", server.db(), version, made_from)
                .execute(&mut *conn)
                .await?;
            return Ok(indexed);
        }
        for document in stale {
            let format = if document.file_type == "md" { Format::Markdown } else { Format::Text };
            let mut tx = conn.begin().await?;
            let claimed = sqlx::query_file_scalar!(
                "src/knowledge/sql/claim_document.sql",
                server.db(),
                document.id,
                document.hash
            )
            .fetch_optional(&mut *tx)
            .await?;
            if claimed.is_some() {
                let source = Source { title: &document.title, content: &document.content, format };
                replace_passages(&mut tx, server, document.id, configuration, &source).await?;
                indexed += 1;
            }
            tx.commit().await?;
        }
    }
}

struct Source<'a> {
    title: &'a str,
    content: &'a str,
    format: Format,
}

async fn replace_passages(
    conn: &mut PgConnection,
    server: ServerId,
    document: Uuid,
    configuration: &str,
    source: &Source<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from helpline.knowledge_passages where server_id = $1 and document_id = $2",
        server.db(),
        document
    )
    .execute(&mut *conn)
    .await?;
    // Vectors went with the passages, and who made others of another language meanwhile is not done.
    sqlx::query!("delete from helpline.knowledge_derived where server_id = $1", server.db())
        .execute(&mut *conn)
        .await?;
    let passages = passages::split(source.content, source.format);
    let lexemes = lexemes(conn, configuration, source.title, &passages).await?;
    let (headings, contents): (Vec<String>, Vec<String>) =
        passages.into_iter().map(|passage| (passage.heading, passage.content)).unzip();
    sqlx::query_file!(
        "src/knowledge/sql/insert_passages.sql",
        server.db(),
        document,
        &headings,
        &contents,
        &lexemes
    )
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// The lexemes of each passage of a document, as the text form of a tsvector. Nothing is stored.
pub async fn lexemes(
    conn: &mut PgConnection,
    configuration: &str,
    title: &str,
    passages: &[Passage],
) -> Result<Vec<String>, sqlx::Error> {
    let searchable = |text: fn(&Passage) -> &String| {
        passages.iter().map(|passage| language::searchable(text(passage))).collect::<Vec<String>>()
    };
    sqlx::query_file_scalar!(
        "src/knowledge/sql/passage_lexemes.sql",
        configuration,
        language::searchable(title),
        &searchable(|passage| &passage.heading),
        &searchable(|passage| &passage.content)
    )
    .fetch_one(conn)
    .await
}
