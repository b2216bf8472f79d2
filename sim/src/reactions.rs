//! Reactions to messages: which emoji, by whom, and the events that tell of them.
//! <https://discord.com/developers/docs/resources/message#reaction-object>

use crate::core::Core;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::message::Message;
use crate::posting::intents;
use crate::render::MemberJson;
use crate::rest::error::ApiError;
use crate::store::{Place, Stripe};
use crate::transcript::Kind;
use crate::world::World;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Different emoji on one message.
const MAX_EMOJI: usize = 20;

/// An emoji as reactions name it. Servers here have no emoji of their own, so it is always a Unicode one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Emoji(String);

impl Emoji {
    /// Reads an emoji; anything else is unknown (10014), as is every custom one (`name:id`).
    pub(crate) fn read(text: &str) -> Result<Self, ApiError> {
        let known = !text.is_empty() && text.chars().count() <= 16 && is_emoji(text);
        known.then(|| Self(text.to_owned())).ok_or_else(ApiError::unknown_emoji)
    }

    fn json(&self) -> Value {
        json!({"id": null, "name": self.0})
    }
}

/// Whether a text is one emoji, by the blocks its characters stand in. Joiners, selectors and tags join
/// several characters to one emoji; a keycap is a digit followed by U+20E3.
fn is_emoji(text: &str) -> bool {
    let keycap = text.ends_with('\u{20e3}');
    let mut pictures = 0;
    for c in text.chars() {
        match c {
            '\u{200d}' | '\u{fe0f}' | '\u{20e3}' | '\u{e0020}'..='\u{e007f}' => {}
            '0'..='9' | '#' | '*' if keycap => pictures += 1,
            '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' => pictures += 1,
            '\u{2190}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' => pictures += 1,
            '\u{1f000}'..='\u{1faff}' => pictures += 1,
            _ => return false,
        }
    }
    pictures > 0
}

/// An emoji on a message and who put it there, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reaction {
    pub(crate) emoji: Emoji,
    pub(crate) users: Vec<UserId>,
}

#[derive(Serialize)]
struct EmojiJson<'a> {
    id: Option<()>,
    name: &'a str,
}

#[derive(Serialize)]
struct CountsJson {
    burst: usize,
    normal: usize,
}

#[derive(Serialize)]
pub(crate) struct ReactionJson<'a> {
    emoji: EmojiJson<'a>,
    count: usize,
    count_details: CountsJson,
    me: bool,
    me_burst: bool,
    burst_colors: [(); 0],
}

impl<'a> ReactionJson<'a> {
    pub(crate) fn new(world: &World, reaction: &'a Reaction) -> Self {
        Self {
            emoji: EmojiJson { id: None, name: &reaction.emoji.0 },
            count: reaction.users.len(),
            count_details: CountsJson { burst: 0, normal: reaction.users.len() },
            me: reaction.users.iter().any(|user| world.is_bot(*user)),
            me_burst: false,
            burst_colors: [],
        }
    }
}

/// Which reactions are taken away.
#[derive(Clone, Debug)]
pub(crate) enum Away {
    /// One user's reaction with one emoji.
    One(Emoji, UserId),
    /// All reactions with one emoji.
    Emoji(Emoji),
    /// All reactions.
    All,
}

