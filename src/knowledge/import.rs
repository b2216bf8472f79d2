//! Brings text, Markdown and PDF files into a server's knowledge.
//!
//! A file is checked first ([`document`]), so that whoever sent it learns what to do about it; then document and
//! passages are written in one transaction ([`store`]). What comes through Discord is stored by [`super::documents`].

use super::passages::{self, Format};
use super::{index, language, pdf};
use crate::server_config;
use helpline_cluster::ids::ServerId;
use sqlx::{PgConnection, PgPool};
use std::path::Path;

/// Largest document, in bytes: about 80,000 words, well inside what Postgres' tsvector column can hold.
pub const MAX_DOCUMENT_BYTES: usize = 512 * 1024;
/// Largest PDF file, in bytes: what Discord lets everybody attach.
pub const MAX_PDF_BYTES: usize = 10 * 1024 * 1024;
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
    #[error(transparent)]
    Pdf(#[from] pdf::Error),
    #[error("is a PDF by its content; give it the ending .pdf")]
    PdfByContent,
    #[error("is no PDF by its content; give it the ending that it should have")]
    NoPdf,
    #[error("has the ending {0:?}; only .txt, .md and .pdf files can be read")]
    UnknownType(String),
    #[error("is empty; put some text into it, or leave it out")]
    Empty,
    #[error("has {bytes} bytes, the limit is {most}; split it into several files")]
    TooLarge { bytes: usize, most: usize },
    #[error("looks like a binary file (control character at byte {at}); only text can be imported")]
    Binary { at: usize },
    #[error("is UTF-16; save it as UTF-8")]
    Utf16,
    #[error("is not UTF-8 (byte {at} is 0x{byte:02x}); save it as UTF-8")]
    NotUtf8 { at: usize, byte: u8 },
}

/// Reads and checks one file.
pub async fn read(reader: &pdf::Reader, path: &Path) -> Result<NewDocument, FileError> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let most = most_bytes(format_of(&name)?);
    let bytes = usize::try_from(std::fs::metadata(path)?.len()).unwrap_or(usize::MAX);
    if bytes > most {
        return Err(FileError::TooLarge { bytes, most });
    }
    document(reader, &name, &std::fs::read(path)?).await
}

/// Checks the bytes of a file, which its name tells the kind of.
pub async fn document(reader: &pdf::Reader, filename: &str, bytes: &[u8]) -> Result<NewDocument, FileError> {
    let format = format_of(filename)?;
    let name = filename.rsplit_once('.').map_or(filename, |(name, _)| name);
    if format != Format::Pdf {
        return check(name, format, bytes);
    }
    if bytes.len() > MAX_PDF_BYTES {
        return Err(FileError::TooLarge { bytes: bytes.len(), most: MAX_PDF_BYTES });
    }
    // Some programs put a few bytes in front.
    if !bytes[..bytes.len().min(1_024)].windows(5).any(|at| at == b"%PDF-") {
        return Err(FileError::NoPdf);
    }
    let text = reader.read(bytes).await?;
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(pdf::Error::TooMuchText.into());
    }
    check(name, format, text.as_bytes())
}

fn most_bytes(format: Format) -> usize {
    if format == Format::Pdf { MAX_PDF_BYTES } else { MAX_DOCUMENT_BYTES }
}

/// What a file is by the ending of its name.
pub fn format_of(filename: &str) -> Result<Format, FileError> {
    let ending = filename.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "txt" | "text" => Ok(Format::Text),
        "md" | "markdown" => Ok(Format::Markdown),
        "pdf" => Ok(Format::Pdf),
        _ => Err(FileError::UnknownType(ending)),
    }
}

/// Checks a text; that of a PDF file is what was read from it. `name` gives the title where the text has none.
pub fn check(name: &str, format: Format, bytes: &[u8]) -> Result<NewDocument, FileError> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(FileError::TooLarge { bytes: bytes.len(), most: MAX_DOCUMENT_BYTES });
    }
    if bytes.starts_with(b"%PDF-") {
        return Err(FileError::PdfByContent);
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
    Ok(NewDocument { title: one_title(&title), content: text, format })
}

/// A title as it is stored: one line that can be seen, not too long, and never empty.
pub fn one_title(title: &str) -> String {
    let seen: String = title.chars().filter(|c| !is_unseen(*c)).collect();
    let title: String =
        seen.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TITLE_CHARS).collect();
    if title.is_empty() { "Untitled".to_owned() } else { title }
}

/// What takes no place, or turns what comes after it around.
pub fn is_unseen(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `knowledge_documents.file_type`.
pub fn file_type(format: Format) -> &'static str {
    match format {
        Format::Text => "txt",
        Format::Markdown => "md",
        Format::Pdf => "pdf",
    }
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
    /// The trigger says how much there is and how much there may be.
    #[error("{0}; remove documents, or choose a larger plan")]
    NoRoom(String),
    #[error("cannot be stored: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        match (code.as_deref(), error.as_database_error()) {
            // program_limit_exceeded: the generated tsvector would be longer than a megabyte.
            (Some("54000"), _) => Self::TooManyWords,
            (Some("HL003"), Some(refusal)) => Self::NoRoom(refusal.message().to_owned()),
            _ => Self::Database(error),
        }
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
    let file_type = file_type(document.format);
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
