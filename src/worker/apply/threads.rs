//! Threads that members open under support channels, posts in forums above all: what whoever opened one writes there is a
//! question, and the answer comes in the thread. The thread is noted as a conversation before anything is written in it,
//! because no message tells under which channel its thread stands.
//! Source: <https://discord.com/developers/docs/topics/threads#forums>.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, Relevant, T1};
use crate::conversation::state::Conversation;
use crate::conversation::store;
use crate::discord::Thread;
use crate::server_config::ServerConfig;

impl T1 {
    pub(super) async fn thread_opened(
        &mut self,
        relevant: &Relevant,
        thread: &Thread,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let (Some(parent), Some(owner)) = (thread.parent_id, thread.owner_id) else { return Ok(()) };
        let by_a_member = thread.newly_created && thread.is_public() && self.bot != Some(owner);
        if !config.enabled || !by_a_member || !config.channels.contains(&parent.0) {
            return Ok(());
        }
        let server = relevant.server;
        if !self.is_new(relevant, &format!("thread:{}", thread.id.0)).await? {
            return Ok(());
        }
        // Whoever opens a thread on his question has it answered there already.
        if store::load_by_thread(&mut self.tx, server, thread.id).await?.is_some() {
            return Ok(());
        }
        self.lock(server).await?;
        let at =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(thread.id.starter().unix_ms()) * 1_000_000)
                .unwrap_or(relevant.received_at);
        let conversation = Conversation::in_thread(Uuid::new_v4(), thread.id, owner, thread.name.trim(), at);
        Ok(store::save(&mut self.tx, server, &conversation, "", config.patience()).await?)
    }
}
