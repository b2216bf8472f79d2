//! `public.analytics`: what a transaction adds to a server's numbers of a day.
//!
//! Promise: each event counts once, whatever brings it again and whoever ends in between, because it is counted in the
//! transaction that applies it (T1) or stores its answer (T2). A question is resolved once (`helpline.resolutions`), and
//! what the table says is the sum of these rows. Written last in a transaction and in one order, so that whoever holds a row
//! waits for no conversation.

use std::collections::BTreeMap;

use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;
use time::{Date, OffsetDateTime};

use crate::conversation::command::{Action, ResolvedBy};
use crate::discord::MessageId;

/// What is added to one server's numbers of one day.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Added {
    queries: i32,
    resolved: i32,
    assumed: i32,
    forwarded: i32,
    responses: i32,
    response_ms: i64,
}

/// What one transaction counts.
#[derive(Debug, Default)]
pub struct Counts {
    days: BTreeMap<(ServerId, Date), Added>,
    /// In the order in which they were said.
    resolutions: Vec<(ServerId, MessageId, Option<ResolvedBy>, Date)>,
}

impl Counts {
    /// Takes note of what follows from a command of that moment.
    pub fn note(&mut self, server: ServerId, actions: &[Action], at: OffsetDateTime) {
        let today = at.to_offset(time::UtcOffset::UTC).date();
        for action in actions {
            match action {
                Action::Answer(job) if job.anew => {}
                Action::Answer(job) => {
                    let day = job.asked_at.to_offset(time::UtcOffset::UTC).date();
                    self.of(server, day).queries += 1;
                }
                Action::OpenTicket(_) => self.of(server, today).forwarded += 1,
                Action::Resolved { question, by } => {
                    self.resolutions.push((server, *question, Some(*by), today));
                }
                Action::Unresolved { question } => self.resolutions.push((server, *question, None, today)),
                Action::Deliver(..) | Action::ChangeTicket(_) | Action::Vote(_) => {}
            }
        }
    }

    /// A question was answered; it belongs to the day on which it was asked.
    pub fn answered(&mut self, server: ServerId, asked_at: OffsetDateTime, at: OffsetDateTime) {
        let added = self.of(server, asked_at.to_offset(time::UtcOffset::UTC).date());
        added.responses += 1;
        // Clocks differ.
        added.response_ms += i64::try_from((at - asked_at).whole_milliseconds()).unwrap_or(0).max(0);
    }

    fn of(&mut self, server: ServerId, day: Date) -> &mut Added {
        self.days.entry((server, day)).or_default()
    }

    /// Writes it all; nothing else of the transaction comes behind it.
    pub async fn store(&mut self, tx: &mut FencedTx) -> Result<(), sqlx::Error> {
        for (server, question, by, today) in std::mem::take(&mut self.resolutions) {
            match by {
                Some(by) => self.resolve(tx, server, question, by, today).await?,
                None => self.unresolve(tx, server, question).await?,
            }
        }
        let days: Vec<_> = std::mem::take(&mut self.days).into_iter().collect();
        if days.is_empty() {
            return Ok(());
        }
        let of = |what: fn(&Added) -> i32| days.iter().map(|(_, added)| what(added)).collect::<Vec<i32>>();
        let servers: Vec<i64> = days.iter().map(|((server, _), _)| server.db()).collect();
        let dates: Vec<Date> = days.iter().map(|((_, day), _)| *day).collect();
        let response_ms: Vec<i64> = days.iter().map(|(_, added)| added.response_ms).collect();
        sqlx::query_file!(
            "src/worker/sql/count.sql",
            &servers,
            &dates,
            &of(|it| it.queries),
            &of(|it| it.resolved),
            &of(|it| it.assumed),
            &of(|it| it.forwarded),
            &of(|it| it.responses),
            &response_ms
        )
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// A question that was assumed to be resolved may be confirmed later; it stays with its day.
    async fn resolve(
        &mut self,
        tx: &mut FencedTx,
        server: ServerId,
        question: MessageId,
        by: ResolvedBy,
        today: Date,
    ) -> Result<(), sqlx::Error> {
        let doubts = matches!(by, ResolvedBy::Asker | ResolvedBy::Silence);
        let row = sqlx::query_file!(
            "src/worker/sql/resolve.sql",
            server.db(),
            question.0.cast_signed(),
            today,
            by == ResolvedBy::Silence,
            doubts
        )
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = row else { return Ok(()) };
        let added = self.of(server, row.day);
        added.resolved += i32::from(row.is_new);
        added.assumed += i32::from(row.is_new && row.assumed) - i32::from(!row.is_new);
        Ok(())
    }

    async fn unresolve(
        &mut self,
        tx: &mut FencedTx,
        server: ServerId,
        question: MessageId,
    ) -> Result<(), sqlx::Error> {
        let row = sqlx::query!(
            "delete from helpline.resolutions where server_id = $1 and question_id = $2 returning day, assumed",
            server.db(),
            question.0.cast_signed()
        )
        .fetch_optional(tx.conn())
        .await?;
        if let Some(row) = row {
            let added = self.of(server, row.day);
            added.resolved -= 1;
            added.assumed -= i32::from(row.assumed);
        }
        Ok(())
    }
}
