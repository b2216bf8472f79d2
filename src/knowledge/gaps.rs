//! Questions that got no good answer, grouped by what they are about: what a server's documents lack.
//!
//! They are read from the conversations, where everything stands that makes a question one of them; only those that were
//! shown are remembered, so that a button can name them and a document can close them.

pub mod group;

use std::collections::HashSet;

use futures_util::TryStreamExt as _;
use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::conversation::state::Turn;
use crate::discord::{ChannelId, MessageId};
pub use group::{Gap, Question, group, unanswered};

/// How far back is looked.
pub const DAYS: u32 = 30;
/// Gaps of one page.
pub const PAGE: usize = 5;

/// Some of the gaps, those with the most questions first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub gaps: Vec<Gap>,
    /// Of all pages.
    pub questions: usize,
    pub pages: i64,
}

/// The questions of the last 30 days that got no good answer, newest first, without those that a document was written
/// for. At most those of the 2,000 conversations that went on last.
pub async fn questions(database: &Database, server: ServerId) -> Result<Vec<Question>, sqlx::Error> {
    let since = MessageId::at(OffsetDateTime::now_utc() - Duration::days(i64::from(DAYS)));
    let mut read = database.read().await?;
    let closed = sqlx::query_scalar!(
        "select questions from helpline.knowledge_gaps where server_id = $1 and document_id is not null",
        server.db()
    )
    .fetch_all(read.conn())
    .await?;
    let closed: HashSet<u64> = closed.into_iter().flatten().map(i64::cast_unsigned).collect();
    let mut found: Vec<Question> = Vec::new();
    // One after the other: transcripts may be long.
    let mut rows =
        sqlx::query_file!("src/knowledge/sql/recent_conversations.sql", server.db()).fetch(read.conn());
    while let Some(row) = rows.try_next().await? {
        let Ok(transcript) = serde_json::from_value::<Vec<Turn>>(row.transcript) else { continue };
        let Some(place) = row.channel.parse().ok().map(ChannelId) else { continue };
        let unhelpful: Vec<u64> = row.unhelpful.into_iter().map(i64::cast_unsigned).collect();
        found.extend(unanswered(&transcript, place, &unhelpful));
    }
    found.retain(|question| question.id >= since && !closed.contains(&question.id.0));
    found.sort_unstable_by_key(|question| std::cmp::Reverse(question.id));
    Ok(found)
}

/// A page of the gaps, and which it is: one beyond the last is the last.
pub fn page(server: ServerId, gaps: Vec<Gap>, wanted: i64) -> (Page, i64) {
    let questions = gaps.iter().map(|gap| gap.questions.len()).sum();
    let pages = i64::try_from(gaps.len().div_ceil(PAGE)).unwrap_or(i64::MAX).max(1);
    let page = wanted.clamp(0, pages - 1);
    let from = usize::try_from(page).unwrap_or(0) * PAGE;
    let gaps = gaps.into_iter().skip(from).take(PAGE).map(|gap| gap.of(server)).collect();
    (Page { gaps, questions, pages }, page)
}

/// Remembers what is about to be shown, so that it can be named.
pub async fn remember(tx: &mut FencedTx, server: ServerId, gaps: &[Gap]) -> Result<(), sqlx::Error> {
    for gap in gaps {
        let questions: Vec<i64> = gap.questions.iter().map(|question| question.id.0.cast_signed()).collect();
        let title: String = gap.title().chars().filter(|c| *c != '\0').take(1_000).collect();
        sqlx::query_file!("src/knowledge/sql/remember_gap.sql", server.db(), gap.id, title, &questions)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// What a gap that was shown asks; none when it is of another server, or forgotten.
pub async fn title(tx: &mut FencedTx, server: ServerId, id: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "select title from helpline.knowledge_gaps where server_id = $1 and id = $2",
        server.db(),
        id
    )
    .fetch_optional(tx.conn())
    .await
}
