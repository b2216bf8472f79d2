//! `conversations`, `forwarded_tickets` and `answer_jobs`. Every write takes the owner's fenced transaction, whose
//! caller has locked the server; every statement is bound to one server.

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;
use time::OffsetDateTime;
use uuid::Uuid;

use super::command::{AnswerJob, Vote};
use super::state::{Conversation, Status, Turn};
use crate::discord::{ChannelId, MessageId, UserId};
use crate::server_config::Patience;

pub mod direct;
pub mod silences;
pub mod tickets;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read or write a conversation: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that no release of ours wrote.
    #[error("conversation {id} holds an unreadable {what}")]
    Malformed { id: Uuid, what: &'static str },
    #[error("answer job {id} is unreadable: {source}")]
    Job { id: i64, source: serde_json::Error },
}

struct Row {
    id: Uuid,
    channel_id: String,
    thread_id: Option<String>,
    user_id: String,
    transcript: serde_json::Value,
    status: String,
    direct: bool,
    staff_thread: Option<String>,
}

impl TryFrom<Row> for Conversation {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let id = row.id;
        let malformed = |what| Error::Malformed { id, what };
        Ok(Self {
            id,
            channel: ChannelId(row.channel_id.parse().map_err(|_| malformed("channel_id"))?),
            thread: match row.thread_id {
                Some(thread) => Some(ChannelId(thread.parse().map_err(|_| malformed("thread_id"))?)),
                None => None,
            },
            user: UserId(row.user_id.parse().map_err(|_| malformed("user_id"))?),
            status: match row.status.as_str() {
                "active" => Status::Active,
                "forwarded" => Status::Forwarded,
                "completed" => Status::Completed,
                _ => return Err(malformed("status")),
            },
            transcript: serde_json::from_value::<Vec<Turn>>(row.transcript)
                .map_err(|_| malformed("transcript"))?,
            direct: row.direct,
            staff_thread: match row.staff_thread {
                Some(thread) => Some(ChannelId(thread.parse().map_err(|_| malformed("staff_thread"))?)),
                None => None,
            },
        })
    }
}

pub async fn load(tx: &mut FencedTx, server: ServerId, id: Uuid) -> Result<Option<Conversation>, Error> {
    let row = sqlx::query_file_as!(Row, "src/conversation/sql/load.sql", server.db(), id)
        .fetch_optional(tx.conn())
        .await?;
    row.map(Conversation::try_from).transpose()
}

pub async fn load_by_thread(
    tx: &mut FencedTx,
    server: ServerId,
    thread: ChannelId,
) -> Result<Option<Conversation>, Error> {
    let row = sqlx::query_file_as!(
        Row,
        "src/conversation/sql/load_by_thread.sql",
        server.db(),
        thread.0.to_string()
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Conversation::try_from).transpose()
}

impl Status {
    /// As the column holds it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Forwarded => "forwarded",
            Self::Completed => "completed",
        }
    }
}

