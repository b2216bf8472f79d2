//! Which of the bot's messages answers which question, by structure alone.
//!
//! - A message that answers an interaction (original response or follow-up) belongs to the interaction.
//! - A message that replies to a member's message belongs to that message.
//! - Any other message in a thread belongs to what the thread was started from: a member's message, or the
//!   interaction whose response it was.
//! - Anything else is a stray.

use crate::ids::{ChannelId, GuildId, InteractionId, MessageId};
use crate::transcript::{BotMessage, Component, Entry, Kind, Pinged};
use serde::Serialize;
use std::collections::HashMap;

/// What was asked with: a message or an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionId {
    /// A member's message.
    Message(MessageId),
    /// A slash command or a pressed button.
    Interaction(InteractionId),
}

/// A visible message of the bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The message.
    pub message: MessageId,
    /// Server; `None` in a direct message.
    pub guild: Option<GuildId>,
    /// Channel or thread.
    pub channel: ChannelId,
    /// When its text could first be read, in Unix milliseconds.
    pub at_ms: u64,
    /// Text as it stands now.
    pub content: String,
    /// Buttons and menus as they stand now.
    pub components: Vec<Component>,
    /// Who was notified.
    pub pinged: Pinged,
    /// Whether only the asking member sees it.
    pub ephemeral: bool,
}

/// Reads transcript entries in order and sorts the bot's messages under what they answer.
#[derive(Debug, Default)]
pub struct Matcher {
    answers: HashMap<QuestionId, Vec<Answer>>,
    owners: HashMap<MessageId, QuestionId>,
    threads: HashMap<ChannelId, MessageId>,
    originals: HashMap<InteractionId, MessageId>,
    strays: Vec<Answer>,
    failed: Vec<InteractionId>,
}

impl Matcher {
    /// A matcher that has read these entries.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut matcher = Self::default();
        for entry in entries {
            matcher.feed(entry);
        }
        matcher
    }

    /// Reads the next entry. Returns the question that has a new answer by it.
    pub fn feed(&mut self, entry: &Entry) -> Option<QuestionId> {
        match &entry.kind {
            Kind::ThreadStarted { from_message, thread, .. } => {
                self.threads.insert(*thread, *from_message);
                None
            }
            Kind::InteractionFailed { interaction } => {
                self.failed.push(*interaction);
                None
            }
            Kind::BotMessage(message) => self.posted(entry.at_ms, message),
            Kind::BotEdit(message) => self.edited(entry.at_ms, message),
            Kind::BotDelete { id, .. } => {
                if let Some(list) = self.owners.remove(id).and_then(|owner| self.answers.get_mut(&owner)) {
                    list.retain(|answer| answer.message != *id);
                }
                None
            }
            _ => None,
        }
    }

    fn posted(&mut self, at_ms: u64, message: &BotMessage) -> Option<QuestionId> {
        let owner = self.owner_of(message);
        match owner {
            Some(owner) => {
                self.owners.insert(message.id, owner);
                if let (QuestionId::Interaction(id), true) = (owner, message.interaction.is_some()) {
                    self.originals.entry(id).or_insert(message.id);
                }
                if message.loading {
                    return None;
                }
                self.answers.entry(owner).or_default().push(answer(at_ms, message));
            }
            None => self.strays.push(answer(at_ms, message)),
        }
        owner
    }

    fn edited(&mut self, at_ms: u64, message: &BotMessage) -> Option<QuestionId> {
        let owner = *self.owners.get(&message.id)?;
        let list = self.answers.entry(owner).or_default();
        if let Some(known) = list.iter_mut().find(|known| known.message == message.id) {
            *known = Answer { at_ms: known.at_ms, ..answer(at_ms, message) };
            return None;
        }
        list.push(answer(at_ms, message));
        Some(owner)
    }

    fn owner_of(&self, message: &BotMessage) -> Option<QuestionId> {
        if let Some(interaction) = message.interaction {
            return Some(QuestionId::Interaction(interaction));
        }
        if let Some(reference) = message.reference {
            return Some(QuestionId::Message(reference));
        }
        let start = *self.threads.get(&message.channel)?;
        Some(self.owners.get(&start).copied().unwrap_or(QuestionId::Message(start)))
    }

    /// The answers to a question, in the order they became visible.
    pub fn answers(&self, question: QuestionId) -> &[Answer] {
        self.answers.get(&question).map_or(&[], Vec::as_slice)
    }

    /// All questions that have answers.
    pub fn answered(&self) -> impl Iterator<Item = (QuestionId, &[Answer])> {
        self.answers
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(question, list)| (*question, list.as_slice()))
    }

    /// The thread in which the conversation about a question goes on, once there is one.
    pub fn thread(&self, question: QuestionId) -> Option<ChannelId> {
        let start = match question {
            QuestionId::Message(message) => message,
            QuestionId::Interaction(interaction) => *self.originals.get(&interaction)?,
        };
        self.threads.contains_key(&start.thread()).then_some(start.thread())
    }

    /// The bot's messages that answer nothing.
    pub fn strays(&self) -> &[Answer] {
        &self.strays
    }

    /// Interactions that were not answered in time.
    pub fn failed(&self) -> &[InteractionId] {
        &self.failed
    }
}

fn answer(at_ms: u64, message: &BotMessage) -> Answer {
    Answer {
        message: message.id,
        guild: message.guild,
        channel: message.channel,
        at_ms,
        content: message.content.clone(),
        components: message.components.clone(),
        pinged: message.pinged.clone(),
        ephemeral: message.ephemeral,
    }
}
