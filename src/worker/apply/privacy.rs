//! `/privacy`: a member reads what the server keeps of him, or has it forgotten, after he has been asked whether he means it.
//! Who he is stands in the interaction, never in a custom id: nobody can have another's words sent or deleted.

use super::{Error, T1};
use crate::commands::privacy::{Request, request};
use crate::deliver::Effect;
use crate::discord::Interaction;
use crate::first_reply::FORGET;
use crate::texts::{Lang, say};
use helpline_cluster::ids::ServerId;
use serde_json::json;

/// The style of a button that cannot be undone.
const DANGER: u8 = 4;

impl T1 {
    pub(super) async fn privacy(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        lang: Lang,
    ) -> Result<(), Error> {
        match (request(interaction), &interaction.member) {
            (Some(Request::Export), Some(member)) => {
                // Read and written when it is carried out: the outbox keeps no second copy of it.
                let effect = Effect::SendData {
                    interaction: interaction.id,
                    token: interaction.token.clone(),
                    application: interaction.application_id,
                    user: member.user.id,
                    lang,
                };
                self.deliver_alone(server, interaction.id.0.to_string(), "data", effect).await
            }
            (Some(Request::Delete), Some(_)) => {
                let button = json!({ "type": 2, "style": DANGER, "label": say!(lang, "button-forget"),
                    "custom_id": FORGET });
                let effect = Effect::Panel {
                    interaction: interaction.id,
                    token: interaction.token.clone(),
                    application: interaction.application_id,
                    on_message: false,
                    content: say!(lang, "privacy-sure"),
                    components: json!([{ "type": 1, "components": [button] }]),
                };
                self.deliver_alone(server, interaction.id.0.to_string(), "respond", effect).await
            }
            _ => self.unknown(server, interaction, lang).await,
        }
    }

    /// The button was pressed. A second press finds nothing left.
    pub(super) async fn forget(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        lang: Lang,
    ) -> Result<(), Error> {
        let Some(member) = &interaction.member else { return self.unknown(server, interaction, lang).await };
        self.lock(server).await?;
        let user = member.user.id.0;
        let gone = sqlx::query_file!(
            "src/worker/sql/forget_member.sql",
            server.db(),
            user.to_string(),
            user.cast_signed()
        )
        .fetch_one(self.tx.conn())
        .await?;
        tracing::info!(
            server = server.get(),
            conversations = gone.conversations,
            votes = gone.votes,
            "a member of {server} had what he said forgotten"
        );
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let text = match (gone.conversations, gone.votes) {
            (0, 0) => say!(lang, "privacy-nothing"),
            (conversations, votes) => {
                say!(lang, "privacy-forgotten", conversations = count(conversations), votes = count(votes))
            }
        };
        self.respond(server, interaction, text).await
    }
}