/// Inserts or overwrites, and notes whether whoever asked is waited for. `username` is stored with a new conversation only.
pub async fn save(
    tx: &mut FencedTx,
    server: ServerId,
    conversation: &Conversation,
    username: &str,
    patience: Patience,
) -> Result<(), Error> {
    let timer = conversation.timer(patience);
    let transcript = serde_json::to_value(&conversation.transcript).expect("turns have string keys");
    sqlx::query_file!(
        "src/conversation/sql/save.sql",
        server.db(),
        conversation.id,
        conversation.channel.0.to_string(),
        conversation.thread.map(|thread| thread.0.to_string()),
        conversation.user.0.to_string(),
        username,
        transcript,
        conversation.status.as_str(),
        timer.map(|timer| timer.since),
        timer.map(|timer| timer.look_at)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The thread that a conversation is about to have, or turned out to have.
pub async fn set_thread(
    tx: &mut FencedTx,
    server: ServerId,
    id: Uuid,
    thread: ChannelId,
) -> Result<(), Error> {
    sqlx::query!(
        "update public.conversations set thread_id = $3 where server_id = $1 and id = $2 and thread_id is null",
        server.db(),
        id,
        thread.0.to_string()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The thread was not started, and will not be.
pub async fn forget_thread(
    tx: &mut FencedTx,
    server: ServerId,
    id: Uuid,
    thread: ChannelId,
) -> Result<(), Error> {
    sqlx::query!(
        "update public.conversations set thread_id = null where server_id = $1 and id = $2 and thread_id = $3",
        server.db(),
        id,
        thread.0.to_string()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores what whoever asked says of an answer, in the place of what he said before.
pub async fn vote(tx: &mut FencedTx, server: ServerId, conversation: Uuid, vote: &Vote) -> Result<(), Error> {
    sqlx::query!(
        "insert into helpline.feedback (server_id, question_id, conversation_id, user_id, helpful)
         values ($1, $2, $3, $4, $5)
         on conflict (server_id, question_id) do update set helpful = excluded.helpful, voted_at = now()",
        server.db(),
        vote.question.0.cast_signed(),
        conversation,
        vote.user.0.cast_signed(),
        vote.helpful
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What whoever asked said of the answer to a question.
pub async fn voted(tx: &mut FencedTx, server: ServerId, question: MessageId) -> Result<Option<bool>, Error> {
    Ok(sqlx::query_scalar!(
        "select helpful from helpline.feedback where server_id = $1 and question_id = $2",
        server.db(),
        question.0.cast_signed()
    )
    .fetch_optional(tx.conn())
    .await?)
}

pub async fn add_job(
    tx: &mut FencedTx,
    server: ServerId,
    conversation: Uuid,
    job: &AnswerJob,
) -> Result<(), Error> {
    let event_id = job.origin.event_id();
    let json = serde_json::to_value(job).expect("a job has string keys");
    sqlx::query!(
        "insert into helpline.answer_jobs (server_id, conversation_id, event_id, job) values ($1, $2, $3, $4)",
        server.db(),
        conversation,
        event_id,
        json
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The oldest question of the conversation that waits for its answer, and since when.
pub async fn next_job(
    database: &Database,
    server: ServerId,
    conversation: Uuid,
) -> Result<Option<(i64, AnswerJob, OffsetDateTime)>, Error> {
    let row = sqlx::query!(
        "select id, job, created_at from helpline.answer_jobs
         where server_id = $1 and conversation_id = $2 order by id limit 1",
        server.db(),
        conversation
    )
    .fetch_optional(database.read().await?.conn())
    .await?;
    row.map(|row| {
        let job = serde_json::from_value(row.job).map_err(|source| Error::Job { id: row.id, source })?;
        Ok((row.id, job, row.created_at))
    })
    .transpose()
}

/// Ends a job. False: it has been ended before, and its answer stored.
pub async fn end_job(tx: &mut FencedTx, server: ServerId, id: i64) -> Result<bool, Error> {
    let ended =
        sqlx::query!("delete from helpline.answer_jobs where server_id = $1 and id = $2", server.db(), id)
            .execute(tx.conn())
            .await?;
    Ok(ended.rows_affected() == 1)
}

/// The conversation in which a question waits for its answer.
pub async fn asked_in(tx: &mut FencedTx, server: ServerId, event_id: &str) -> Result<Option<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "select conversation_id from helpline.answer_jobs where server_id = $1 and event_id = $2",
        server.db(),
        event_id
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// The job of a question. The caller has loaded its conversation, which keeps the job as it is.
pub async fn job_of(
    tx: &mut FencedTx,
    server: ServerId,
    event_id: &str,
) -> Result<Option<(i64, AnswerJob)>, Error> {
    let row = sqlx::query!(
        "select id, job from helpline.answer_jobs where server_id = $1 and event_id = $2",
        server.db(),
        event_id
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        let job = serde_json::from_value(row.job).map_err(|source| Error::Job { id: row.id, source })?;
        Ok((row.id, job))
    })
    .transpose()
}

/// Puts an edited question in the place of the one that waits.
pub async fn change_job(tx: &mut FencedTx, server: ServerId, id: i64, job: &AnswerJob) -> Result<(), Error> {
    let json = serde_json::to_value(job).expect("a job has string keys");
    sqlx::query!(
        "update helpline.answer_jobs set job = $3 where server_id = $1 and id = $2",
        server.db(),
        id,
        json
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends a job that still asks what was answered. False: it was ended before, or edited meanwhile.
pub async fn finish_job(
    tx: &mut FencedTx,
    server: ServerId,
    id: i64,
    job: &AnswerJob,
) -> Result<bool, Error> {
    let ended = sqlx::query!(
        "delete from helpline.answer_jobs
         where server_id = $1 and id = $2 and coalesce((job ->> 'edited_at_ms')::bigint, 0) = $3",
        server.db(),
        id,
        job.edited_at_ms.unwrap_or(0)
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected() == 1)
}
