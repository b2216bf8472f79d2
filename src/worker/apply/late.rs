//! What is done about a question that comes late, because of an outage. The rule itself is pure.
//!
//! Younger than `answer_within`: answered, and the answer opens with an apology when it is posted. Older, but younger than
//! `tell_within`: whoever asked is told once in that channel that nobody was there, because silence is the worst answer
//! and an answer to what he has long found out himself is not much better. Still older: counted, and left.

use std::time::Duration;

use helpline_cluster::ids::ServerId;
use time::OffsetDateTime;

use super::{Error, Relevant, T1};
use crate::discord::Message;
use crate::metrics as names;
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};
use crate::worker::Repair;

/// What to do with a question of this age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    Answer,
    Tell,
    Leave,
}

pub fn decide(age: Duration, repair: Repair) -> Late {
    match age {
        _ if age <= repair.answer_within => Late::Answer,
        _ if age <= repair.tell_within => Late::Tell,
        _ => Late::Leave,
    }
}

impl T1 {
    /// Whether the question is to be answered; if not, what is to be done instead is done.
    pub(super) async fn is_in_time(
        &mut self,
        relevant: &Relevant,
        message: &Message,
        config: &ServerConfig,
    ) -> Result<bool, Error> {
        let (server, asked_at) = (relevant.server, relevant.received_at);
        let age = Duration::try_from(OffsetDateTime::now_utc() - asked_at).unwrap_or_default();
        let late = decide(age, self.repair);
        match late {
            Late::Answer => return Ok(true),
            Late::Leave => metrics::counter!(names::LATE_QUESTIONS, "done" => "left").increment(1),
            Late::Tell => {
                metrics::counter!(names::LATE_QUESTIONS, "done" => "told").increment(1);
                let day = asked_at.unix_timestamp() / 86_400;
                let once = format!("away:{}:{}:{day}", message.channel_id.0, message.author.id.0);
                if self.tx.remember_event(&once).await? {
                    self.tell(server, message, Lang::of_text(&message.content, config)).await?;
                }
            }
        }
        Ok(false)
    }

    async fn tell(&mut self, server: ServerId, message: &Message, lang: Lang) -> Result<(), Error> {
        self.reply(server, message.channel_id, message.id, "away", (say!(lang, "away"), lang)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_a_question_the_less_is_done_about_it() {
        let repair = Repair::default();
        assert_eq!(decide(Duration::ZERO, repair), Late::Answer);
        assert_eq!(decide(repair.answer_within, repair), Late::Answer);
        assert_eq!(decide(repair.answer_within + Duration::from_secs(1), repair), Late::Tell);
        assert_eq!(decide(repair.tell_within + Duration::from_secs(1), repair), Late::Leave);
    }
}
