//! A server's documents as its admins see and change them in Discord. Writes take the owner's fenced transaction, whose
//! caller has locked the server; every statement is bound to one server.

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::import::{NewDocument, file_type};
use super::passages::Format;
use crate::discord::UserId;

/// A document in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub title: String,
    pub file_type: String,
    pub bytes: i64,
    pub updated_at: OffsetDateTime,
}

/// How much a server knows, and how much its plan allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub documents: i64,
    pub bytes: i64,
    pub max_documents: i64,
    pub max_bytes: i64,
}

/// A document as a whole.
#[derive(Clone, Debug)]
pub struct Shown {
    pub title: String,
    pub content: String,
    pub file_type: String,
    /// Of the server: documents are read in it.
    pub language: String,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// None: not through Discord.
    pub added_by: Option<UserId>,
    pub passages: i64,
    /// In their order; none where the document has no headings.
    pub headings: Vec<String>,
    /// The file it was read from, where that is more than its text.
    pub file: Option<(String, Vec<u8>)>,
}

/// A document by name, as far as removing it needs.
#[derive(Clone, Debug)]
pub struct Named {
    pub id: Uuid,
    pub title: String,
    pub passages: i64,
    pub has_file: bool,
}

/// Where a new document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub added_by: UserId,
    /// As its sender called it; empty for what was written.
    pub filename: String,
    /// Kept where the text is not the same.
    pub file: Option<Vec<u8>>,
}

/// What became of a new document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    Stored {
        document: Uuid,
        replaced: bool,
        closed_gap: bool,
    },
    /// A document of this title has the very content.
    KnownAs(String),
    /// The title is taken; the draft waits.
    Taken(Uuid),
    NoRoom(Room),
    /// The document that was to be replaced is gone.
    NotHere,
    TooManyWords,
}

/// What to do when there is a document of the same title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameTitle {
    Ask,
    Replace,
    KeepBoth,
}

/// What is to become of a new document.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The id of a draft, should there be need of one.
    pub draft: Uuid,
    pub replaces: Option<Uuid>,
    pub gap: Option<Uuid>,
    pub same_title: SameTitle,
}

pub async fn room(tx: &mut FencedTx, server: ServerId) -> Result<Room, sqlx::Error> {
    sqlx::query_as!(
        Room,
        r#"select documents as "documents!", bytes as "bytes!", max_documents as "max_documents!",
            max_bytes as "max_bytes!" from helpline.knowledge_room($1)"#,
        server.db()
    )
    .fetch_one(tx.conn())
    .await
}

/// A page of the documents, by title.
pub async fn list(
    tx: &mut FencedTx,
    server: ServerId,
    page: i64,
    length: i64,
) -> Result<Vec<Listed>, sqlx::Error> {
    sqlx::query_as!(
        Listed,
        r#"select title, file_type, octet_length(content)::bigint as "bytes!", updated_at
        from public.knowledge_documents where server_id = $1 order by lower(title), id limit $2 offset $3"#,
        server.db(),
        length,
        page * length
    )
    .fetch_all(tx.conn())
    .await
}

/// Documents whose title holds what is being typed; those that begin with it come first.
pub async fn titles(
    tx: &mut FencedTx,
    server: ServerId,
    typed: &str,
) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    let typed = typed.replace('\0', "");
    let typed = typed.trim();
    let rows = sqlx::query!(
        "select id, title from public.knowledge_documents
         where server_id = $1 and position(lower($2) in lower(title)) > 0
         order by position(lower($2) in lower(title)), lower(title), id limit 25",
        server.db(),
        typed
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.title)).collect())
}

/// The document that somebody chose, by id, or typed the title of.
pub async fn find(tx: &mut FencedTx, server: ServerId, name: &str) -> Result<Option<Named>, sqlx::Error> {
    let (id, title) = (Uuid::parse_str(name).ok(), name.replace('\0', ""));
    let row = sqlx::query_file!("src/knowledge/sql/find_document.sql", server.db(), id, title)
        .fetch_optional(tx.conn())
        .await?;
    Ok(row.map(|row| Named { id: row.id, title: row.title, passages: row.passages, has_file: row.has_file }))
}

/// Removes a document with all that was made of it; returns its title.
pub async fn remove(tx: &mut FencedTx, server: ServerId, id: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "delete from public.knowledge_documents where server_id = $1 and id = $2 returning title",
        server.db(),
        id
    )
    .fetch_optional(tx.conn())
    .await
}

pub async fn shown(database: &Database, server: ServerId, id: Uuid) -> Result<Option<Shown>, sqlx::Error> {
    let row = sqlx::query_file!("src/knowledge/sql/shown_document.sql", server.db(), id)
        .fetch_optional(database.read().await?.conn())
        .await?;
    Ok(row.map(|row| {
        let is_read_from = |hash: &Vec<u8>| Sha256::digest(row.content.as_bytes()).as_slice() == hash;
        // A dashboard may have changed the text since.
        let file = row.file.filter(|_| row.content_hash.as_ref().is_some_and(is_read_from));
        Shown {
            title: row.title,
            content: row.content,
            file_type: row.file_type,
            language: row.language,
            created_at: row.created_at,
            updated_at: row.updated_at,
            added_by: row.added_by.map(|id| UserId(id.cast_unsigned())),
            passages: row.passages,
            headings: row.headings,
            file: row.filename.zip(file),
        }
    }))
}

