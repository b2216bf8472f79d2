//! Slash commands: who may use them, and what each does within T1. What they decide and say is [`crate::commands`].

use helpline_cluster::ids::ServerId;
use serde_json::Value;
use sqlx::Connection as _;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::tickets::not_staff;
use super::{Error, Relevant, T1};
use crate::commands::config::{self, Decision, Request, Suggestion, Write};
use crate::commands::{Handler, QUESTION, Slash, tickets};
use crate::conversation::command::{Command, Origin, Question};
use crate::conversation::state::Conversation;
use crate::conversation::store;
use crate::deliver::Effect;
use crate::discord::{Interaction, RoleId};
use crate::first_reply::{AUTOCOMPLETE, FirstReply, first_reply, option_text};
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};

/// Nobody waits any longer for what is offered while typing; generous, because clocks differ.
const TYPED_WITHIN: Duration = Duration::seconds(10);

impl T1 {
    pub(super) async fn command(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        command: &Slash,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let lang = Lang::of_member(interaction, config);
        let allowed = command.is_allowed(interaction);
        if interaction.kind == AUTOCOMPLETE {
            if OffsetDateTime::now_utc() - relevant.received_at > TYPED_WITHIN {
                return Ok(());
            }
            let suggestions = match command.handler {
                Handler::Config if allowed => config::suggestions(interaction, config, lang),
                Handler::Knowledge if allowed => self.titles(server, interaction).await?,
                Handler::Reply => self.suggest_replies(server, interaction, config).await?,
                Handler::Config
                | Handler::Privacy
                | Handler::Knowledge
                | Handler::Ask
                | Handler::Gaps
                | Handler::Server
                | Handler::Setup
                | Handler::Stats
                | Handler::Tickets => Vec::new(),
            };
            return self.suggest(server, interaction, suggestions).await;
        }
        if let Some(needed) = command.needs.filter(|_| !allowed) {
            let permission = needed.name.in_lang(lang);
            let text = say!(lang, "need-permission", permission, command = command.name);
            return self.respond(server, interaction, text).await;
        }
        match command.handler {
            Handler::Ask => self.ask(relevant, interaction, config).await,
            Handler::Privacy => self.privacy(server, interaction, lang).await,
            Handler::Gaps => self.gaps(server, interaction, lang).await,
            Handler::Knowledge => self.knowledge(server, interaction, lang).await,
            Handler::Reply => self.reply_command(relevant, interaction, config).await,
            Handler::Server => self.unknown(server, interaction, lang).await,
            Handler::Setup => self.setup(relevant, interaction, config).await,
            Handler::Stats => self.stats(relevant, interaction, config).await,
            Handler::Tickets => {
                let support_role = config.support_role_id.map(RoleId);
                let is_staff =
                    interaction.member.as_ref().is_some_and(|member| member.is_staff(support_role));
                let text = match is_staff {
                    true => {
                        let (open, total) = store::tickets::list_open(&mut self.tx, server).await?;
                        tickets::list(lang, server, &open, total)
                    }
                    false => not_staff(lang, support_role),
                };
                self.respond(server, interaction, text).await
            }
            Handler::Config => {
                let text = match config::request(interaction, server, lang) {
                    Ok(request) => self.configure(server, &request, lang).await?,
                    Err(refusal) => refusal,
                };
                self.respond(server, interaction, text).await
            }
        }
    }

    async fn ask(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        // The proxy may have replied first, from the same table: what is public there has to be public here.
        if first_reply(interaction, config.enabled) == FirstReply::Public {
            return self.slash_ask(relevant, interaction, config).await;
        }
        let lang = Lang::of_member(interaction, config);
        let text = match config.enabled {
            true => say!(lang, "ask-in-channel"),
            false => say!(lang, "support-off"),
        };
        self.respond(relevant.server, interaction, text).await
    }

