//! `forwarded_tickets`. Whoever writes a ticket and its conversation locks the ticket first, as a dashboard's change does.

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;
use uuid::Uuid;

use super::{Conversation, Error};
use crate::conversation::ticket::{OPEN, Open, Ticket, TicketStatus};
use crate::discord::{ChannelId, MessageId};

/// A ticket's message, and what it is to show.
#[derive(Debug)]
pub struct Shown {
    pub ticket: Ticket,
    pub conversation: Conversation,
    /// What whoever began it was called then.
    pub username: String,
    /// None: it was never posted.
    pub message: Option<MessageId>,
}

fn status(column: &str, id: Uuid) -> Result<TicketStatus, Error> {
    TicketStatus::read(column).ok_or(Error::Malformed { id, what: "status of a ticket" })
}

pub async fn open(tx: &mut FencedTx, server: ServerId, conversation: Uuid, id: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "insert into public.forwarded_tickets (id, server_id, conversation_id, status) values ($1, $2, $3, $4)",
        id,
        server.db(),
        conversation,
        OPEN.to.as_str()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A ticket of this server, locked, and the id of its conversation.
pub async fn load(tx: &mut FencedTx, server: ServerId, id: Uuid) -> Result<Option<(Ticket, Uuid)>, Error> {
    let row = sqlx::query!(
        "select conversation_id, status, assigned_to, resolved_at, resolution_notes
         from public.forwarded_tickets where server_id = $1 and id = $2 for no key update",
        server.db(),
        id
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        let ticket = Ticket {
            id,
            status: status(&row.status, id)?,
            assigned_to: row.assigned_to,
            resolved_at: row.resolved_at,
            notes: row.resolution_notes,
        };
        Ok((ticket, row.conversation_id))
    })
    .transpose()
}

/// Takes a step; the trigger refuses what is not lawful, sets the time, and makes the message follow.
pub async fn change(tx: &mut FencedTx, server: ServerId, ticket: &Ticket) -> Result<(), Error> {
    sqlx::query!(
        "update public.forwarded_tickets set status = $3, assigned_to = $4, resolution_notes = $5
         where server_id = $1 and id = $2",
        server.db(),
        ticket.id,
        ticket.status.as_str(),
        ticket.assigned_to,
        ticket.notes
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes where a ticket's message stands.
pub async fn set_message(
    tx: &mut FencedTx,
    server: ServerId,
    id: Uuid,
    message: MessageId,
) -> Result<(), Error> {
    sqlx::query!(
        "update public.forwarded_tickets set message_id = $3 where server_id = $1 and id = $2",
        server.db(),
        id,
        message.0.to_string()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a ticket's message is to show now. None: there is no such ticket any more.
pub async fn shown(database: &Database, server: ServerId, id: Uuid) -> Result<Option<Shown>, Error> {
    let row = sqlx::query_file!("src/conversation/sql/shown_ticket.sql", server.db(), id)
        .fetch_optional(database.read().await?.conn())
        .await?;
    row.map(|row| {
        let ticket = Ticket {
            id,
            status: status(&row.ticket_status, id)?,
            assigned_to: row.assigned_to,
            resolved_at: row.resolved_at,
            notes: row.resolution_notes,
        };
        let conversation = Conversation::try_from(super::Row {
            id: row.id,
            channel_id: row.channel_id,
            thread_id: row.thread_id,
            user_id: row.user_id,
            transcript: row.transcript,
            status: row.status,
            direct: row.direct,
            staff_thread: row.staff_thread,
        })?;
        let message = row.message_id.and_then(|id| id.parse().ok()).map(MessageId);
        Ok(Shown { ticket, conversation, username: row.username, message })
    })
    .transpose()
}

/// The tickets that are open, oldest first, as many as a list shows; and how many there are in all.
pub async fn list_open(tx: &mut FencedTx, server: ServerId) -> Result<(Vec<Open>, i64), Error> {
    let rows =
        sqlx::query_file!("src/conversation/sql/open_tickets.sql", server.db()).fetch_all(tx.conn()).await?;
    let total = rows.first().map_or(0, |row| row.total);
    let open = rows.into_iter().map(|row| Open {
        assigned_to: row.assigned_to,
        forwarded_at: row.forwarded_at,
        asker: row.user_id,
        channel: row.channel_id.parse().ok().map(ChannelId),
        message: row.message_id.and_then(|id| id.parse().ok()).map(MessageId),
        question: row.question.unwrap_or_default(),
    });
    Ok((open.collect(), total))
}

/// Keeps a suggestion, in the place of the one before.
pub async fn suggest(
    tx: &mut FencedTx,
    server: ServerId,
    ticket: Uuid,
    id: Uuid,
    content: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into helpline.suggestions (server_id, ticket_id, id, content) values ($1, $2, $3, $4)
         on conflict (server_id, ticket_id) do update set id = excluded.id, content = excluded.content",
        server.db(),
        ticket,
        id,
        content
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a suggestion to send it: its ticket and its words. None: it was sent, or there is a newer one.
pub async fn take_suggestion(
    tx: &mut FencedTx,
    server: ServerId,
    id: Uuid,
) -> Result<Option<(Uuid, String)>, Error> {
    let row = sqlx::query!(
        "delete from helpline.suggestions where server_id = $1 and id = $2 returning ticket_id, content",
        server.db(),
        id
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.ticket_id, row.content)))
}
