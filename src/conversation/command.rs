//! What can happen to a conversation, and what follows from it. Pure data.

use helpline_cluster::ids::ServerId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::ticket::{Act, Ticket};
use crate::answer::{self, Answer};
use crate::deliver::{Effect, OutboxKey};
use crate::discord::{ApplicationId, ChannelId, InteractionId, MessageId, RoleId, UserId};
use crate::texts::Lang;

/// Where a question was asked, and so where its answer goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Origin {
    /// A message. `in_thread`: it stands in a thread already, so that none can be started from it.
    Message { channel: ChannelId, message: MessageId, in_thread: bool },
    /// `/ask`.
    Slash {
        channel: ChannelId,
        interaction: InteractionId,
        application: ApplicationId,
        token: String,
        in_thread: bool,
        /// Only whoever asked sees the answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        private: bool,
    },
}

/// Interaction tokens stay out of every log.
impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message { message, .. } => write!(f, "{message}"),
            Self::Slash { interaction, .. } => write!(f, "{interaction}"),
        }
    }
}

impl Origin {
    /// The id of the message or interaction: the event key that overlaps and backfill share.
    pub fn event_id(&self) -> String {
        match self {
            Self::Message { message, .. } => message.0.to_string(),
            Self::Slash { interaction, .. } => interaction.0.to_string(),
        }
    }

    /// The same as Discord counts its ids: it says when the question was asked.
    pub fn id(&self) -> MessageId {
        match self {
            Self::Message { message, .. } => *message,
            Self::Slash { interaction, .. } => MessageId(interaction.0),
        }
    }

    pub fn channel(&self) -> ChannelId {
        match self {
            Self::Message { channel, .. } | Self::Slash { channel, .. } => *channel,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub origin: Origin,
    pub author: UserId,
    pub text: String,
    pub asked_at: OffsetDateTime,
    /// In which its answer is dressed.
    pub lang: Lang,
}

/// A press of a button, a choice in a menu, or a form that was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Press {
    pub server: ServerId,
    pub interaction: InteractionId,
    pub application: ApplicationId,
    pub token: String,
    pub user: UserId,
    pub pressed_at: OffsetDateTime,
    /// In which whoever pressed is answered.
    pub lang: Lang,
}

/// How staff are called, should it come to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub server: ServerId,
    pub support_role: Option<RoleId>,
    /// The id of the ticket that is opened then.
    pub ticket: Uuid,
    /// In which they are called.
    pub lang: Lang,
}

#[derive(Clone)]
pub enum Command {
    /// A question to the bot, the first one or a later one.
    Ask(Question),
    /// Talk in the conversation's thread that is not a question to the bot.
    Overhear { question: Question, by_staff: bool },
    /// An answer was found for an [`AnswerJob`]. `call`: for an answerer that hands over.
    Answered { job: AnswerJob, answer: Answer, at: OffsetDateTime, call: Call },
    /// A question that is not answered yet reads differently now.
    Edit { event_id: String, text: String },
    /// A question that was answered just now reads differently.
    Revise { question: MessageId, channel: ChannelId, text: String, edited_at_ms: i64, lang: Lang },
    /// A question that is not answered yet was deleted.
    Retract { event_id: String },
    /// A member wants a human. `voted`: whether the last answer helped.
    AskHuman { press: Press, call: Call, voted: Option<bool> },
    /// Somebody of the staff does something to a ticket of the conversation.
    Act { press: Press, ticket: Ticket, act: Act },
    /// Somebody of the staff is about to resolve a ticket, and is asked for notes.
    AskNotes { press: Press, ticket: Ticket },
    /// Somebody says whether the answer to a question helped.
    Vote { press: Press, question: MessageId, helpful: bool },
    /// Somebody needs nothing more.
    Close { press: Press },
    /// Whoever asked has been silent for so long that he is warned, or nothing more is waited for. `ticket`: the one that
    /// is open.
    Silence { due: Due, ticket: Option<Ticket>, at: OffsetDateTime, lang: Lang },
    /// Somebody of the staff lets the bot say something here in his name. `lang`: in which everybody reads the name.
    Speak { press: Press, text: String, lang: Lang },
    /// Somebody of the staff wrote where only they read, to whoever asked in direct messages.
    PassOn { question: Question },
}

impl Command {
    /// When it happened; none for what changes nothing that counts.
    pub fn at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Ask(question) | Self::Overhear { question, .. } | Self::PassOn { question } => {
                Some(question.asked_at)
            }
            Self::Answered { at, .. } | Self::Silence { at, .. } => Some(*at),
            Self::AskHuman { press, .. }
            | Self::Act { press, .. }
            | Self::AskNotes { press, .. }
            | Self::Vote { press, .. }
            | Self::Close { press }
            | Self::Speak { press, .. } => Some(press.pressed_at),
            Self::Edit { .. } | Self::Revise { .. } | Self::Retract { .. } => None,
        }
    }
}

/// What is due when nobody wrote for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// He is told when it is closed.
    Warning {
        closes_at: OffsetDateTime,
    },
    Close,
}

/// A question that waits for its answer. Stored as JSON: fields may be added, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerJob {
    pub origin: Origin,
    pub author: UserId,
    pub question: String,
    /// What was said before, oldest first.
    pub history: Vec<answer::Turn>,
    /// The answer opens the thread's talk, so it needs no reference to the question.
    pub first: bool,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub asked_at: OffsetDateTime,
    /// The edit that `question` reads as; none: as it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at_ms: Option<i64>,
    #[serde(default)]
    pub lang: Lang,
    /// It was answered, and edited a moment later: what is found now takes the place of the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
}

/// What the caller of [`super::state::Conversation::apply`] has to store in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Answer(AnswerJob),
    Deliver(OutboxKey, Effect),
    /// A forwarded ticket is to be opened.
    OpenTicket(Uuid),
    /// A ticket is to stand like this.
    ChangeTicket(Ticket),
    /// In the place of what was said of that answer before.
    Vote(Vote),
    /// A question counts as resolved from now on.
    Resolved {
        question: MessageId,
        by: ResolvedBy,
    },
    /// It does not any more.
    Unresolved {
        question: MessageId,
    },
}

/// Who says that a question is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolvedBy {
    /// Whoever asked: the answer helped him.
    Vote,
    /// Whoever asked: he needs nothing more. Not when he said that the answer did not help.
    Asker,
    Staff,
    /// Nobody: it is assumed, because whoever asked fell silent. Not when he said that the answer did not help.
    Silence,
}

/// What whoever asked says of the answer to his question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    pub question: MessageId,
    pub user: UserId,
    pub helpful: bool,
}
