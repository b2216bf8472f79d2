//! Carries effects out: one HTTP request to the proxy each, a second one only where Discord asks for it.
//!
//! Every outcome that Discord can give is sorted into done, again later, or given up; repeating a request whose
//! outcome is unknown is safe, because the nonce, the thread's id or the interaction's own state absorbs it.
//!
//! | effect | request | acknowledged already (40060) | too late (10062, expired token) |
//! |---|---|---|---|
//! | defer | callback | done: by the proxy or an earlier try | given up; the edit finds that out too |
//! | respond | callback with the text | PATCH @original with the text | given up: nobody can be told |
//! | suggest | callback with the choices | done: the member typed on, and nothing waits | done |
//! | form | callback with the form | done: the same form, opened by the proxy | given up: to be pressed again |
//! | panel | callback with the message, or in place of the pressed one | PATCH @original | given up: nobody can be told |
//! | edit | PATCH of the message | - | - |
//! | notice | message | - | - ; done where it cannot be said any more |
//! | archive | PATCH of the thread | - | - ; done where the bot may not |
//! | edit original | PATCH @original | - | a message in the channel that mentions the member |
//!
//! Source: Discord developer docs, "Create Message", "Start Thread from Message", "Receiving and Responding".

mod direct;
mod files;
mod panels;
mod replies;
mod servers;

pub use direct::list_of_servers;
pub use panels::Read;

use std::time::Duration;

use helpline_cluster::fence::Fence;
use helpline_cluster::ids::Epoch;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::components::components;
use super::proxies::Proxies;
use super::{Controls, Effect};
use crate::discord::{ApplicationId, ChannelId, MessageId, RoleId, UserId, code};
use crate::first_reply::{FirstReply, NOTES_FORM, form};
use crate::texts::Lang;
pub use files::File;
use replies::original;

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Visible now, or already since an earlier attempt.
    Done { message: Option<MessageId> },
    /// Not known to have happened; to be repeated.
    Again { after: Option<Duration>, reason: String },
    /// Discord will not have it, however often it is repeated.
    GiveUp { reason: String },
    /// Nothing was sent: a higher epoch stands for the shard. Its owner carries the effect out.
    Superseded { stands: Epoch },
    /// An earlier attempt was looked for, and was not carried out.
    NotThere,
}

/// What the proxy is told of the sender, to refuse one who was superseded; and in its refusal the epoch that stands.
const SHARD: &str = "x-helpline-shard";
const EPOCH: &str = "x-helpline-epoch";

const DONE: Outcome = Outcome::Done { message: None };

/// A client of the proxy's REST egress. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    proxies: Proxies,
}

/// An answer of Discord's, or the reason why there is none.
pub(super) enum Reply {
    Ok(Value),
    Refused { status: StatusCode, code: u64, text: String },
    Again { after: Option<Duration>, reason: String },
    Superseded { stands: Epoch },
}

impl Client {
    /// `proxy_url` is HELPLINE_PROXY_URL: one URL or several with commas between, without a path.
    pub fn new(proxy_url: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(128)
            .build()?;
        Ok(Self { http, proxies: Proxies::new(proxy_url) })
    }