/// Its title and how many passages it has; none when it is gone.
pub async fn passages_of(
    database: &Database,
    server: ServerId,
    id: Uuid,
) -> Result<Option<(String, i64)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select d.title, (
            select count(*) from helpline.knowledge_passages p
            where p.server_id = d.server_id and p.document_id = d.id
        ) as "passages!"
        from public.knowledge_documents d where d.server_id = $1 and d.id = $2"#,
        server.db(),
        id
    )
    .fetch_optional(database.read().await?.conn())
    .await?;
    Ok(row.map(|row| (row.title, row.passages)))
}

/// Stores a new document, or says why not. In the same transaction: an admin's commands and a dashboard's wait for each
/// other, because each locks the server's row or its version.
pub async fn learn(
    tx: &mut FencedTx,
    server: ServerId,
    new: &NewDocument,
    origin: &Origin,
    wish: Wish,
) -> Result<Learned, sqlx::Error> {
    lock(tx, server).await?;
    let same = sqlx::query_file!(
        "src/knowledge/sql/same_documents.sql",
        server.db(),
        new.title,
        new.content,
        wish.replaces
    )
    .fetch_one(tx.conn())
    .await?;
    if wish.replaces.is_some() && same.replaced.is_none() {
        return Ok(Learned::NotHere);
    }
    if let Some(title) = same.known_as {
        return Ok(Learned::KnownAs(title));
    }
    let replaces = match (wish.replaces, same.titled, wish.same_title) {
        (Some(id), ..) | (None, Some(id), SameTitle::Replace) => Some(id),
        (None, Some(_), SameTitle::Ask) => {
            put_draft(tx, server, new, origin, wish).await?;
            return Ok(Learned::Taken(wish.draft));
        }
        (None, ..) => None,
    };
    let room = room(tx, server).await?;
    let bytes = i64::try_from(new.content.len()).unwrap_or(i64::MAX);
    let before = if replaces.is_some() { same.replaced_bytes.or(same.titled_bytes).unwrap_or(0) } else { 0 };
    let is_new = i64::from(replaces.is_none());
    if room.documents + is_new > room.max_documents && is_new == 1
        || bytes > before && room.bytes + bytes - before > room.max_bytes
    {
        return Ok(Learned::NoRoom(room));
    }
    write(tx, server, new, origin, replaces, wish.gap).await
}

/// In a transaction of its own within the caller's: what Postgres refuses must not end the answer to it.
async fn write(
    tx: &mut FencedTx,
    server: ServerId,
    new: &NewDocument,
    origin: &Origin,
    replaces: Option<Uuid>,
    gap: Option<Uuid>,
) -> Result<Learned, sqlx::Error> {
    let mut step = tx.conn().begin().await?;
    let document = replaces.unwrap_or_else(Uuid::new_v4);
    let stored = sqlx::query_file!(
        "src/knowledge/sql/store_document.sql",
        server.db(),
        document,
        new.title,
        new.content,
        file_type(new.format),
        origin.added_by.0.to_string(),
        replaces.is_some()
    )
    .execute(&mut *step)
    .await;
    match stored {
        Ok(_) => {}
        // program_limit_exceeded: the generated tsvector would be longer than a megabyte.
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "54000") => {
            step.rollback().await?;
            return Ok(Learned::TooManyWords);
        }
        Err(error) => return Err(error),
    }
    let hash = Sha256::digest(new.content.as_bytes());
    sqlx::query_file!(
        "src/knowledge/sql/store_original.sql",
        server.db(),
        document,
        origin.added_by.0.cast_signed(),
        short_name(&origin.filename),
        hash.as_slice(),
        origin.file.as_deref()
    )
    .execute(&mut *step)
    .await?;
    let closed_gap = match gap {
        Some(gap) => {
            let closed = sqlx::query!(
                "update helpline.knowledge_gaps set document_id = $3 where server_id = $1 and id = $2",
                server.db(),
                gap,
                document
            )
            .execute(&mut *step)
            .await?;
            closed.rows_affected() == 1
        }
        None => false,
    };
    step.commit().await?;
    Ok(Learned::Stored { document, replaced: replaces.is_some(), closed_gap })
}

async fn put_draft(
    tx: &mut FencedTx,
    server: ServerId,
    new: &NewDocument,
    origin: &Origin,
    wish: Wish,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!(
        "src/knowledge/sql/put_draft.sql",
        server.db(),
        wish.draft,
        new.title,
        new.content,
        file_type(new.format),
        short_name(&origin.filename),
        origin.file.as_deref(),
        origin.added_by.0.cast_signed(),
        wish.gap
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a draft out; none when it was taken before, is too old, or is of another server.
pub async fn take_draft(
    tx: &mut FencedTx,
    server: ServerId,
    id: Uuid,
) -> Result<Option<(NewDocument, Origin, Option<Uuid>)>, sqlx::Error> {
    let row = sqlx::query!(
        "delete from helpline.knowledge_drafts
         where server_id = $1 and id = $2 and created_at > now() - interval '1 hour'
         returning title, content, file_type, filename, file, added_by, gap_id",
        server.db(),
        id
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let format = match row.file_type.as_str() {
            "md" => Format::Markdown,
            "pdf" => Format::Pdf,
            _ => Format::Text,
        };
        let document = NewDocument { title: row.title, content: row.content, format };
        let added_by = UserId(row.added_by.cast_unsigned());
        (document, Origin { added_by, filename: row.filename, file: row.file }, row.gap_id)
    }))
}

/// As long as a name is kept, without what Postgres refuses.
fn short_name(name: &str) -> String {
    name.chars().filter(|c| *c != '\0').take(300).collect()
}

/// Whoever else changes this server's documents through us waits.
async fn lock(tx: &mut FencedTx, server: ServerId) -> Result<(), sqlx::Error> {
    sqlx::query!("select 1 as held from public.servers where id = $1 for no key update", server.db())
        .fetch_optional(tx.conn())
        .await?;
    Ok(())
}
