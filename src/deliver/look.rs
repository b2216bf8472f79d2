//! Looks in a channel whether a message of ours stands there already.
//!
//! Source: <https://discord.com/developers/docs/resources/message#get-channel-messages>. Without the permission to read
//! the history Discord answers with no messages; the message then counts as not there.

use std::time::Duration;

use helpline_cluster::fence::Fence;
use helpline_cluster::ids::Epoch;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::client::{Client, Reply};
use super::resend::Sought;
use crate::discord::{ChannelId, Component, MessageId, User, UserId};

/// Messages of one request, the most that Discord gives.
const PAGE: usize = 100;
/// Requests of one look. A thread with more messages than that since the attempt is not looked through further.
const PAGES: usize = 20;
/// How far our clock may be ahead of Discord's.
const CLOCK_MARGIN: Duration = Duration::from_secs(300);

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    Found(MessageId),
    NotThere,
    /// No answer; to be repeated.
    Again {
        after: Option<Duration>,
        reason: String,
    },
    /// A higher epoch stands for the shard.
    Superseded {
        stands: Epoch,
    },
}

/// A message as far as it tells whether it is ours.
#[derive(Debug, Deserialize)]
struct Seen {
    id: MessageId,
    author: User,
    #[serde(default)]
    content: String,
    #[serde(default)]
    components: Vec<Component>,
}

impl Client {
    /// Looks through what was written in a channel since an effect was first tried. `bot` is who we are, if that is
    /// known; a mark cannot be guessed, so that any bot's message with it is ours.
    pub async fn look(
        &self,
        fence: &Fence,
        channel: ChannelId,
        tried_at: OffsetDateTime,
        sought: Sought<'_>,
        bot: Option<UserId>,
    ) -> Looked {
        let mut after = MessageId::at(tried_at - CLOCK_MARGIN);
        for _ in 0..PAGES {
            let path = format!("/channels/{}/messages?limit={PAGE}&after={}", channel.0, after.0);
            let page = match self.send(fence, Method::GET, &path, None).await {
                Reply::Ok(page) => page,
                // Gone, or hidden from us: a message there is none that anybody could see twice.
                Reply::Refused { status: StatusCode::NOT_FOUND | StatusCode::FORBIDDEN, .. } => break,
                Reply::Refused { status, text, .. } => {
                    return Looked::Again { after: None, reason: format!("{status}: {text}") };
                }
                Reply::Again { after, reason } => return Looked::Again { after, reason },
                Reply::Superseded { stands } => return Looked::Superseded { stands },
            };
            let page = read(page);
            if let Some(found) = page.iter().find(|message| is_sought(message, sought, bot)) {
                return Looked::Found(found.id);
            }
            match page.iter().map(|message| message.id).max() {
                Some(newest) if page.len() >= PAGE => after = newest,
                _ => break,
            }
        }
        Looked::NotThere
    }
}

/// A message of a kind that we do not know is none of ours, but counts for paging.
fn read(page: Value) -> Vec<Seen> {
    let Value::Array(messages) = page else { return Vec::new() };
    messages.into_iter().filter_map(|message| serde_json::from_value(message).ok()).collect()
}

fn is_sought(message: &Seen, sought: Sought<'_>, bot: Option<UserId>) -> bool {
    let ours = message.author.bot && bot.is_none_or(|bot| bot == message.author.id);
    let custom_ids: Vec<&str> = message.components.iter().flat_map(Component::custom_ids).collect();
    ours && sought.is(&message.content, &custom_ids)
}