    /// Carries one effect out. `thread` is the conversation's thread as noted now; one that is to be started on the
    /// reply to an interaction is noted before.
    pub async fn carry_out(
        &self,
        fence: &Fence,
        effect: &Effect,
        nonce: &str,
        thread: Option<ChannelId>,
    ) -> Outcome {
        let request = Request { client: self, fence, nonce };
        match effect {
            Effect::StartThread { channel, message, name } => {
                request.start_thread(*channel, *message, name).await
            }
            Effect::Post {
                channel,
                content,
                reply_to,
                controls,
                ping_role,
                ping_user,
                fallback,
                lang,
                ..
            } => {
                let quiet = Post::new(content, *controls, *lang);
                let message =
                    Post { ping_role: *ping_role, ping_user: *ping_user, reply_to: *reply_to, ..quiet };
                let fallback = fallback.map(|(channel, reply_to)| (channel, Some(reply_to)));
                request.post_or_fall_back(*channel, message, fallback).await
            }
            Effect::Defer { interaction, token, private } => {
                let reply = if *private { FirstReply::Private } else { FirstReply::Public };
                request.acknowledge(interaction.0, token, reply).await
            }
            Effect::Respond { interaction, token, content, application } => {
                request.respond(interaction.0, token, content, *application).await
            }
            Effect::Suggest { interaction, token, suggestions } => {
                request.suggest(interaction.0, token, suggestions).await
            }
            Effect::AskNotes { interaction, token, ticket, lang } => {
                request.open_form(interaction.0, token, NOTES_FORM.about(*ticket).in_lang(*lang)).await
            }
            Effect::ShowPanel { to, panel } => request.show(to, panel, None).await,
            Effect::FillForm { interaction, token, form, about, values, lang } => {
                request.fill_form(interaction.0, token, form, *about, values, *lang).await
            }
            Effect::OpenForm { interaction, token, form: name, lang } => match form(name) {
                Some(form) => request.open_form(interaction.0, token, form.in_lang(*lang)).await,
                None => Outcome::GiveUp { reason: format!("there is no form {name:?}") },
            },
            Effect::Panel { interaction, token, application, on_message, content, components } => {
                let data = json!({ "content": content, "components": components, "allowed_mentions": { "parse": [] } });
                request.panel(interaction.0, token, *application, *on_message, data).await
            }
            Effect::ShowTicket { .. }
            | Effect::SuggestAnswer { .. }
            | Effect::Transcript { .. }
            | Effect::SendData { .. }
            | Effect::OpenStaffThread {}
            | Effect::PostToStaff { .. }
            | Effect::Replace { .. }
            | Effect::Knowledge { .. } => not_looked_up(),
            Effect::Edit { message, channels, content, controls, lang } => {
                request.edit(*message, channels, content, (*controls, *lang)).await
            }
            Effect::Notice { channel, content, controls, ping_user, lang } => {
                let message = Post { ping_user: *ping_user, ..Post::new(content, *controls, *lang) };
                request.notice(*channel, message).await
            }
            Effect::Relay { .. } | Effect::Whisper { .. } | Effect::ChooseServer { .. } => {
                request.in_direct_messages(effect).await
            }
            Effect::TellServer { server, content } => request.tell_server(*server, content).await,
            Effect::Archive { channel } => request.archive(*channel).await,
            Effect::EditOriginal { .. } => request.fill_in(effect).await,
            Effect::StartThreadOnOriginal { channel, name, .. } => match thread {
                Some(thread) => request.start_thread(*channel, thread.starter(), name).await,
                None => Outcome::GiveUp { reason: "the message of the thread is not known".to_owned() },
            },
            Effect::PostInThread { content, controls, channel, lang } => {
                let fallback = Some((*channel, None));
                let message = Post::new(content, *controls, *lang);
                request.post_or_fall_back(thread.unwrap_or(*channel), message, fallback).await
            }
        }
    }

    /// Shows in a channel that an answer is on its way, for ten seconds or until it is there. Tried once, and nobody needs
    /// to know what came of it: the proxy leaves it out while Discord's limits are short.
    /// Source: <https://discord.com/developers/docs/resources/channel#trigger-typing-indicator>.
    pub async fn show_typing(&self, fence: &Fence, channel: ChannelId) {
        let path = format!("/channels/{}/typing", channel.0);
        self.send(fence, Method::POST, &path, Some(json!({}))).await;
    }

    /// The reply to an interaction, while its token lives.
    pub async fn reply_to(&self, fence: &Fence, application: ApplicationId, token: &str) -> Outcome {
        match Outcome::from(self.send(fence, Method::GET, &original(application, token), None).await) {
            Outcome::Done { message: None } => {
                Outcome::GiveUp { reason: "the reply to the interaction has no id".to_owned() }
            }
            other => other,
        }
    }
}

