//! Edits and deletions of questions. What is edited within a minute after its answer is answered once more, in its place.
//!
//! Promises: the edit with the newest `edited_timestamp` wins, in whatever order they come; a deleted question is not
//! answered; a message that comes after its deletion stays dead, because the deletion takes its event key (the tombstone).
//! Source: <https://discord.com/developers/docs/events/gateway-events#message-update>.

use helpline_cluster::ids::ServerId;

use super::{Error, T1, limits, without_mention};
use crate::conversation::command::Command;
use crate::conversation::store;
use crate::deliver::outbox;
use crate::discord::{Message, MessageId};
use crate::server_config::ServerConfig;
use crate::texts::Lang;

impl T1 {
    pub(super) async fn edited(
        &mut self,
        server: ServerId,
        message: &Message,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let Some(at) = message.edited_ms() else { return Ok(()) };
        let event = message.id.0.to_string();
        let Some(conversation) = store::asked_in(&mut self.tx, server, &event).await? else {
            return self.revised(server, message, at, config).await;
        };
        self.lock(server).await?;
        // The conversation first, as everybody does who writes both.
        let Some(conversation) = store::load(&mut self.tx, server, conversation).await? else {
            return Ok(());
        };
        let Some((id, mut job)) = store::job_of(&mut self.tx, server, &event).await? else { return Ok(()) };
        let text = without_mention(&message.content, self.bot);
        let unfit = text.is_empty() || text == job.question || limits::is_too_long(&text, config);
        // What is too long to be asked is no way to ask it: the question is answered as it read before.
        if unfit || job.edited_at_ms.is_some_and(|known| known >= at) {
            return Ok(());
        }
        job.question.clone_from(&text);
        job.edited_at_ms = Some(at);
        store::change_job(&mut self.tx, server, id, &job).await?;
        let (conversation, _) = conversation.apply(Command::Edit { event_id: event, text });
        Ok(store::save(&mut self.tx, server, &conversation, "", config.patience()).await?)
    }

    /// An edit of what was answered. It stands in the thread that was started on it, or where it was written.
    async fn revised(
        &mut self,
        server: ServerId,
        message: &Message,
        edited_at_ms: i64,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let (text, channel) = (without_mention(&message.content, self.bot), message.channel_id);
        if !config.enabled || text.is_empty() || limits::is_too_long(&text, config) {
            return Ok(());
        }
        for place in [message.id.thread(), channel] {
            let Some(known) = store::load_by_thread(&mut self.tx, server, place).await? else { continue };
            if known.has_asked(message.id) {
                let lang = Lang::of_text(&text, config);
                let command = Command::Revise { question: message.id, channel, text, edited_at_ms, lang };
                return self.run(server, known, command, "", config).await;
            }
        }
        Ok(())
    }

    pub(super) async fn deleted(
        &mut self,
        server: ServerId,
        messages: &[MessageId],
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let tombstones: Vec<String> = messages.iter().map(|id| format!("message:{}", id.0)).collect();
        let tombstones: Vec<&str> = tombstones.iter().map(String::as_str).collect();
        self.tx.remember_events(&tombstones).await?;
        for message in messages {
            let event = message.0.to_string();
            let Some(conversation) = store::asked_in(&mut self.tx, server, &event).await? else { continue };
            self.lock(server).await?;
            let Some(conversation) = store::load(&mut self.tx, server, conversation).await? else { continue };
            let Some((id, _)) = store::job_of(&mut self.tx, server, &event).await? else { continue };
            store::end_job(&mut self.tx, server, id).await?;
            outbox::withdraw(&mut self.tx, server, &event).await?;
            let (conversation, _) = conversation.apply(Command::Retract { event_id: event });
            store::save(&mut self.tx, server, &conversation, "", config.patience()).await?;
        }
        Ok(())
    }
}
