//! Interactions: which are open, how they were answered, and which were not in time.
//!
//! The first answer has to come within the deadline (3 s); after that the token serves edits and follow-ups
//! until it expires (15 min).
//! <https://discord.com/developers/docs/interactions/receiving-and-responding>

use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use crate::lock;
use crate::message::Cause;
use crate::store::Place;
use serde::Serialize;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// Interaction types used here.
pub(crate) const COMMAND: u8 = 2;
pub(crate) const COMPONENT: u8 = 3;
pub(crate) const AUTOCOMPLETE: u8 = 4;
pub(crate) const MODAL_SUBMIT: u8 = 5;

/// The command of an interaction, and what it was used on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// Name with group and sub-command, such as `config set`.
    pub(crate) name: String,
    /// Command type: 1 slash, 2 user, 3 message.
    pub(crate) kind: u64,
    pub(crate) target_user: Option<UserId>,
    pub(crate) target_message: Option<MessageId>,
    /// Type of the option that choices are asked for, in an autocomplete interaction.
    pub(crate) focused: Option<u64>,
}

/// What a member does to open an interaction.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) kind: u8,
    pub(crate) place: Place,
    pub(crate) channel: ChannelId,
    pub(crate) member: UserId,
    /// The message whose component was used, also when that opened the modal now submitted.
    pub(crate) pressed: Option<MessageId>,
    pub(crate) used: Option<Arc<Used>>,
    /// The interaction whose answer was the modal now submitted.
    pub(crate) opener: Option<Arc<Interaction>>,
}

/// How far an interaction has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// No answer yet.
    Waiting,
    /// Answered with this callback type, after so many milliseconds.
    Answered {
        /// Callback type.
        callback: u64,
        /// Milliseconds from the member's act.
        after_ms: u64,
        /// The original response, or the message that a component update changed.
        original: Option<MessageId>,
    },
    /// "The application did not respond."
    Failed,
}

/// What the member was shown besides messages.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// A modal that has not been submitted yet.
    pub(crate) modal: Option<Arc<Value>>,
    /// Choices of an autocomplete interaction.
    pub(crate) choices: Option<Arc<Value>>,
}

#[derive(Debug)]
pub(crate) struct Interaction {
    pub(crate) id: InteractionId,
    pub(crate) token: String,
    pub(crate) kind: u8,
    pub(crate) place: Place,
    pub(crate) channel: ChannelId,
    pub(crate) member: UserId,
    /// The message whose component was pressed.
    pub(crate) pressed: Option<MessageId>,
    pub(crate) used: Option<Arc<Used>>,
    pub(crate) opener: Option<Arc<Interaction>>,
    pub(crate) at: Instant,
    phase: Mutex<Phase>,
    shown: Mutex<Shown>,
}

impl Interaction {
    /// The phase; holding it keeps two first answers apart.
    pub(crate) fn phase(&self) -> MutexGuard<'_, Phase> {
        lock(&self.phase)
    }

    pub(crate) fn shown(&self) -> MutexGuard<'_, Shown> {
        lock(&self.shown)
    }

    /// As the messages that answer it carry it.
    pub(crate) fn cause(&self, original: Option<MessageId>) -> Cause {
        Cause {
            interaction: self.id,
            kind: self.kind,
            user: self.member,
            pressed: self.pressed,
            used: self.used.clone(),
            trigger: self.opener.as_ref().map(|opener| Arc::new(opener.cause(None))),
            original,
        }
    }
}

#[derive(Debug, Default)]
struct Registry {
    by_token: HashMap<String, Arc<Interaction>>,
    by_id: HashMap<InteractionId, Arc<Interaction>>,
    /// In the order of their making: the next to reach the deadline, then the next to expire.
    waiting: VecDeque<Arc<Interaction>>,
    kept: VecDeque<Arc<Interaction>>,
}

#[derive(Debug, Default)]
pub(crate) struct Interactions {
    registry: Mutex<Registry>,
}

impl Interactions {
    /// `secret` makes the token one that cannot be guessed.
    pub(crate) fn open(
        &self,
        id: InteractionId,
        secret: &str,
        at: Instant,
        opening: Opening,
    ) -> Arc<Interaction> {
        let interaction = Arc::new(Interaction {
            id,
            token: format!("aW50ZXJhY3Rpb24{:x}{secret}", id.get()),
            kind: opening.kind,
            place: opening.place,
            channel: opening.channel,
            member: opening.member,
            pressed: opening.pressed,
            used: opening.used,
            opener: opening.opener,
            at,
            phase: Mutex::new(Phase::Waiting),
            shown: Mutex::default(),
        });
        let mut registry = lock(&self.registry);
        registry.by_token.insert(interaction.token.clone(), interaction.clone());
        registry.by_id.insert(id, interaction.clone());
        registry.waiting.push_back(interaction.clone());
        registry.kept.push_back(interaction.clone());
        interaction
    }

    pub(crate) fn by_token(&self, token: &str) -> Option<Arc<Interaction>> {
        lock(&self.registry).by_token.get(token).cloned()
    }

    pub(crate) fn by_id(&self, id: InteractionId) -> Option<Arc<Interaction>> {
        lock(&self.registry).by_id.get(&id).cloned()
    }

    /// Fails those past the deadline and returns them.
    pub(crate) fn fail_overdue(&self, now: Instant, deadline: Duration) -> Vec<InteractionId> {
        let mut failed = Vec::new();
        let mut registry = lock(&self.registry);
        while registry.waiting.front().is_some_and(|oldest| now.duration_since(oldest.at) >= deadline) {
            if let Some(interaction) = registry.waiting.pop_front() {
                let mut phase = interaction.phase();
                if *phase == Phase::Waiting {
                    *phase = Phase::Failed;
                    failed.push(interaction.id);
                }
            }
        }
        failed
    }

    pub(crate) fn clear(&self) {
        *lock(&self.registry) = Registry::default();
    }

    pub(crate) fn forget_expired(&self, now: Instant, life: Duration) {
        let mut registry = lock(&self.registry);
        while registry.kept.front().is_some_and(|oldest| now.duration_since(oldest.at) >= life) {
            if let Some(interaction) = registry.kept.pop_front() {
                registry.by_token.remove(&interaction.token);
                registry.by_id.remove(&interaction.id);
            }
        }
    }
}
