//! What members ask, how they behave, and the record of what they asked.

use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, UserId};
use crate::matching::{Answer, QuestionId};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A server of the world, by position or by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRef {
    /// Position, 0-based.
    Index(usize),
    /// Guild id.
    Id(GuildId),
}

/// Something to ask after the first answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What is written.
    pub text: String,
    /// Comes back in [`Asked::tag`].
    pub tag: Value,
}

/// Something to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it is asked; `None` is any server.
    pub server: Option<ServerRef>,
    /// What is written.
    pub text: String,
    /// Comes back in [`Asked::tag`].
    pub tag: Value,
    /// Asked in turn in the answer's thread. Without any, another question for the same server is asked.
    pub follow_ups: Vec<FollowUp>,
}

impl Question {
    /// A question for a server, without follow-ups of its own.
    pub fn new(server: Option<ServerRef>, text: impl Into<String>, tag: Value) -> Self {
        Self { server, text: text.into(), tag, follow_ups: Vec::new() }
    }
}

/// All there is to ask. Questions are dealt like cards: each once before any comes again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The questions.
    pub questions: Vec<Question>,
}

/// How members behave.
#[derive(Clone, Debug)]
pub struct Params {
    /// First questions a second, at random times. 0 leaves it to bursts. Default 5.
    pub questions_per_s: f64,
    /// How long they ask. Default 30 s.
    pub duration: Duration,
    /// Members of each server that take part; 0 is all. Default all.
    pub members: usize,
    /// Decides who asks what, where and how. Default 1.
    pub seed: u64,
    /// Share of answers that lead to a follow-up. Default 0.3.
    pub follow_up_share: f64,
    /// Share of follow-ups that are two messages at once. Default 0.2.
    pub double_share: f64,
    /// Most questions in one thread, the first included. Default 4.
    pub max_turns: usize,
    /// Share of first questions asked by slash command, once the bot has registered it. Default 0.2.
    pub slash_share: f64,
    /// Share of first questions asked by mentioning the bot in the general channel. Default 0.2.
    pub mention_share: f64,
    /// Share of answers whose button is pressed. Default 0.05.
    pub press_share: f64,
    /// Which button: the first whose custom id begins so; `None` is the first of all.
    pub press_prefix: Option<String>,
    /// The slash command, and its option that takes the question. Default `ask`, `question`.
    pub command: (String, String),
    /// Ordinary chat a second in general channels, which asks nothing. Default 0.
    pub chatter_per_s: f64,
    /// Time between an answer and what a member does about it. Default 250 ms.
    pub think: Duration,
    /// How long an answer is awaited. Default 15 s.
    pub deadline: Duration,
    /// How long the end waits after the last answer, so that one said twice is still seen. Default 1 s.
    pub linger: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            questions_per_s: 5.0,
            duration: Duration::from_secs(30),
            members: 0,
            seed: 1,
            follow_up_share: 0.3,
            double_share: 0.2,
            max_turns: 4,
            slash_share: 0.2,
            mention_share: 0.2,
            press_share: 0.05,
            press_prefix: None,
            command: ("ask".to_owned(), "question".to_owned()),
            chatter_per_s: 0.0,
            think: Duration::from_millis(250),
            deadline: Duration::from_secs(15),
            linger: Duration::from_secs(1),
        }
    }
}

/// In which way a question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A message in the support channel.
    Support,
    /// A message in the general channel that mentions the bot.
    Mention,
    /// The slash command, in the general channel.
    Slash,
    /// A message in the thread of an earlier answer.
    FollowUp,
}

/// A button pressed on an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pressed {
    /// The answer.
    pub message: MessageId,
    /// The interaction it made.
    pub interaction: InteractionId,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// A question as it was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Position of the question in the script.
    pub question: usize,
    /// Position in the question's follow-ups, where it is one of them.
    pub follow_up: Option<usize>,
    /// Tag of the question or follow-up.
    pub tag: Value,
    /// What was written, without the mention.
    pub text: String,
    /// In which way.
    pub how: How,
    /// Position of the server in the world.
    pub server: usize,
    /// Its guild id.
    pub guild: GuildId,
    /// Channel or thread it was asked in.
    pub channel: ChannelId,
    /// The thread the conversation goes on in, once there is one.
    pub thread: Option<ChannelId>,
    /// Who asked.
    pub member: UserId,
    /// The message or interaction.
    pub id: QuestionId,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// Index of the first question of the thread, for a follow-up.
    pub follow_up_of: Option<usize>,
    /// The answers seen, in the order they became visible.
    pub answers: Vec<Answer>,
    /// The button pressed on an answer.
    pub pressed: Option<Pressed>,
}

impl Asked {
    /// Milliseconds to the first visible answer.
    pub fn latency_ms(&self) -> Option<u64> {
        self.answers.first().map(|answer| answer.at_ms.saturating_sub(self.at_ms))
    }
}
