//! First replies to interactions, and what fills them in. What is acknowledged already, by the proxy or by an earlier try, is
//! filled in instead.

use reqwest::Method;
use serde_json::{Value, json};

use super::{DONE, Outcome, Post, Reply, Request};
use crate::commands::config::Suggestion;
use crate::deliver::components::components;
use crate::deliver::{Controls, Effect};
use crate::discord::{ApplicationId, code};
use crate::first_reply::{FirstReply, Modal};
use crate::texts::Lang;

/// What became of the first reply to an interaction.
pub(super) enum Callback {
    Taken,
    /// By the proxy, or by an earlier try of ours.
    Acknowledged,
    Not(Outcome),
}

/// The reply to an interaction, as its webhook names it.
pub(super) fn original(application: ApplicationId, token: &str) -> String {
    format!("/webhooks/{}/{token}/messages/@original", application.0)
}

impl Request<'_> {
    pub(super) async fn callback(&self, interaction: u64, token: &str, body: Value) -> Callback {
        let path = format!("/interactions/{interaction}/{token}/callback");
        match self.send(Method::POST, &path, Some(body)).await {
            Reply::Ok(_) => Callback::Taken,
            Reply::Refused { code: code::ALREADY_ACKNOWLEDGED, .. } => Callback::Acknowledged,
            reply => Callback::Not(reply.into()),
        }
    }

    /// A message for the member alone. When the interaction is acknowledged already, the text fills the reply that
    /// is there: the proxy's deferral, or our own from an earlier try, which it leaves as it is.
    pub(super) async fn respond(
        &self,
        interaction: u64,
        token: &str,
        content: &str,
        application: Option<ApplicationId>,
    ) -> Outcome {
        let data = json!({ "content": content, "flags": 64, "allowed_mentions": { "parse": [] } });
        match self.callback(interaction, token, json!({ "type": 4, "data": data })).await {
            Callback::Taken => DONE,
            Callback::Not(outcome) => outcome,
            Callback::Acknowledged => match application {
                Some(application) => {
                    let body = json!({ "content": content, "allowed_mentions": { "parse": [] } });
                    self.patch_reply(application, token, body).await
                }
                None => DONE,
            },
        }
    }

    async fn patch_reply(&self, application: ApplicationId, token: &str, body: Value) -> Outcome {
        match self.send(Method::PATCH, &original(application, token), Some(body)).await {
            // The member has dismissed it.
            Reply::Refused { code: code::UNKNOWN_MESSAGE, .. } => DONE,
            reply => reply.into(),
        }
    }

    /// A message with components for the member alone: a new one, or the one that he pressed on.
    pub(super) async fn panel(
        &self,
        interaction: u64,
        token: &str,
        application: ApplicationId,
        on_message: bool,
        data: Value,
    ) -> Outcome {
        let mut first = data.clone();
        // What stands already keeps its visibility.
        if !on_message {
            first["flags"] = 64.into();
        }
        let kind = if on_message { 7 } else { 4 };
        match self.callback(interaction, token, json!({ "type": kind, "data": first })).await {
            Callback::Taken => DONE,
            Callback::Not(outcome) => outcome,
            Callback::Acknowledged => self.patch_reply(application, token, data).await,
        }
    }

    /// Acknowledged already: the same form, opened by the proxy.
    pub(super) async fn open_form(&self, interaction: u64, token: &str, form: Modal) -> Outcome {
        self.acknowledge(interaction, token, FirstReply::Modal(form)).await
    }

    /// Acknowledged already: by the proxy, with the same reply, or by an earlier try.
    pub(super) async fn acknowledge(&self, interaction: u64, token: &str, reply: FirstReply) -> Outcome {
        match self.callback(interaction, token, reply.callback()).await {
            Callback::Taken | Callback::Acknowledged => DONE,
            Callback::Not(outcome) => outcome,
        }
    }

    pub(super) async fn suggest(&self, interaction: u64, token: &str, suggestions: &[Suggestion]) -> Outcome {
        let path = format!("/interactions/{interaction}/{token}/callback");
        let body = json!({ "type": 8, "data": { "choices": suggestions } });
        match self.send(Method::POST, &path, Some(body)).await {
            Reply::Ok(_)
            | Reply::Refused { code: code::ALREADY_ACKNOWLEDGED | code::UNKNOWN_INTERACTION, .. } => DONE,
            reply => reply.into(),
        }
    }

    /// Fills the deferred reply in. What can no longer be said there is said in the channel, unless it was for the member alone.
    pub(super) async fn fill_in(&self, effect: &Effect) -> Outcome {
        let Effect::EditOriginal {
            application, token, content, controls, channel, user, private, lang, ..
        } = effect
        else {
            return Outcome::GiveUp { reason: "it fills in no reply".to_owned() };
        };
        match self.edit_original(*application, token, content, (*controls, *lang)).await {
            Outcome::GiveUp { .. } if !private => {
                let content = format!("<@{}> {content}", user.0);
                let message = Post { ping_user: Some(*user), ..Post::new(&content, *controls, *lang) };
                self.post(*channel, message).await
            }
            done => done,
        }
    }

    async fn edit_original(
        &self,
        application: ApplicationId,
        token: &str,
        content: &str,
        (controls, lang): (Controls, Lang),
    ) -> Outcome {
        let path = original(application, token);
        let body = json!({
            "content": content,
            "allowed_mentions": { "parse": [] },
            "components": components(controls, lang, self.nonce),
        });
        self.send(Method::PATCH, &path, Some(body)).await.into()
    }
}
