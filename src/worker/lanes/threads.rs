//! Threads that are started on the reply to an interaction: noted first, then started.
//!
//! Such a thread has the id of the reply (<https://discord.com/developers/docs/resources/channel#start-thread-from-message>).
//! So it can be noted as the conversation's before anybody can write in it, and whoever writes there at once is answered.
//! Threads on a member's message are noted by T1 with the question itself.
//!
//! A crash between the note and the start leaves a note that the next owner starts the thread by, without asking for the
//! reply again: its token may have expired meanwhile. A note goes only when Discord refuses the first attempt, because
//! after an attempt without an answer the thread may be there. A note without a thread harms nobody: what is to be said
//! in it is said in the channel.

use helpline_cluster::fence::FencedTx;
use uuid::Uuid;

use super::delivery::now_ms;
use super::{Flow, Inner};
use crate::conversation::store;
use crate::deliver::Effect;
use crate::deliver::client::Outcome;
use crate::deliver::outbox::{self, Lane};
use crate::discord::ChannelId;
use crate::worker::apply::Error;

/// The thread that an effect needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thread {
    /// The conversation has none, or the effect names its place itself.
    None,
    /// As it was found noted.
    Noted(ChannelId),
    /// Noted just now: nobody can have started it yet.
    New(ChannelId),
}

impl Thread {
    pub(super) fn id(self) -> Option<ChannelId> {
        match self {
            Self::None => None,
            Self::Noted(id) | Self::New(id) => Some(id),
        }
    }

    /// After an attempt whose outcome is not known.
    pub(super) fn in_doubt(self) -> Self {
        match self {
            Self::New(id) => Self::Noted(id),
            other => other,
        }
    }
}

impl Inner {
    pub(super) async fn thread_of(&self, lane: Lane, effect: &Effect) -> Result<Thread, Error> {
        let noted = match (effect, lane.conversation) {
            (Effect::PostInThread { .. } | Effect::StartThreadOnOriginal { .. }, Some(id)) => {
                self.noted_thread(lane, id).await?
            }
            (Effect::PostToStaff { .. }, _) => self.staff_thread_of(lane).await?,
            _ => None,
        };
        Ok(noted.map_or(Thread::None, Thread::Noted))
    }

    /// One attempt to carry an effect out.
    pub(super) async fn send(
        &self,
        lane: Lane,
        effect: &Effect,
        mark: &str,
        thread: &mut Thread,
    ) -> Result<Outcome, Error> {
        if let Effect::ShowTicket { ticket } = effect {
            return self.show_ticket(lane, *ticket, mark).await;
        }
        if let Some(outcome) = self.for_staff(lane, effect, mark).await? {
            return Ok(outcome);
        }
        if let Some(outcome) = self.for_staff_thread(lane, effect, mark).await? {
            return Ok(outcome);
        }
        if let Effect::SendData { interaction, token, application, user, lang } = effect {
            return self
                .send_data(lane, (*interaction, *application, token.as_str()), *user, *lang, mark)
                .await;
        }
        if let Effect::Knowledge { to, work } = effect {
            return self.work_on(lane, to, work, mark).await;
        }
        let (client, fence) = (&self.shared.client, &self.lease.fence);
        if let (Effect::StartThreadOnOriginal { application, token, .. }, Some(id), Thread::None) =
            (effect, lane.conversation, *thread)
        {
            let reply = match client.reply_to(fence, *application, token).await {
                Outcome::Done { message: Some(reply) } => reply,
                other => return Ok(other),
            };
            let mut tx = FencedTx::begin_for(&self.pool, fence, lane.server).await?;
            store::set_thread(&mut tx, lane.server, id, reply.thread()).await?;
            tx.commit().await?;
            *thread = Thread::New(reply.thread());
        }
        Ok(client.carry_out(fence, &effect.at(now_ms()), mark, thread.id()).await)
    }

    /// Discord will not have it.
    pub(super) async fn refused(
        &self,
        lane: Lane,
        row: &outbox::Row,
        thread: Thread,
        reason: &str,
    ) -> Result<Flow, Error> {
        if let (Some(id), Thread::New(thread)) = (lane.conversation, thread) {
            let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server).await?;
            store::forget_thread(&mut tx, lane.server, id, thread).await?;
            tx.commit().await?;
        }
        self.give_up(lane, row, reason).await
    }

    async fn noted_thread(&self, lane: Lane, id: Uuid) -> Result<Option<ChannelId>, Error> {
        let row = sqlx::query!(
            "select thread_id from public.conversations where server_id = $1 and id = $2",
            lane.server.db(),
            id
        )
        .fetch_optional(self.pool.read().await?.conn())
        .await?;
        Ok(row.and_then(|row| row.thread_id).and_then(|id| id.parse().ok()).map(ChannelId))
    }
}
