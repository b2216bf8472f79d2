//! What staff see of a conversation in direct messages: a private thread, noted once it is there, and messages in it.

use helpline_cluster::fence::FencedTx;

use super::Inner;
use crate::conversation::store::direct;
use crate::deliver::client::Outcome;
use crate::deliver::outbox::Lane;
use crate::deliver::{Controls, Effect};
use crate::discord::{ChannelId, GuildId};
use crate::worker::apply::Error;

impl Inner {
    /// One attempt to carry out what is for staff; none for every other effect.
    pub(super) async fn for_staff_thread(
        &self,
        lane: Lane,
        effect: &Effect,
        mark: &str,
    ) -> Result<Option<Outcome>, Error> {
        match effect {
            Effect::OpenStaffThread {} => self.open_staff_thread(lane).await.map(Some),
            Effect::PostToStaff { .. } => self.post_to_staff(lane, effect, mark).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Where staff see the lane's conversation.
    pub(super) async fn staff_thread_of(&self, lane: Lane) -> Result<Option<ChannelId>, Error> {
        let Some(id) = lane.conversation else { return Ok(None) };
        Ok(direct::staff_thread(&self.pool, lane.server, id).await?.1)
    }

    async fn open_staff_thread(&self, lane: Lane) -> Result<Outcome, Error> {
        let done = Outcome::Done { message: None };
        let Some(id) = lane.conversation else { return Ok(done) };
        let (username, noted) = direct::staff_thread(&self.pool, lane.server, id).await?;
        if noted.is_some() {
            return Ok(done);
        }
        let config = self.shared.configs.get(lane.server).await?;
        // The end of it tells it from every other thread.
        let name = format!("{} · {}", username.chars().take(40).collect::<String>(), id.simple());
        let (client, fence) = (&self.shared.client, &self.lease.fence);
        let thread = match client.staff_thread(fence, lane.server, &config.channels, &name).await {
            Outcome::Done { message: Some(starter) } => starter.thread(),
            other => return Ok(other),
        };
        let mut tx = FencedTx::begin_for(&self.pool, fence, lane.server).await?;
        direct::set_staff_thread(&mut tx, lane.server, id, thread).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn post_to_staff(&self, lane: Lane, effect: &Effect, mark: &str) -> Result<Outcome, Error> {
        let Effect::PostToStaff { content, discreet, controls, ping_role, lang } = effect else {
            return Ok(Outcome::GiveUp { reason: "it is not for staff".to_owned() });
        };
        let (client, fence) = (&self.shared.client, &self.lease.fence);
        let post = |channel, content: &str, controls: Controls| Effect::Post {
            channel,
            content: content.to_owned(),
            reply_to: None,
            controls,
            ping_role: *ping_role,
            ping_user: None,
            fallback: None,
            asked_at_ms: None,
            lang: *lang,
        };
        if let Some(thread) = self.staff_thread_of(lane).await? {
            let outcome = client.carry_out(fence, &post(thread, content, *controls), mark, None).await;
            if !matches!(outcome, Outcome::GiveUp { .. }) {
                return Ok(outcome);
            }
        }
        let Some(discreet) = discreet else {
            return Ok(Outcome::GiveUp { reason: "there is no thread for staff".to_owned() });
        };
        let config = self.shared.configs.get(lane.server).await?;
        let instead = match config.channels.first() {
            Some(channel) => post(ChannelId(*channel), discreet, *controls),
            None => Effect::TellServer { server: GuildId(lane.server.get()), content: discreet.clone() },
        };
        Ok(client.carry_out(fence, &instead, mark, None).await)
    }
}
