//! Sends a member what the server keeps of him, as a file that he alone sees. Read when it is sent, and stored nowhere.

use time::OffsetDateTime;

use super::Inner;
use crate::commands::privacy::{Kept, Voted, file};
use crate::deliver::Effect;
use crate::deliver::client::{File, Outcome};
use crate::deliver::outbox::Lane;
use crate::discord::{ApplicationId, InteractionId, UserId};
use crate::texts::{Lang, say};
use crate::worker::apply::Error;

impl Inner {
    /// One attempt. A repetition fills the same reply.
    pub(super) async fn send_data(
        &self,
        lane: Lane,
        (interaction, application, token): (InteractionId, ApplicationId, &str),
        user: UserId,
        lang: Lang,
        mark: &str,
    ) -> Result<Outcome, Error> {
        let (client, fence) = (&self.shared.client, &self.lease.fence);
        // What is read may take longer than the three seconds of the first reply.
        let thinking = Effect::Defer { interaction, token: token.to_owned(), private: true };
        match client.carry_out(fence, &thinking, mark, None).await {
            Outcome::Done { .. } => {}
            other => return Ok(other),
        }
        let mut read = self.pool.read().await?;
        let kept = sqlx::query_file_as!(
            Kept,
            "src/worker/sql/member_data.sql",
            lane.server.db(),
            user.0.to_string()
        )
        .fetch_all(read.conn())
        .await?;
        let votes = sqlx::query_file_as!(
            Voted,
            "src/worker/sql/member_votes.sql",
            lane.server.db(),
            user.0.cast_signed()
        )
        .fetch_all(read.conn())
        .await?;
        drop(read);
        let content = file(lane.server, user, kept, &votes, OffsetDateTime::now_utc());
        let file = File { name: "helpline-data.json".to_owned(), content_type: "application/json", content };
        let to = (interaction, application, token);
        Ok(client.reply_with_files(fence, to, &say!(lang, "privacy-file"), &[file]).await)
    }
}
