//! What one member is shown alone, with buttons and a file; forms; and the messages that a link leads to.
//!
//! Every way of showing it ends in the same message: the callback makes or turns it, and when the interaction is
//! acknowledged already, by the proxy or an earlier showing, the PATCH of @original does.

use bytes::Bytes;
use helpline_cluster::fence::Fence;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use uuid::Uuid;

use super::replies::{Callback, original};
use super::{Client, DONE, Outcome, Reply, Request};
use crate::deliver::panel::{File, Panel, ReplyTo};
use crate::discord::{ChannelId, MessageId, code};
use crate::first_reply;
use crate::texts::Lang;

/// The first reply is a message, or the pressed message anew.
const MESSAGE: u8 = 4;
const UPDATE: u8 = 7;
const EPHEMERAL: u64 = 64;

impl Request<'_> {
    pub(super) async fn show(&self, to: &ReplyTo, panel: &Panel, file: Option<&File>) -> Outcome {
        let mut data = panel.body();
        if !to.update {
            data["flags"] = EPHEMERAL.into();
        }
        let kind = if to.update { UPDATE } else { MESSAGE };
        let path = format!("/interactions/{}/{}/callback", to.interaction.0, to.token);
        let first = self.upload(Method::POST, &path, &json!({ "type": kind, "data": data }), file).await;
        match Callback::from(first) {
            Callback::Taken => DONE,
            Callback::Not(outcome) => outcome,
            Callback::Acknowledged => {
                let path = original(to.application, &to.token);
                match self.upload(Method::PATCH, &path, &panel.body(), file).await {
                    // The member has dismissed it.
                    Reply::Refused { code: code::UNKNOWN_MESSAGE, .. } => DONE,
                    reply => reply.into(),
                }
            }
        }
    }

    pub(super) async fn fill_form(
        &self,
        interaction: u64,
        token: &str,
        name: &str,
        about: Option<Uuid>,
        values: &[(String, String)],
        lang: Lang,
    ) -> Outcome {
        let Some(mut form) = first_reply::form(name) else {
            return Outcome::GiveUp { reason: format!("there is no form {name}") };
        };
        form.about = about;
        match self.callback(interaction, token, form.in_lang(lang).filled(values)).await {
            Callback::Taken | Callback::Acknowledged => DONE,
            Callback::Not(outcome) => outcome,
        }
    }

    async fn upload(&self, method: Method, path: &str, payload: &Value, file: Option<&File>) -> Reply {
        let Some(file) = file else { return self.send(method, path, Some(payload.clone())).await };
        // A nonce is no part of any file but by an accident that would end the upload, and nothing else.
        let mut payload = payload.clone();
        // What is not listed goes: a repetition leaves one file, not two.
        match payload.get_mut("data") {
            Some(data) => data["attachments"] = json!([{ "id": 0 }]),
            None => payload["attachments"] = json!([{ "id": 0 }]),
        }
        let (kind, body) = file.multipart(&payload, &format!("helpline-{}", self.nonce));
        let body = Bytes::from(body);
        let fill =
            |request: reqwest::RequestBuilder| request.header(CONTENT_TYPE, kind.as_str()).body(body.clone());
        self.client.send_as(self.fence, method, path, fill).await
    }
}

impl From<Reply> for Callback {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Ok(_) => Self::Taken,
            Reply::Refused { code: code::ALREADY_ACKNOWLEDGED, .. } => Self::Acknowledged,
            reply => Self::Not(reply.into()),
        }
    }
}

/// What became of reading a message.
#[derive(Debug)]
pub enum Read {
    Message(Value),
    /// Discord will not have it, however often it is repeated.
    Refused,
    /// As when something is shown.
    Not(Outcome),
}

impl Client {
    /// Shows something to one member alone, in the place of what he was shown for the same interaction before.
    pub async fn show(
        &self,
        fence: &Fence,
        nonce: &str,
        to: &ReplyTo,
        panel: &Panel,
        file: Option<&File>,
    ) -> Outcome {
        Request { client: self, fence, nonce }.show(to, panel, file).await
    }

    /// Source: <https://discord.com/developers/docs/resources/message#get-channel-message>.
    pub async fn read_message(&self, fence: &Fence, channel: ChannelId, message: MessageId) -> Read {
        let path = format!("/channels/{}/messages/{}", channel.0, message.0);
        match self.send(fence, Method::GET, &path, None).await {
            Reply::Ok(message) => Read::Message(message),
            Reply::Refused { .. } => Read::Refused,
            reply => Read::Not(reply.into()),
        }
    }
}
