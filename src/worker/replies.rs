//! `helpline.canned_replies`: texts that staff keep ready. Every statement is bound to one server, which the caller has locked.

use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;

use crate::commands::reply::{AT_MOST, Reply};
use crate::discord::UserId;

/// What became of a reply that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    New,
    /// In the place of one of that name.
    Again,
    TooMany,
}

/// All of a server, by name.
pub async fn all(tx: &mut FencedTx, server: ServerId) -> Result<Vec<Reply>, sqlx::Error> {
    sqlx::query_as!(
        Reply,
        "select name, content as text from helpline.canned_replies where server_id = $1 order by name",
        server.db()
    )
    .fetch_all(tx.conn())
    .await
}

/// The one of this name; capitals do not matter where no other has that name.
pub async fn find(tx: &mut FencedTx, server: ServerId, name: &str) -> Result<Option<Reply>, sqlx::Error> {
    sqlx::query_as!(
        Reply,
        "select name, content as text from helpline.canned_replies
         where server_id = $1 and lower(name) = lower($2) order by name = $2 desc, name limit 1",
        server.db(),
        name
    )
    .fetch_optional(tx.conn())
    .await
}

pub async fn store(
    tx: &mut FencedTx,
    server: ServerId,
    reply: &Reply,
    by: UserId,
) -> Result<Stored, sqlx::Error> {
    let stored = sqlx::query_scalar!(
        r#"insert into helpline.canned_replies as known (server_id, name, content, created_by)
           select $1, $2, $3, $4
           where exists (select from helpline.canned_replies r where r.server_id = $1 and r.name = $2)
               or (select count(*) from helpline.canned_replies r where r.server_id = $1) < $5
           on conflict (server_id, name) do update set content = excluded.content, created_by = excluded.created_by
           returning xmax = 0 as "is_new!""#,
        server.db(),
        reply.name,
        reply.text,
        by.0.cast_signed(),
        AT_MOST
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(match stored {
        Some(true) => Stored::New,
        Some(false) => Stored::Again,
        None => Stored::TooMany,
    })
}

/// Returns what was removed.
pub async fn remove(tx: &mut FencedTx, server: ServerId, name: &str) -> Result<Option<Reply>, sqlx::Error> {
    sqlx::query_as!(
        Reply,
        "delete from helpline.canned_replies where server_id = $1 and name = $2 returning name, content as text",
        server.db(),
        name
    )
    .fetch_optional(tx.conn())
    .await
}
