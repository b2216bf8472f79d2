//! The conversation as a state machine. Pure: no I/O, no clock; time comes in with the command.

mod direct;
mod presses;
mod revise;
mod silence;
mod tickets;

pub use silence::{Next, Timer};
pub use tickets::{answer_to, last_question};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::command::{Action, AnswerJob, Call, Command, Origin, Question};
use crate::answer::{self, Answer, Citation};
use crate::deliver::{Controls, Effect, OutboxKey, render};
use crate::discord::{ChannelId, MessageId, UserId};

/// How many earlier turns go along with a question: two questions with their answers, and some talk.
const HISTORY_TURNS: usize = 6;

#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub id: Uuid,
    /// Where it began.
    pub channel: ChannelId,
    /// Where it goes on; none until a thread was started.
    pub thread: Option<ChannelId>,
    pub user: UserId,
    pub status: Status,
    pub transcript: Vec<Turn>,
    /// It is held in direct messages, which the staff of the server do not see.
    pub direct: bool,
    /// Where they see of it what is for them; none until they were called.
    pub staff_thread: Option<ChannelId>,
}

/// `conversations.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Active,
    /// A human has it: the bot stays silent.
    Forwarded,
    Completed,
}

/// One entry of `conversations.transcript`. Stored as JSON: variants and fields may be added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Turn {
    Member {
        event_id: String,
        user: UserId,
        text: String,
        /// False: said in the thread, but not to the bot.
        #[serde(default = "yes")]
        asked: bool,
        /// Somebody who helps here said it, and not to the bot.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_staff: bool,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    Assistant {
        /// The event id of the question.
        answers: String,
        text: String,
        action: answer::Action,
        citations: Vec<Citation>,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// The question was edited, and this took the place of an earlier answer: it happens once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        anew: bool,
    },
    Forwarded {
        user: UserId,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// None: by an earlier release.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Because>,
    },
    /// Staff took a step with a ticket, named as in [`super::ticket::TRANSITIONS`].
    Ticket {
        ticket: Uuid,
        step: String,
        by: UserId,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// Whoever asked needed nothing more.
    Closed {
        user: UserId,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// He was silent for too long, and did nothing else.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_silence: bool,
    },
}

/// Why a member asked for a human, as far as it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// The documents hold no answer.
    NothingFound,
    /// Whoever asked said that the answer did not help.
    NotHelpful,
    /// There is an answer, and nothing was said of it, or that it helped.
    Answered,
    /// There is no answer yet.
    Unanswered,
    /// The chat model left the question to a human.
    Model(answer::Reason),
}

impl Turn {
    fn said(&self) -> Option<answer::Turn> {
        let (speaker, text, asks_back) = match self {
            Self::Member { text, .. } => (answer::Speaker::Member, text, false),
            Self::Assistant { text, action, .. } => {
                (answer::Speaker::Bot, text, *action == answer::Action::Clarify)
            }
            Self::Forwarded { .. } | Self::Closed { .. } | Self::Ticket { .. } => return None,
        };
        Some(answer::Turn { speaker, text: text.clone(), asks_back })
    }
}

fn yes() -> bool {
    true
}

impl Conversation {
    /// A conversation that begins with this question. Its id follows from the event, so that a repetition finds it.
    pub fn begin(id: Uuid, question: &Question) -> Self {
        let thread = match question.origin {
            Origin::Message { channel, in_thread: true, .. }
            | Origin::Slash { channel, in_thread: true, .. } => Some(channel),
            Origin::Message { message, .. } => Some(message.thread()),
            Origin::Slash { .. } => None,
        };
        Self {
            id,
            channel: question.origin.channel(),
            thread,
            user: question.author,
            status: Status::Active,
            transcript: Vec::new(),
            direct: false,
            staff_thread: None,
        }
    }

    /// A thread that a member opened: his title is the first that was said in it.
    pub fn in_thread(id: Uuid, thread: ChannelId, owner: UserId, title: &str, at: OffsetDateTime) -> Self {
        let title = Turn::Member {
            // No message has this id: the title is neither edited nor deleted like one.
            event_id: format!("title:{}", thread.0),
            user: owner,
            text: title.to_owned(),
            asked: false,
            by_staff: false,
            at,
        };
        Self {
            id,
            channel: thread,
            thread: Some(thread),
            user: owner,
            status: Status::Active,
            transcript: vec![title],
            direct: false,
            staff_thread: None,
        }
    }

