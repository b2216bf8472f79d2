//! An answer in the place of an earlier one, part by part. The earlier one stands in the outbox with its messages.

use super::Inner;
use crate::deliver::Effect;
use crate::deliver::client::Outcome;
use crate::deliver::outbox::{self, Lane, Row};
use crate::discord::MessageId;
use crate::worker::apply::Error;

impl Inner {
    /// One attempt to carry out such a part; none for every other effect.
    pub(super) async fn replace(&self, lane: Lane, row: &Row, mark: &str) -> Result<Option<Outcome>, Error> {
        let Ok(Effect::Replace { channel, else_in, content, controls, reply_to, last, lang }) = &row.request
        else {
            return Ok(None);
        };
        let (client, fence) = (&self.shared.client, &self.lease.fence);
        let said = outbox::messages_of(&self.pool, lane.server, &row.event_id, "answer").await?;
        let channels = vec![*channel, *else_in];
        if *last {
            for (_, message) in said.iter().filter(|(part, _)| *part > row.part) {
                match client.delete_message(fence, &channels, *message).await {
                    Outcome::Done { .. } => {}
                    other => return Ok(Some(other)),
                }
            }
        }
        let before: Option<MessageId> =
            said.iter().find(|(part, _)| *part == row.part).map(|(_, message)| *message);
        let effect = match before {
            Some(message) => {
                Effect::Edit { message, channels, content: content.clone(), controls: *controls, lang: *lang }
            }
            None => Effect::Post {
                channel: *channel,
                content: content.clone(),
                reply_to: None,
                controls: *controls,
                ping_role: None,
                ping_user: None,
                fallback: Some((*else_in, *reply_to)),
                asked_at_ms: None,
                lang: *lang,
            },
        };
        Ok(Some(client.carry_out(fence, &effect, mark, None).await))
    }
}
