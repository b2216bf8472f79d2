//! What is said to a server as a whole: in its system channel, else in the first channel that takes it.
//!
//! Source: <https://discord.com/developers/docs/resources/guild#guild-object>, `system_channel_id`.

use reqwest::Method;
use serde_json::Value;

use super::{DONE, Outcome, Post, Reply, Request};
use crate::deliver::Controls;
use crate::discord::{ChannelId, GuildId};
use crate::texts::Lang;

/// Channels that are tried at the most: refused requests are counted by Discord.
const TRIED: usize = 5;
const TEXT: u64 = 0;

impl Request<'_> {
    /// Done also where nobody lets us: there is nobody else to tell.
    pub(super) async fn tell_server(&self, server: GuildId, content: &str) -> Outcome {
        let guild = match self.send(Method::GET, &format!("/guilds/{}", server.0), None).await {
            Reply::Ok(guild) => guild,
            Reply::Refused { .. } => return DONE,
            reply => return reply.into(),
        };
        let system = id(&guild["system_channel_id"]);
        if let Some(channel) = system {
            match self.say_in(channel, content).await {
                Reply::Refused { .. } => {}
                reply => return reply.into(),
            }
        }
        let channels = match self.send(Method::GET, &format!("/guilds/{}/channels", server.0), None).await {
            Reply::Ok(channels) => channels,
            Reply::Refused { .. } => return DONE,
            reply => return reply.into(),
        };
        for channel in in_order(&channels).into_iter().filter(|id| Some(*id) != system).take(TRIED) {
            match self.say_in(channel, content).await {
                Reply::Refused { .. } => {}
                reply => return reply.into(),
            }
        }
        DONE
    }

    async fn say_in(&self, channel: ChannelId, content: &str) -> Reply {
        let path = format!("/channels/{}/messages", channel.0);
        self.send(Method::POST, &path, Some(Post::new(content, Controls::None, Lang::En).body(self.nonce)))
            .await
    }
}

fn id(value: &Value) -> Option<ChannelId> {
    value.as_str()?.parse().ok().map(ChannelId)
}

/// The text channels, as people see them from above.
fn in_order(channels: &Value) -> Vec<ChannelId> {
    let text = channels.as_array().into_iter().flatten().filter(|channel| channel["type"] == TEXT);
    let mut text: Vec<(i64, ChannelId)> =
        text.filter_map(|it| Some((it["position"].as_i64().unwrap_or(0), id(&it["id"])?))).collect();
    text.sort_unstable();
    text.into_iter().map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_channels_are_tried_from_above() {
        let channels = serde_json::json!([
            { "id": "7", "type": 0, "position": 2 }, { "id": "5", "type": 2, "position": 0 },
            { "id": "6", "type": 0, "position": 1 }, { "id": "x", "type": 0, "position": 0 },
        ]);
        assert_eq!(in_order(&channels), [ChannelId(6), ChannelId(7)]);
        assert_eq!(in_order(&Value::Null), []);
    }
}