    /// The title of a thread in which nothing was asked yet: it belongs to the first question.
    pub fn open_title(&self) -> Option<&str> {
        match self.transcript.as_slice() {
            [Turn::Member { event_id, text, .. }] if event_id.starts_with("title:") => Some(text),
            _ => None,
        }
    }

    /// Whether this message was put to the bot.
    pub fn has_asked(&self, message: MessageId) -> bool {
        let id = message.0.to_string();
        let is_it =
            |turn: &Turn| matches!(turn, Turn::Member { event_id, asked: true, .. } if *event_id == id);
        self.transcript.iter().any(is_it)
    }

    pub fn apply(mut self, command: Command) -> (Self, Vec<Action>) {
        let actions = match command {
            Command::Ask(question) => self.ask(question),
            Command::Overhear { question, by_staff } => self.overhear(&question, by_staff),
            Command::Answered { job, answer, at, call } => self.answered(job, answer, at, &call),
            Command::Edit { event_id, text } => self.edit(&event_id, &text),
            Command::Retract { event_id } => self.retract(&event_id),
            Command::Revise { question, channel, text, edited_at_ms, lang } => {
                self.revise(question, channel, &text, edited_at_ms, lang)
            }
            Command::AskHuman { press, call, voted } => self.ask_human(&press, &call, voted),
            Command::Act { press, ticket, act } => self.act(&press, &ticket, act),
            Command::AskNotes { press, ticket } => self.ask_notes(&press, &ticket),
            Command::Vote { press, question, helpful } => self.vote(&press, question, helpful),
            Command::Close { press } => self.close(&press),
            Command::Silence { due, ticket, at, lang } => self.silent(due, ticket, at, lang),
            Command::Speak { press, text, lang } => self.speak(&press, text, lang),
            Command::PassOn { question } => self.pass_on(&question),
        };
        (self, actions)
    }

    fn ask(&mut self, question: Question) -> Vec<Action> {
        if self.status == Status::Forwarded && matches!(question.origin, Origin::Message { .. }) {
            let mut actions = self.overhear(&question, false);
            actions.extend(self.told_to_staff(&question));
            return actions;
        }
        let first = self.transcript.is_empty();
        let history = self.history();
        let event_id = question.origin.event_id();
        self.record(&question, true, false);
        self.status = match self.status {
            Status::Forwarded => Status::Forwarded,
            Status::Active | Status::Completed => Status::Active,
        };
        let mut actions = Vec::new();
        match &question.origin {
            Origin::Message { channel, message, in_thread: false } if first => {
                let name = render::thread_name(&question.text, question.lang);
                let effect = Effect::StartThread { channel: *channel, message: *message, name };
                actions.push(Action::Deliver(key(&event_id, "thread", 0), effect));
            }
            Origin::Message { .. } => {}
            Origin::Slash { interaction, token, private, .. } => {
                let effect =
                    Effect::Defer { interaction: *interaction, token: token.clone(), private: *private };
                actions.push(Action::Deliver(key(&event_id, "defer", 0), effect));
            }
        }
        let in_thread = matches!(question.origin, Origin::Message { in_thread: true, .. });
        actions.push(Action::Answer(AnswerJob {
            first: first && !in_thread,
            origin: question.origin,
            author: question.author,
            question: question.text,
            history,
            asked_at: question.asked_at,
            edited_at_ms: None,
            lang: question.lang,
            anew: false,
        }));
        actions
    }

    fn overhear(&mut self, question: &Question, by_staff: bool) -> Vec<Action> {
        self.record(question, false, by_staff);
        Vec::new()
    }

    fn edit(&mut self, event: &str, new: &str) -> Vec<Action> {
        for turn in &mut self.transcript {
            if let Turn::Member { event_id, text, .. } = turn
                && event_id == event
            {
                new.clone_into(text);
            }
        }
        Vec::new()
    }

    /// Whoever deletes a question wants it gone from everywhere.
    fn retract(&mut self, event: &str) -> Vec<Action> {
        self.transcript.retain(|turn| !matches!(turn, Turn::Member { event_id, .. } if event_id == event));
        Vec::new()
    }

