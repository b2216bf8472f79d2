//! "Ask Helpline" on a message: its text is the question. Discord sends the text with the interaction, so that this works
//! without the message content intent.
//!
//! Whoever wrote the message, and staff, have it answered in a thread on it, as if it had been asked in a support
//! channel. Everybody else has the answer for himself: nobody makes the bot speak up in the talk of others.
//! Source: <https://discord.com/developers/docs/interactions/application-commands#message-commands>.

use helpline_cluster::ids::ServerId;
use uuid::Uuid;

use super::{Error, Relevant, T1, limits, without_mention};
use crate::conversation::command::{Command, Origin, Question};
use crate::conversation::state::{Conversation, Status};
use crate::conversation::store;
use crate::discord::{ChannelId, Interaction, Member, Message, RoleId};
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};

impl T1 {
    pub(super) async fn ask_about(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let (server, lang) = (relevant.server, Lang::of_member(interaction, config));
        let data = interaction.data.as_ref();
        let target = data.and_then(|data| data.resolved.messages.get(&data.target_id?));
        let (Some(target), Some(member)) = (target, &interaction.member) else {
            return self.respond(server, interaction, say!(lang, "ask-in-channel")).await;
        };
        let text = without_mention(&target.content, self.bot);
        let why_not = match () {
            () if !config.enabled => Some(say!(lang, "support-off")),
            () if !target.is_by_a_person() => Some(say!(lang, "about-bot")),
            () if text.is_empty() => Some(say!(lang, "about-no-words")),
            () => None,
        };
        if let Some(why_not) = why_not {
            return self.respond(server, interaction, why_not).await;
        }
        let support_role = config.support_role_id.map(RoleId);
        if target.author.id == member.user.id || member.is_staff(support_role) {
            return self.answer_for_all(relevant, interaction, (target, text), member, config).await;
        }
        self.answer_for_one(relevant, interaction, text, member, config).await
    }

    /// In a thread on the message, for whoever wrote it.
    async fn answer_for_all(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        (target, text): (&Message, String),
        member: &Member,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let (server, lang) = (relevant.server, Lang::of_member(interaction, config));
        let known = store::load_by_thread(&mut self.tx, server, target.channel_id).await?;
        let in_thread = known.is_some() || target.position.is_some() || interaction.is_in_thread();
        let place = if in_thread { target.channel_id } else { target.id.thread() };
        if known.as_ref().is_some_and(|known| known.status == Status::Forwarded) {
            return self.respond(server, interaction, say!(lang, "human-asked-already")).await;
        }
        let question = Question {
            origin: Origin::Message { channel: target.channel_id, message: target.id, in_thread },
            author: target.author.id,
            lang: Lang::of_text(&text, config),
            text,
            asked_at: relevant.received_at,
        };
        if let Some(refusal) = self.refusal_of(server, &question, member, config, lang).await? {
            return self.respond(server, interaction, refusal).await;
        }
        // The message's own event key: nothing is answered twice, whichever way it was asked.
        if !self.tx.remember_event(&format!("message:{}", target.id.0)).await?
            && self.is_known(server, target, place).await?
        {
            return self.respond(server, interaction, say!(lang, "about-answered", channel = place)).await;
        }
        let username = target.author.username.clone();
        let conversation = known.unwrap_or_else(|| Conversation::begin(Uuid::new_v4(), &question));
        self.run(server, conversation, Command::Ask(question), &username, config).await?;
        self.respond(server, interaction, say!(lang, "about-here", channel = place)).await
    }

    /// Whether a message has been put to the bot before. Its event key alone does not tell: what is overheard has one too.
    async fn is_known(
        &mut self,
        server: ServerId,
        target: &Message,
        place: ChannelId,
    ) -> Result<bool, Error> {
        let known = store::load_by_thread(&mut self.tx, server, place).await?;
        Ok(known.is_some_and(|known| known.has_asked(target.id)))
    }

    /// Staff ask for others as often as they like; nobody asks at any length.
    async fn refusal_of(
        &mut self,
        server: ServerId,
        question: &Question,
        member: &Member,
        config: &ServerConfig,
        lang: Lang,
    ) -> Result<Option<String>, Error> {
        if question.author != member.user.id && !limits::is_too_long(&question.text, config) {
            return Ok(None);
        }
        Ok(self.refusal(server, question, config, lang).await?.map(|refusal| refusal.text))
    }

    /// As a reply that nobody else sees.
    async fn answer_for_one(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        text: String,
        member: &Member,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let (server, lang) = (relevant.server, Lang::of_member(interaction, config));
        let Some(channel) = interaction.channel_id else {
            return self.respond(server, interaction, say!(lang, "ask-in-channel")).await;
        };
        let question = Question {
            origin: Origin::Slash {
                channel,
                interaction: interaction.id,
                application: interaction.application_id,
                token: interaction.token.clone(),
                in_thread: false,
                private: true,
            },
            author: member.user.id,
            text,
            asked_at: relevant.received_at,
            lang,
        };
        if let Some(refusal) = self.refusal(server, &question, config, lang).await? {
            return self.respond(server, interaction, refusal.text).await;
        }
        let conversation = Conversation::begin(Uuid::new_v4(), &question);
        self.run(server, conversation, Command::Ask(question), &member.user.username, config).await
    }
}
