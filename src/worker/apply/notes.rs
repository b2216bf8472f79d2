//! What the bot says in a channel instead of an answer. Each note is a reply to the message that it is about.

use std::time::Duration;

use helpline_cluster::ids::ServerId;

use super::{Error, T1};
use crate::deliver::render::ticket::link;
use crate::deliver::{Controls, Effect};
use crate::discord::{ChannelId, Message, MessageId, UserId};
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};

/// What nothing else bounds is said to one member at most once in such a while.
const WHILE: Duration = Duration::from_secs(600);

/// The event key of a note that is given to a member once in a while.
pub(super) fn once_in_a_while(what: &str, server: ServerId, user: UserId, event: MessageId) -> String {
    let the_while = event.unix_ms() / 1_000 / WHILE.as_secs();
    format!("{what}:{}:{}:{the_while}", server.get(), user.0)
}

impl T1 {
    /// Says something in answer to a message.
    pub(super) async fn reply(
        &mut self,
        server: ServerId,
        channel: ChannelId,
        message: MessageId,
        effect: &'static str,
        (text, lang): (String, Lang),
    ) -> Result<(), Error> {
        let post = Effect::Post {
            channel,
            content: text,
            reply_to: Some(message),
            controls: Controls::None,
            ping_role: None,
            ping_user: None,
            fallback: None,
            asked_at_ms: None,
            lang,
        };
        self.deliver_alone(server, message.0.to_string(), effect, post).await
    }

    /// Says something about a message to whoever wrote it, alone if he takes direct messages.
    pub(super) async fn whisper(
        &mut self,
        server: ServerId,
        user: UserId,
        (channel, message): (ChannelId, MessageId),
        (text, lang): (String, Lang),
    ) -> Result<(), Error> {
        let content = format!("{text}\n-# {}", link(server, channel, Some(message)));
        let whisper = Effect::Whisper { user, content, channel, message, lang };
        self.deliver_alone(server, message.0.to_string(), "limit", whisper).await
    }

    /// The bot was mentioned, and nothing was asked.
    pub(super) async fn hint(
        &mut self,
        server: ServerId,
        message: &Message,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let once = once_in_a_while("hint", server, message.author.id, message.id);
        if !self.tx.remember_event(&once).await? {
            return Ok(());
        }
        let lang = Lang::of_server(config);
        self.reply(server, message.channel_id, message.id, "hint", (say!(lang, "hint"), lang)).await
    }
}