    fn answered(&mut self, job: AnswerJob, answer: Answer, at: OffsetDateTime, call: &Call) -> Vec<Action> {
        let event_id = job.origin.event_id();
        let action = answer.action;
        let parts = match job.origin {
            Origin::Slash { private: true, .. } => vec![render::answer_in_one(&answer, job.lang)],
            _ => render::answer(&answer, job.lang),
        };
        let turn = Turn::Assistant {
            answers: event_id.clone(),
            text: answer.text,
            action: answer.action,
            citations: answer.citations,
            at,
            anew: job.anew,
        };
        self.put_answer(&event_id, turn);
        let last = parts.len() - 1;
        let mut actions = Vec::new();
        for (part, content) in parts.into_iter().enumerate() {
            let controls = match action {
                _ if part < last => Controls::Part { number: number(part + 1), of: number(last + 1) },
                answer::Action::Answer | answer::Action::Unsure => {
                    Controls::Answer { conversation: self.id, question: job.origin.id() }
                }
                // There is no answer yet that could have helped.
                answer::Action::Clarify => Controls::AskHuman { conversation: self.id },
                answer::Action::HandOver(_) => Controls::None,
            };
            actions.push(match job.anew {
                true => self.in_its_place(&job, (part, last), content, controls),
                false => {
                    let effect = self.place(&job, part, content, controls);
                    Action::Deliver(key(&event_id, "answer", part), effect)
                }
            });
        }
        if let Origin::Slash { channel, application, token, in_thread: false, private: false, .. } =
            &job.origin
            && self.thread.is_none()
        {
            let effect = Effect::StartThreadOnOriginal {
                application: *application,
                token: token.clone(),
                channel: *channel,
                name: render::thread_name(&job.question, job.lang),
            };
            // The thread stands on the first part and holds the others.
            actions.insert(1, Action::Deliver(key(&event_id, "thread", 0), effect));
        }
        if let answer::Action::HandOver(reason) = action
            && self.status != Status::Forwarded
        {
            actions.extend(self.hand_over(job.author, at, Because::Model(reason), call, &event_id));
        }
        actions
    }

    /// Where one part of an answer goes.
    fn place(&self, job: &AnswerJob, part: usize, content: String, controls: Controls) -> Effect {
        match &job.origin {
            Origin::Message { channel, message, .. } => Effect::Post {
                channel: self.thread.unwrap_or(*channel),
                content,
                reply_to: (!job.first).then_some(*message),
                controls,
                ping_role: None,
                ping_user: None,
                fallback: Some((*channel, *message)),
                asked_at_ms: asked_at_ms(job, part),
                lang: job.lang,
            },
            Origin::Slash { channel, application, token, private, .. } if part == 0 => Effect::EditOriginal {
                private: *private,
                application: *application,
                token: token.clone(),
                content,
                controls,
                channel: *channel,
                user: job.author,
                asked_at_ms: asked_at_ms(job, part),
                lang: job.lang,
            },
            Origin::Slash { channel, .. } => {
                Effect::PostInThread { content, controls, channel: *channel, lang: job.lang }
            }
        }
    }

    fn record(&mut self, question: &Question, asked: bool, by_staff: bool) {
        self.transcript.push(Turn::Member {
            event_id: question.origin.event_id(),
            user: question.author,
            text: question.text.clone(),
            asked,
            by_staff,
            at: question.asked_at,
        });
    }

    fn history(&self) -> Vec<answer::Turn> {
        let earlier = self.transcript.len().saturating_sub(HISTORY_TURNS);
        self.transcript[earlier..].iter().filter_map(Turn::said).collect()
    }
}

fn key(event_id: &str, effect: &'static str, part: usize) -> OutboxKey {
    OutboxKey { event_id: event_id.to_owned(), effect, part: number(part) }
}

/// The first part opens the answer, also with an apology when it comes late.
fn asked_at_ms(job: &AnswerJob, part: usize) -> Option<i64> {
    let ms = i64::try_from(job.asked_at.unix_timestamp_nanos() / 1_000_000).ok();
    ms.filter(|_| part == 0)
}

fn number(part: usize) -> u16 {
    u16::try_from(part).expect("an answer has far fewer than 65,536 parts")
}

#[cfg(test)]
mod tests;