fn not_looked_up() -> Outcome {
    Outcome::GiveUp { reason: "what it is about was not looked up".to_owned() }
}

/// A message to be created.
#[derive(Clone, Copy)]
struct Post<'a> {
    content: &'a str,
    controls: Controls,
    lang: Lang,
    ping_role: Option<RoleId>,
    ping_user: Option<UserId>,
    reply_to: Option<MessageId>,
}

impl<'a> Post<'a> {
    fn new(content: &'a str, controls: Controls, lang: Lang) -> Self {
        Self { content, controls, lang, ping_role: None, ping_user: None, reply_to: None }
    }

    fn body(&self, nonce: &str) -> Value {
        let ids = |id: Option<u64>| id.map(|id| vec![id.to_string()]).unwrap_or_default();
        let mut body = json!({
            "content": self.content,
            "nonce": nonce,
            "enforce_nonce": true,
            // Explicit lists switch every other mention off, whatever the text says.
            "allowed_mentions": {
                "parse": [],
                "roles": ids(self.ping_role.map(|id| id.0)),
                "users": ids(self.ping_user.map(|id| id.0)),
                "replied_user": false,
            },
            "components": components(self.controls, self.lang, nonce),
        });
        if let Some(message) = self.reply_to {
            body["message_reference"] = json!({ "message_id": message, "fail_if_not_exists": false });
        }
        body
    }
}

/// The requests of one effect.
struct Request<'a> {
    client: &'a Client,
    fence: &'a Fence,
    nonce: &'a str,
}

