//! What staff are shown alone and is made when it is carried out: what the bot would answer, and a conversation as files.
//! Made again after a crash; a newer suggestion takes the place of the one before.

use helpline_cluster::fence::FencedTx;
use serde_json::json;
use uuid::Uuid;

use super::Inner;
use crate::answer::{self, AnswerRequest, spent};
use crate::conversation::store::tickets;
use crate::deliver::Effect;
use crate::deliver::client::{File, Outcome};
use crate::deliver::outbox::Lane;
use crate::deliver::render::{self, silence as texts, transcript};
use crate::discord::{ApplicationId, InteractionId};
use crate::first_reply::SEND;
use crate::texts::{Lang, say};
use crate::worker::apply::Error;

/// The interaction that is answered.
type To<'a> = (InteractionId, ApplicationId, &'a str);

impl Inner {
    /// One attempt to carry out what is made here; none for every other effect.
    pub(super) async fn for_staff(
        &self,
        lane: Lane,
        effect: &Effect,
        mark: &str,
    ) -> Result<Option<Outcome>, Error> {
        match effect {
            Effect::SuggestAnswer { interaction, token, application, ticket, lang } => {
                self.suggest(lane, (*interaction, *application, token), *ticket, *lang, mark).await.map(Some)
            }
            Effect::Transcript { interaction, token, application, ticket, content } => self
                .transcript(lane, (*interaction, *application, token), *ticket, content, mark)
                .await
                .map(Some),
            _ => Ok(None),
        }
    }

    async fn suggest(
        &self,
        lane: Lane,
        to: To<'_>,
        ticket: Uuid,
        lang: Lang,
        mark: &str,
    ) -> Result<Outcome, Error> {
        let Some(shown) = tickets::shown(&self.pool, lane.server, ticket).await? else {
            return Ok(self.say(to, say!(lang, "ticket-gone"), None, mark).await);
        };
        let Some((question, history)) = shown.conversation.open_question() else {
            return Ok(self.say(to, say!(lang, "suggest-unasked"), None, mark).await);
        };
        let config = self.shared.configs.get(lane.server).await?;
        let request = AnswerRequest {
            server: lane.server,
            language: config.language.clone(),
            system_prompt: config.system_prompt.clone(),
            question,
            history,
            lang,
        };
        let answer = match self.shared.answerer.answer(&request).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Outcome::Again { after: None, reason: error.to_string() }),
        };
        let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server).await?;
        if answer.tokens > 0 {
            spent::add(&mut tx, lane.server, answer.tokens).await?;
        }
        if answer.action != answer::Action::Answer {
            tx.commit().await?;
            return Ok(self.say(to, say!(lang, "suggest-nothing"), None, mark).await);
        }
        let text = render::answer(&answer, Lang::of_text(&request.question, &config)).join("\n\n");
        let text: String = text.chars().take(texts::SUGGESTION_CHARS).collect();
        let id = Uuid::new_v4();
        tickets::suggest(&mut tx, lane.server, ticket, id, &text).await?;
        tx.commit().await?;
        Ok(self.say(to, texts::suggestion(lang, &text), Some((id, lang)), mark).await)
    }

    async fn say(
        &self,
        (interaction, application, token): To<'_>,
        content: String,
        send: Option<(Uuid, Lang)>,
        mark: &str,
    ) -> Outcome {
        let button = |(id, lang)| {
            json!([{ "type": 1, "components": [
            { "type": 2, "style": 1, "label": say!(lang, "button-send"), "custom_id": format!("{SEND}{id}:{mark}") }] }])
        };
        let panel = Effect::Panel {
            interaction,
            token: token.to_owned(),
            application,
            on_message: false,
            content,
            components: send.map_or_else(|| json!([]), button),
        };
        self.shared.client.carry_out(&self.lease.fence, &panel, mark, None).await
    }

    async fn transcript(
        &self,
        lane: Lane,
        to: To<'_>,
        ticket: Uuid,
        content: &str,
        mark: &str,
    ) -> Result<Outcome, Error> {
        let Some(shown) = tickets::shown(&self.pool, lane.server, ticket).await? else {
            return Ok(self.say(to, content.to_owned(), None, mark).await);
        };
        let (conversation, name) = (&shown.conversation, &shown.username);
        let html = transcript::html(lane.server, conversation, name, &shown.ticket);
        let text = transcript::text(lane.server, conversation, name, &shown.ticket);
        let files = [
            File {
                name: format!("ticket-{ticket}.html"),
                content_type: "text/html; charset=utf-8",
                content: html,
            },
            File {
                name: format!("ticket-{ticket}.txt"),
                content_type: "text/plain; charset=utf-8",
                content: text,
            },
        ];
        match self.shared.client.reply_with_files(&self.lease.fence, to, content, &files).await {
            // Without the files rather than not at all.
            Outcome::GiveUp { reason } => {
                tracing::info!(reason, "a conversation of {} cannot be sent as files", lane.server);
                Ok(self.say(to, content.to_owned(), None, mark).await)
            }
            outcome => Ok(outcome),
        }
    }
}
