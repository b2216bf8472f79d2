//! Brings text and Markdown files into a server's knowledge.
//!
//! A file is checked first ([`read`]), so that whoever sent it learns what to do about it; then document and
//! passages are written in one transaction ([`store`]).

use super::passages::{self, Format};
use super::{index, language};
use crate::server_config;
use helpline_cluster::ids::ServerId;
use sqlx::{PgConnection, PgPool};
use std::path::Path;

/// Largest document, in bytes: about 40,000 words, well inside what Postgres' tsvector column can hold.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Longest title, in characters; a longer one is cut.
const MAX_TITLE_CHARS: usize = 200;

/// A document that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    pub title: String,
    pub content: String,
    pub format: Format,
}

/// Why a file cannot become a document; the message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("PDF is not supported yet; save it as text (.txt) or Markdown (.md) and import that")]
    Pdf,
    #[error("has the ending {0:?}; only .txt and .md files can be imported")]
    UnknownType(String),
    #[error("is empty; put some text into it, or leave it out")]
    Empty,
    #[error("has {bytes} bytes, the limit is {MAX_DOCUMENT_BYTES}; split it into several files")]
    TooLarge { bytes: usize },
    #[error("looks like a binary file (control character at byte {at}); only text can be imported")]
    Binary { at: usize },
    #[error("is UTF-16; save it as UTF-8")]
    Utf16,
    #[error("is not UTF-8 (byte {at} is 0x{byte:02x}); save it as UTF-8")]
    NotUtf8 { at: usize, byte: u8 },
}

/// Reads and checks one file.
pub fn read(path: &Path) -> Result<NewDocument, FileError> {
    let format = format_of(path)?;
    let bytes = usize::try_from(std::fs::metadata(path)?.len()).unwrap_or(usize::MAX);
    if bytes > MAX_DOCUMENT_BYTES {
        return Err(FileError::TooLarge { bytes });
    }
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    check(&name, format, &std::fs::read(path)?)
}

fn format_of(path: &Path) -> Result<Format, FileError> {
    let ending =
        path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "txt" | "text" => Ok(Format::Text),
        "md" | "markdown" => Ok(Format::Markdown),
        "pdf" => Err(FileError::Pdf),
        _ => Err(FileError::UnknownType(ending)),
    }
}

/// Checks the bytes of a document. `name` gives the title where the text has none.
pub fn check(name: &str, format: Format, bytes: &[u8]) -> Result<NewDocument, FileError> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(FileError::TooLarge { bytes: bytes.len() });
    }
    if bytes.starts_with(b"%PDF-") {
        return Err(FileError::Pdf);
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(FileError::Utf16);
    }
    if let Some(at) = bytes.iter().position(|byte| is_binary(*byte)) {
        return Err(FileError::Binary { at });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        FileError::NotUtf8 { at, byte: bytes[at] }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    if !text.chars().any(char::is_alphanumeric) || passages::split(&text, format).is_empty() {
        return Err(FileError::Empty);
    }
    let title = passages::title(&text, format).unwrap_or_else(|| name.replace(['_', '-'], " "));
    let title: String =
        title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TITLE_CHARS).collect();
    let title = if title.is_empty() { "Untitled".to_owned() } else { title };
    Ok(NewDocument { title, content: text, format })
}

/// Control characters that no text has; tab, line ends, form feed and escape may occur.
fn is_binary(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)
}

/// What became of a stored document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Added,
    /// A document of that title was there; its content is now this one.
    Replaced,
    /// The same document was there already.
    Unchanged,
}

/// Why a checked document could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    UnknownServer(anyhow::Error),
    #[error("is too rich in different words for Postgres' search column; split it into several files")]
    TooManyWords,
    #[error("cannot be stored: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // program_limit_exceeded: the generated tsvector would be longer than a megabyte.
        let too_long =
            error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "54000");
        if too_long { Self::TooManyWords } else { Self::Database(error) }
    }
}

/// Writes document and passages in one transaction; a document of the same title in this server is replaced.
pub async fn store(pool: &PgPool, server: ServerId, document: &NewDocument) -> Result<Stored, StoreError> {
    let mut tx = pool.begin().await?;
    // The lock serialises imports of one server: two of the same title must not both insert.
    let config =
        sqlx::query_scalar!("select config from public.servers where id = $1 for no key update", server.db())
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| StoreError::UnknownServer(server_config::unknown_server(server)))?;
    let stored = upsert(&mut tx, server, document).await?;
    // A configuration that cannot be read must not keep documents out.
    let language = server_config::parse(&config).unwrap_or_default().language;
    index::index_stale(&mut tx, server, language::configuration(&language)).await?;
    tx.commit().await?;
    Ok(stored)
}

async fn upsert(
    conn: &mut PgConnection,
    server: ServerId,
    document: &NewDocument,
) -> Result<Stored, sqlx::Error> {
    let file_type = match document.format {
        Format::Text => "txt",
        Format::Markdown => "md",
    };
    let earlier = sqlx::query!(
        "select id, content = $3 and file_type = $4 as \"same!\" from public.knowledge_documents
         where server_id = $1 and title = $2 order by updated_at desc limit 1",
        server.db(),
        document.title,
        document.content,
        file_type
    )
    .fetch_optional(&mut *conn)
    .await?;
    match earlier {
        Some(earlier) if earlier.same => Ok(Stored::Unchanged),
        Some(earlier) => {
            sqlx::query!(
                "update public.knowledge_documents set content = $3, file_type = $4 where server_id = $1 and id = $2",
                server.db(),
                earlier.id,
                document.content,
                file_type
            )
            .execute(&mut *conn)
            .await?;
            Ok(Stored::Replaced)
        }
        None => {
            sqlx::query!(
                "insert into public.knowledge_documents (server_id, title, content, file_type) values ($1, $2, $3, $4)",
                server.db(),
                document.title,
                document.content,
                file_type
            )
            .execute(&mut *conn)
            .await?;
            Ok(Stored::Added)
        }
    }
}
