//! What direct messages need of Discord: whether somebody is in a server, a thread for its staff, and the list of servers.
//!
//! Sources: <https://discord.com/developers/docs/resources/guild#get-guild-member>, #list-active-guild-threads, and
//! <https://discord.com/developers/docs/resources/channel#start-thread-without-message>.

use helpline_cluster::fence::Fence;
use helpline_cluster::ids::ServerId;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Outcome, Post, Reply, Request};
use crate::deliver::{Controls, Effect};
use crate::discord::{ChannelId, MAX_THREAD_NAME_CHARS, MessageId, UserId};
use crate::first_reply::DM_SERVER;
use crate::texts::{Lang, say};

/// Channels that are tried at the most: refused requests are counted by Discord.
const TRIED: usize = 5;
const PRIVATE_THREAD: u64 = 12;
/// Codes for: unknown server, member or user, and no access. Everything else says nothing of the member.
const NOT_THERE: [u64; 4] = [10_004, 10_007, 10_013, 50_001];
/// Of the name of an option.
const LABEL_CHARS: usize = 100;

/// The list from which a member chooses a server. `mark`: ends its custom id.
pub fn list_of_servers(servers: &[(String, String)], lang: Lang, mark: &str) -> Value {
    let option = |(id, name): &(String, String)| {
        let name: String = name.trim().chars().take(LABEL_CHARS).collect();
        json!({ "label": if name.is_empty() { id } else { &name }, "value": id })
    };
    json!([{ "type": 1, "components": [{
        "type": 3,
        "custom_id": format!("{DM_SERVER}{mark}"),
        "placeholder": say!(lang, "placeholder-server"),
        "options": servers.iter().map(option).collect::<Value>(),
    }]}])
}

impl Client {
    /// Whether a user is in a server.
    ///
    /// # Errors
    /// When Discord does not say it now.
    pub async fn is_member(&self, fence: &Fence, server: ServerId, user: UserId) -> Result<bool, String> {
        let path = format!("/guilds/{}/members/{}", server.get(), user.0);
        match self.send(fence, Method::GET, &path, None).await {
            Reply::Ok(_) => Ok(true),
            Reply::Refused { code, .. } if NOT_THERE.contains(&code) => Ok(false),
            Reply::Refused { status, text, .. } => Err(format!("{status}: {text}")),
            Reply::Again { reason, .. } => Err(reason),
            Reply::Superseded { stands } => Err(format!("superseded by {stands}")),
        }
    }

    /// The channel of a user's direct messages, opened if need be; none when Discord opens none for him.
    ///
    /// # Errors
    /// When Discord does not say it now.
    pub async fn direct_channel(&self, fence: &Fence, user: UserId) -> Result<Option<ChannelId>, Outcome> {
        match self
            .send(fence, Method::POST, "/users/@me/channels", Some(json!({ "recipient_id": user })))
            .await
        {
            Reply::Ok(channel) => Ok(channel["id"].as_str().and_then(|id| id.parse().ok()).map(ChannelId)),
            Reply::Refused { .. } => Ok(None),
            reply => Err(reply.into()),
        }
    }

    /// The private thread of this name, made if it is not there yet, in the first of these channels that takes one. Its id
    /// is the outcome's.
    pub async fn staff_thread(
        &self,
        fence: &Fence,
        server: ServerId,
        channels: &[u64],
        name: &str,
    ) -> Outcome {
        let name: String = name.chars().take(MAX_THREAD_NAME_CHARS).collect();
        // After an attempt whose outcome is not known.
        let path = format!("/guilds/{}/threads/active", server.get());
        match self.send(fence, Method::GET, &path, None).await {
            Reply::Ok(active) => {
                let threads = active["threads"].as_array().into_iter().flatten();
                let is_it =
                    |it: &&Value| it["type"] == PRIVATE_THREAD && it["name"].as_str() == Some(name.as_str());
                if let Some(id) =
                    threads.into_iter().find(is_it).and_then(|it| it["id"].as_str()?.parse().ok())
                {
                    return Outcome::Done { message: Some(MessageId(id)) };
                }
            }
            Reply::Refused { .. } => {}
            reply => return reply.into(),
        }
        let mut refused = "no support channel is set".to_owned();
        for channel in channels.iter().take(TRIED) {
            let body = json!({ "name": name, "type": PRIVATE_THREAD, "auto_archive_duration": 10_080, "invitable": false });
            match self.send(fence, Method::POST, &format!("/channels/{channel}/threads"), Some(body)).await {
                Reply::Refused { status, text, .. } => refused = format!("{status}: {text}"),
                reply => return reply.into(),
            }
        }
        Outcome::GiveUp { reason: format!("no private thread could be made: {refused}") }
    }
}

impl Client {
    /// Deletes a message of ours wherever it is. One that is gone needs no deletion.
    pub async fn delete_message(&self, fence: &Fence, channels: &[ChannelId], message: MessageId) -> Outcome {
        for channel in channels {
            let path = format!("/channels/{}/messages/{}", channel.0, message.0);
            match self.send(fence, Method::DELETE, &path, None).await {
                Reply::Ok(_) => break,
                Reply::Refused { .. } => {}
                reply => return reply.into(),
            }
        }
        Outcome::Done { message: None }
    }
}

impl Request<'_> {
    pub(super) async fn in_direct_messages(&self, effect: &Effect) -> Outcome {
        match effect {
            Effect::Relay { channel, content, staff_thread, message, lang } => {
                self.relay(*channel, content, (*staff_thread, *message), *lang).await
            }
            Effect::Whisper { user, content, channel, message, lang } => {
                self.whisper(*user, content, (*channel, *message), *lang).await
            }
            Effect::ChooseServer { channel, servers, reply_to, lang } => {
                self.ask_for_server(*channel, servers, *reply_to, *lang).await
            }
            _ => super::not_looked_up(),
        }
    }

    async fn relay(
        &self,
        channel: ChannelId,
        content: &str,
        (staff_thread, message): (ChannelId, MessageId),
        lang: Lang,
    ) -> Outcome {
        match self.post(channel, Post::new(content, Controls::None, lang)).await {
            Outcome::GiveUp { .. } => {
                let told = say!(lang, "dm-refused");
                let told = Post { reply_to: Some(message), ..Post::new(&told, Controls::None, lang) };
                self.post(staff_thread, told).await
            }
            outcome => outcome,
        }
    }

    async fn whisper(
        &self,
        user: UserId,
        content: &str,
        (channel, message): (ChannelId, MessageId),
        lang: Lang,
    ) -> Outcome {
        let post = Post::new(content, Controls::None, lang);
        match self.client.direct_channel(self.fence, user).await {
            Ok(Some(direct)) => match self.post(direct, post).await {
                Outcome::GiveUp { .. } => {}
                outcome => return outcome,
            },
            Ok(None) => {}
            Err(outcome) => return outcome,
        }
        self.post(channel, Post { reply_to: Some(message), ..post }).await
    }

    async fn ask_for_server(
        &self,
        channel: ChannelId,
        servers: &[(String, String)],
        reply_to: MessageId,
        lang: Lang,
    ) -> Outcome {
        let text = say!(lang, "dm-choose");
        let post = Post { reply_to: Some(reply_to), ..Post::new(&text, Controls::None, lang) };
        let mut body = post.body(self.nonce);
        body["components"] = list_of_servers(servers, lang, self.nonce);
        self.send(Method::POST, &format!("/channels/{}/messages", channel.0), Some(body)).await.into()
    }
}
