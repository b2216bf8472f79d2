//! A question that is edited a moment after it was answered: it is answered once more, in the place of the answer.

use time::OffsetDateTime;

use super::{Conversation, Status, Turn, key};
use crate::answer;
use crate::conversation::command::{Action, AnswerJob, Origin};
use crate::deliver::{Controls, Effect};
use crate::discord::{ChannelId, MessageId};
use crate::texts::Lang;

/// How long after its answer an edit of a question counts, in ms.
const WITHIN_MS: i64 = 60_000;

impl Conversation {
    pub(super) fn revise(
        &mut self,
        question: MessageId,
        channel: ChannelId,
        new: &str,
        edited_at_ms: i64,
        lang: Lang,
    ) -> Vec<Action> {
        let event = question.0.to_string();
        let Some(at) = self.place_of(&event, new, edited_at_ms) else { return Vec::new() };
        let earlier = at.saturating_sub(super::HISTORY_TURNS);
        let history: Vec<answer::Turn> = self.transcript[earlier..at].iter().filter_map(Turn::said).collect();
        let Turn::Member { user, text, at: asked_at, .. } = &mut self.transcript[at] else {
            return Vec::new();
        };
        new.clone_into(text);
        let (author, asked_at) = (*user, *asked_at);
        vec![Action::Answer(AnswerJob {
            origin: Origin::Message { channel, message: question, in_thread: self.thread == Some(channel) },
            author,
            question: new.to_owned(),
            history,
            first: self.thread == Some(question.thread()),
            asked_at,
            edited_at_ms: Some(edited_at_ms),
            lang,
            anew: true,
        })]
    }

    /// Where the question stands that was answered just now and reads differently; none when it is left as it is.
    fn place_of(&self, event: &str, new: &str, edited_at_ms: i64) -> Option<usize> {
        let ms = |at: OffsetDateTime| i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok();
        let just_now = self.transcript.iter().any(|turn| match turn {
            Turn::Assistant { answers, at, anew: false, .. } if answers == event => {
                ms(*at).is_some_and(|at| edited_at_ms <= at + WITHIN_MS)
            }
            _ => false,
        });
        let reads = |turn: &Turn| match turn {
            Turn::Member { event_id, text, asked: true, .. } => event_id == event && text != new,
            _ => false,
        };
        let place = self.transcript.iter().position(reads)?;
        (just_now && self.status != Status::Forwarded).then_some(place)
    }

    /// Notes an answer, in the place of an earlier one to the same question.
    pub(super) fn put_answer(&mut self, event: &str, turn: Turn) {
        let is_it = |turn: &&mut Turn| matches!(turn, Turn::Assistant { answers, .. } if answers == event);
        match self.transcript.iter_mut().find(is_it) {
            Some(earlier) => *earlier = turn,
            None => self.transcript.push(turn),
        }
    }

    /// A part of such an answer takes the place of the same part of the earlier one.
    pub(super) fn in_its_place(
        &self,
        job: &AnswerJob,
        (part, last): (usize, usize),
        content: String,
        controls: Controls,
    ) -> Action {
        let channel = job.origin.channel();
        let effect = Effect::Replace {
            channel: self.thread.unwrap_or(channel),
            else_in: channel,
            content,
            controls,
            reply_to: job.origin.id(),
            last: part == last,
            lang: job.lang,
        };
        Action::Deliver(key(&job.origin.event_id(), "anew", part), effect)
    }
}