impl Request<'_> {
    async fn start_thread(&self, channel: ChannelId, message: MessageId, name: &str) -> Outcome {
        let path = format!("/channels/{}/messages/{}/threads", channel.0, message.0);
        let body = json!({ "name": name, "auto_archive_duration": 1440 });
        match self.send(Method::POST, &path, Some(body)).await {
            Reply::Ok(_) | Reply::Refused { code: code::THREAD_EXISTS, .. } => DONE,
            reply => reply.into(),
        }
    }

    async fn post(&self, channel: ChannelId, message: Post<'_>) -> Outcome {
        let path = format!("/channels/{}/messages", channel.0);
        self.send(Method::POST, &path, Some(message.body(self.nonce))).await.into()
    }

    /// A message that nobody misses where it cannot be said any more: the thread is gone, or closed to the bot.
    async fn notice(&self, channel: ChannelId, message: Post<'_>) -> Outcome {
        let path = format!("/channels/{}/messages", channel.0);
        match self.send(Method::POST, &path, Some(message.body(self.nonce))).await {
            Reply::Refused { .. } => DONE,
            reply => reply.into(),
        }
    }

    /// Where the bot may not, or nothing is there, the thread stays as it is.
    async fn archive(&self, thread: ChannelId) -> Outcome {
        let path = format!("/channels/{}", thread.0);
        match self.send(Method::PATCH, &path, Some(json!({ "archived": true }))).await {
            Reply::Ok(_) | Reply::Refused { .. } => DONE,
            reply => reply.into(),
        }
    }

    async fn post_or_fall_back(
        &self,
        channel: ChannelId,
        message: Post<'_>,
        fallback: Option<(ChannelId, Option<MessageId>)>,
    ) -> Outcome {
        match (self.post(channel, message).await, fallback) {
            (Outcome::GiveUp { .. }, Some((other, reply_to))) if other != channel => {
                self.post(other, Post { reply_to, ..message }).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Edits a message wherever it is. One that is gone needs no edit.
    async fn edit(
        &self,
        message: MessageId,
        channels: &[ChannelId],
        content: &str,
        (controls, lang): (Controls, Lang),
    ) -> Outcome {
        let body = json!({
            "content": content,
            "allowed_mentions": { "parse": [] },
            "components": components(controls, lang, self.nonce),
        });
        for channel in channels {
            let path = format!("/channels/{}/messages/{}", channel.0, message.0);
            let mut reply = self.send(Method::PATCH, &path, Some(body.clone())).await;
            if let Reply::Refused { code: code::THREAD_ARCHIVED, .. } = reply {
                // Whoever may write in it may open it; Discord archives it again by itself.
                let thread = format!("/channels/{}", channel.0);
                reply = match self.send(Method::PATCH, &thread, Some(json!({ "archived": false }))).await {
                    Reply::Ok(_) => self.send(Method::PATCH, &path, Some(body.clone())).await,
                    refused => refused,
                };
            }
            match reply {
                Reply::Refused { code: code::UNKNOWN_MESSAGE | code::UNKNOWN_CHANNEL, .. } => {}
                reply => return reply.into(),
            }
        }
        DONE
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.client.send(self.fence, method, path, body).await
    }
}

impl Client {
    pub(super) async fn send(&self, fence: &Fence, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.send_as(fence, method, path, |request| match &body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    async fn send_as(
        &self,
        fence: &Fence,
        method: Method,
        path: &str,
        with_body: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Reply {
        let to = |base: &str| {
            let request = self.http.request(method.clone(), format!("{base}{path}"));
            let request = request.header(SHARD, fence.shard.get()).header(EPOCH, fence.epoch.get());
            with_body(request)
        };
        let reply = match self.proxies.send(to).await {
            Ok(reply) => reply,
            // The path holds interaction tokens: the URL stays out of the reason.
            Err(error) => return Reply::Again { after: None, reason: error.without_url().to_string() },
        };
        let status = reply.status();
        let after = retry_after(reply.headers());
        // Discord answers 409 too; the header is the proxy's alone.
        if status == StatusCode::CONFLICT
            && let Some(stands) = epoch(reply.headers())
        {
            return Reply::Superseded { stands };
        }
        let body: Value = match reply.bytes().await {
            Ok(body) => serde_json::from_slice(&body).unwrap_or(Value::Null),
            // The proxy is gone in the middle of its answer.
            Err(error) => return Reply::Again { after: None, reason: error.without_url().to_string() },
        };
        if status.is_success() {
            return Reply::Ok(body);
        }
        let text = body["message"].as_str().unwrap_or("no reason given").to_owned();
        // 401 is the bot token's fault, not the request's: it will be taken once the operator has mended the token.
        // An interaction's token that has expired stays so.
        let expired = body["code"] == code::INVALID_WEBHOOK_TOKEN;
        let passing = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED) && !expired;
        if passing || status.is_server_error() {
            return Reply::Again { after, reason: format!("{status}: {text}") };
        }
        Reply::Refused { status, code: body["code"].as_u64().unwrap_or(0), text }
    }
}

fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get("retry-after")?.to_str().ok()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn epoch(headers: &reqwest::header::HeaderMap) -> Option<Epoch> {
    headers.get(EPOCH)?.to_str().ok()?.parse().ok().map(Epoch)
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Ok(body) => {
                let message = body["id"].as_str().and_then(|id| id.parse().ok()).map(MessageId);
                Self::Done { message }
            }
            Reply::Refused { status, code, text } => {
                Self::GiveUp { reason: format!("Discord refused it: {status}, code {code}: {text}") }
            }
            Reply::Again { after, reason } => Self::Again { after, reason },
            Reply::Superseded { stands } => Self::Superseded { stands },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_pings_nobody_but_the_role_it_names() {
        let post = Post {
            ping_role: Some(RoleId(7)),
            ..Post::new("@everyone <@1> <@&7>", Controls::None, Lang::En)
        };
        let mentions = post.body("n")["allowed_mentions"].clone();
        assert_eq!(mentions, json!({ "parse": [], "roles": ["7"], "users": [], "replied_user": false }));
    }

    #[test]
    fn a_post_is_repeatable() {
        let body = Post::new("text", Controls::None, Lang::En).body("the-nonce");
        assert_eq!(
            (body["nonce"].as_str(), body["enforce_nonce"].as_bool()),
            (Some("the-nonce"), Some(true))
        );
    }
}