impl Core {
    /// Puts a reaction on a message; once more by the same user changes nothing. The caller has checked that
    /// the user may react there; `first` tells whether he may bring an emoji nobody used yet.
    pub(crate) fn react(
        &self,
        channel: ChannelId,
        id: MessageId,
        user: UserId,
        emoji: Emoji,
        first: bool,
    ) -> Result<(), ApiError> {
        let place = self.place(channel)?;
        let mut stripe = self.store.lock(place);
        let mut new = self.reactable(&stripe, channel, id, user)?;
        let full = new.reactions.len() >= MAX_EMOJI;
        match new.reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
            Some(known) if known.users.contains(&user) => return Ok(()),
            Some(known) => known.users.push(user),
            None if !first => return Err(ApiError::missing_permissions()),
            None if full => return Err(ApiError::too_many_reactions()),
            None => new.reactions.push(Reaction { emoji: emoji.clone(), users: vec![user] }),
        }
        let author = new.author;
        stripe.replace(Arc::new(new));
        self.record_reaction(channel, id, user, &emoji, true);
        let mut d = self.reaction_event(place, channel, id, Some(&emoji));
        d["user_id"] = json!(user);
        d["message_author_id"] = json!(author);
        (d["burst"], d["type"]) = (json!(false), json!(0));
        if let Some(server) = place.guild().and_then(|guild| self.world.guild(guild)) {
            let changed = stripe.changed(server.id);
            d["member"] = json!(MemberJson::full(&self.world, server, changed, user));
        }
        self.tell_reaction(place, "MESSAGE_REACTION_ADD", &d);
        Ok(())
    }

    /// Takes reactions away. What is not there is no error, but the message and the emoji have to be.
    pub(crate) fn unreact(
        &self,
        channel: ChannelId,
        id: MessageId,
        by: UserId,
        away: Away,
    ) -> Result<(), ApiError> {
        let place = self.place(channel)?;
        let mut stripe = self.store.lock(place);
        let mut new = self.reactable(&stripe, channel, id, by)?;
        match away {
            Away::One(emoji, user) => {
                let known = new.reactions.iter_mut().find(|reaction| reaction.emoji == emoji);
                let known = known.ok_or_else(ApiError::unknown_emoji)?;
                let before = known.users.len();
                known.users.retain(|other| *other != user);
                if known.users.len() == before {
                    return Ok(());
                }
                new.reactions.retain(|reaction| !reaction.users.is_empty());
                stripe.replace(Arc::new(new));
                self.record_reaction(channel, id, user, &emoji, false);
                let mut d = self.reaction_event(place, channel, id, Some(&emoji));
                d["user_id"] = json!(user);
                (d["burst"], d["type"]) = (json!(false), json!(0));
                self.tell_reaction(place, "MESSAGE_REACTION_REMOVE", &d);
            }
            Away::Emoji(emoji) => {
                let before = new.reactions.len();
                new.reactions.retain(|reaction| reaction.emoji != emoji);
                if new.reactions.len() == before {
                    return Err(ApiError::unknown_emoji());
                }
                stripe.replace(Arc::new(new));
                self.record(Kind::ReactionsCleared { channel, message: id, emoji: Some(emoji.0.clone()) });
                let d = self.reaction_event(place, channel, id, Some(&emoji));
                self.tell_reaction(place, "MESSAGE_REACTION_REMOVE_EMOJI", &d);
            }
            Away::All => {
                new.reactions.clear();
                stripe.replace(Arc::new(new));
                self.record(Kind::ReactionsCleared { channel, message: id, emoji: None });
                let d = self.reaction_event(place, channel, id, None);
                self.tell_reaction(place, "MESSAGE_REACTION_REMOVE_ALL", &d);
            }
        }
        Ok(())
    }

    /// A copy of a message that reactions may be put on.
    fn reactable(
        &self,
        stripe: &Stripe,
        channel: ChannelId,
        id: MessageId,
        user: UserId,
    ) -> Result<Message, ApiError> {
        let message = stripe.message(channel, id).filter(|message| message.visible_to(user));
        let message = message.ok_or_else(ApiError::unknown_message)?;
        self.unarchived(stripe, channel)?;
        Ok(Message::clone(message))
    }

    fn record_reaction(&self, channel: ChannelId, message: MessageId, user: UserId, emoji: &Emoji, on: bool) {
        let emoji = emoji.0.clone();
        self.record(if on {
            Kind::Reaction { channel, message, user, emoji }
        } else {
            Kind::ReactionRemoved { channel, message, user, emoji }
        });
    }

    fn reaction_event(
        &self,
        place: Place,
        channel: ChannelId,
        message: MessageId,
        emoji: Option<&Emoji>,
    ) -> Value {
        let mut d = json!({"channel_id": channel, "message_id": message});
        if let Some(emoji) = emoji {
            d["emoji"] = emoji.json();
        }
        if let Some(guild) = place.guild() {
            d["guild_id"] = json!(guild);
        }
        d
    }

    fn tell_reaction(&self, place: Place, name: &'static str, d: &Value) {
        self.dispatch(place, name, intents::reactions(place), d.to_string().into(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_told_from_text() {
        for emoji in ["👍", "❤️", "1️⃣", "👩‍💻", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "✅", "©️"]
        {
            assert_eq!(Emoji::read(emoji).unwrap().0, emoji);
        }
        for text in ["", "x", "thumbsup", ":+1:", "1", "party:123", "👍x", "\u{fe0f}"] {
            assert_eq!(Emoji::read(text).unwrap_err().code, 10_014, "{text:?}");
        }
    }
}