    async fn slash_ask(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        let lang = Lang::of_member(interaction, config);
        let (Some(channel), Some(member), Some(text)) =
            (interaction.channel_id, &interaction.member, option_text(interaction, QUESTION))
        else {
            return self.respond(server, interaction, say!(lang, "ask-in-channel")).await;
        };
        let known = store::load_by_thread(&mut self.tx, server, channel).await?;
        let question = Question {
            origin: Origin::Slash {
                channel,
                interaction: interaction.id,
                application: interaction.application_id,
                token: interaction.token.clone(),
                in_thread: known.is_some() || interaction.is_in_thread(),
                private: false,
            },
            author: member.user.id,
            text: text.to_owned(),
            asked_at: relevant.received_at,
            lang: Lang::of_text(text, config),
        };
        if let Some(refusal) = self.refusal(server, &question, config, lang).await? {
            return self.respond(server, interaction, refusal.text).await;
        }
        let conversation = known.unwrap_or_else(|| Conversation::begin(Uuid::new_v4(), &question));
        self.run(server, conversation, Command::Ask(question), &member.user.username, config).await
    }

    /// Does what `/config` asks for; returns what is said of it.
    async fn configure(&mut self, server: ServerId, request: &Request, lang: Lang) -> Result<String, Error> {
        let text = self.configure_by(server, lang, |stored| config::decide(request, stored, lang)).await?;
        Ok(match *request == Request::Show && !self.message_content {
            true => config::texts::fit(format!("{}\n{text}", say!(lang, "config-no-content"))),
            false => text,
        })
    }

    /// Writes what is decided on what stands there; returns what is said of it.
    pub(super) async fn configure_by(
        &mut self,
        server: ServerId,
        lang: Lang,
        decide: impl FnOnce(&str) -> Decision,
    ) -> Result<String, Error> {
        self.lock(server).await?;
        // Whoever else changes the row waits, or is waited for: what is decided is decided on what stands there.
        let stored = sqlx::query_scalar!(
            r#"select config::text as "config!" from public.servers where id = $1 for no key update"#,
            server.db()
        )
        .fetch_one(self.tx.conn())
        .await?;
        let decision = decide(&stored);
        let Some(write) = decision.write else { return Ok(decision.text) };
        match self.write_config(server, &write).await {
            Ok(()) => {
                tracing::info!(server = server.get(), "the config of {server} was changed from Discord");
                self.configured.push(server);
                Ok(decision.text)
            }
            Err(sqlx::Error::Database(error)) if error.is_check_violation() => {
                Ok(config::texts::not_stored(lang, error.message()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// In a transaction of its own within T1: what a trigger refuses must not end the batch.
    async fn write_config(&mut self, server: ServerId, write: &Write) -> Result<(), sqlx::Error> {
        let mut step = self.tx.conn().begin().await?;
        // Merged by Postgres: what this release does not know keeps its last digit.
        let (kept, new): (bool, &Value) = match write {
            Write::Merge(keys) => (true, keys),
            Write::Replace(config) => (false, config),
        };
        sqlx::query!(
            "update public.servers set config = case when $2 then config else '{}'::jsonb end || $3 where id = $1",
            server.db(),
            kept,
            new
        )
        .execute(&mut *step)
        .await?;
        step.commit().await
    }

    /// A command or component that this release does not know.
    pub(super) async fn unknown(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        lang: Lang,
    ) -> Result<(), Error> {
        match interaction.kind {
            AUTOCOMPLETE => self.suggest(server, interaction, Vec::new()).await,
            _ => self.respond(server, interaction, say!(lang, "unknown-command")).await,
        }
    }

    async fn suggest(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        suggestions: Vec<Suggestion>,
    ) -> Result<(), Error> {
        let effect =
            Effect::Suggest { interaction: interaction.id, token: interaction.token.clone(), suggestions };
        self.deliver_alone(server, interaction.id.0.to_string(), "suggest", effect).await
    }
}
