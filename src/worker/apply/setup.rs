//! `/setup` within T1: each choice is written at once, as `/config` writes it, and the message shows what is stored then.

use helpline_cluster::ids::ServerId;

use super::{Error, Relevant, T1};
use crate::commands::config::Decision;
use crate::commands::setup::{self, Step};
use crate::commands::{MANAGE_SERVER, config};
use crate::deliver::Effect;
use crate::discord::Interaction;
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};

impl T1 {
    /// The command, or a press on its message. Whoever has lost the permission meanwhile is told so in its place.
    pub(super) async fn setup(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let lang = Lang::of_member(interaction, config);
        if !interaction.member.as_ref().is_some_and(|member| member.holds(MANAGE_SERVER.bits)) {
            let permission = MANAGE_SERVER.name.in_lang(lang);
            let text = say!(lang, "need-permission", permission, command = "setup");
            return self.show_panel(server, interaction, (text, serde_json::json!([]))).await;
        }
        let (step, refusal) = match setup::step(interaction, server, lang) {
            Ok(step) => (step, None),
            Err(refusal) => (Step::Open, Some(refusal)),
        };
        let said = self
            .configure_by(server, lang, |stored| {
                let decided = setup::decide(&step, stored, lang);
                Decision { write: decided.write, text: decided.note }
            })
            .await?;
        let (stored, documents) = self.setting_and_documents(server).await?;
        let note = refusal.unwrap_or(said);
        self.show_panel(server, interaction, setup::panel(lang, &stored, &note, documents, &step)).await
    }

    async fn setting_and_documents(&mut self, server: ServerId) -> Result<(String, i64), Error> {
        let row = sqlx::query!(
            r#"select config::text as "config!",
                   (select count(*) from public.knowledge_documents d where d.server_id = $1) as "documents!"
               from public.servers where id = $1"#,
            server.db()
        )
        .fetch_one(self.tx.conn())
        .await?;
        Ok((row.config, row.documents))
    }

    async fn show_panel(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        (content, components): (String, serde_json::Value),
    ) -> Result<(), Error> {
        let on_message = interaction
            .data
            .as_ref()
            .and_then(|data| data.custom_id.as_deref())
            .is_some_and(|id| setup::is_on(interaction.kind, id));
        let effect = Effect::Panel {
            interaction: interaction.id,
            token: interaction.token.clone(),
            application: interaction.application_id,
            on_message,
            content: config::texts::fit(content),
            components,
        };
        self.deliver_alone(server, interaction.id.0.to_string(), "panel", effect).await
    }
}
