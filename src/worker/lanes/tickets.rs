//! A ticket's message follows the ticket, whoever changed it: a trigger leaves an effect without words, and the lane says
//! what stands in the database when it comes to it. So a later effect never shows less than an earlier one.

use helpline_cluster::fence::FencedTx;
use uuid::Uuid;

use super::Inner;
use crate::conversation::state::Conversation;
use crate::conversation::store::tickets;
use crate::deliver::client::Outcome;
use crate::deliver::outbox::Lane;
use crate::deliver::render::ticket::{discreet, summary};
use crate::deliver::{Controls, Effect};
use crate::discord::{ChannelId, MessageId};
use crate::server_config::ServerConfig;
use crate::texts::Lang;
use crate::worker::apply::Error;

impl Inner {
    /// One attempt to show how a ticket stands.
    pub(super) async fn show_ticket(&self, lane: Lane, id: Uuid, mark: &str) -> Result<Outcome, Error> {
        let done = Outcome::Done { message: None };
        let Some(shown) = tickets::shown(&self.pool, lane.server, id).await? else { return Ok(done) };
        // Its post comes first in this lane: without a message it was refused, or is of an earlier release.
        let Some(message) = shown.message else { return Ok(done) };
        let conversation = &shown.conversation;
        let config = self.shared.configs.get(lane.server).await?;
        let lang = Lang::of_server(&config);
        let edit = Effect::Edit {
            message,
            channels: places(conversation, &config),
            content: match conversation.direct && conversation.staff_thread.is_none() {
                true => discreet(lang, conversation, &shown.ticket),
                false => summary(lang, lane.server, conversation, &shown.ticket),
            },
            controls: Controls::Ticket { ticket: id, status: shown.ticket.status },
            lang,
        };
        Ok(self.shared.client.carry_out(&self.lease.fence, &edit, mark, None).await)
    }

    /// Notes where a ticket's message stands, with the transaction that notes that it was posted.
    pub(super) async fn note_ticket(
        tx: &mut FencedTx,
        lane: Lane,
        effect: &Effect,
        message: Option<MessageId>,
    ) -> Result<(), Error> {
        if let (
            Effect::Post { controls: Controls::Ticket { ticket, .. }, .. }
            | Effect::PostToStaff { controls: Controls::Ticket { ticket, .. }, .. },
            Some(message),
        ) = (effect, message)
        {
            tickets::set_message(tx, lane.server, *ticket, message).await?;
        }
        Ok(())
    }
}

/// Where a ticket's message may stand. What is said in a thread of staff is never said in a channel.
fn places(conversation: &Conversation, config: &ServerConfig) -> Vec<ChannelId> {
    match (conversation.direct, conversation.staff_thread) {
        (false, _) => conversation.thread.into_iter().chain([conversation.channel]).collect(),
        (true, Some(thread)) => vec![thread],
        (true, None) => config.channels.first().map(|channel| ChannelId(*channel)).into_iter().collect(),
    }
}
