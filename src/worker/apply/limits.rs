//! What a server's admins allow: how long a question may be, and how many one member may ask in a rolling hour.
//!
//! Promises: a question counts once, whatever brings it again, because it is counted in T1 behind its event key; times are
//! read from Discord's ids, so that who applies it does not matter. Beyond the limit nothing is stored and nothing is
//! looked up. Whoever asked by an interaction is told each time, and alone; whoever asked by a message is told once
//! until he may ask again, in direct messages or, if he takes none, where he asked: a flood is not answered by another.

use std::time::Duration;

use helpline_cluster::ids::ServerId;
use time::OffsetDateTime;

use super::notes::once_in_a_while;
use super::{Error, T1};
use crate::conversation::command::{Origin, Question};
use crate::discord::MessageId;
use crate::metrics as names;
use crate::server_config::ServerConfig;
use crate::texts::{Lang, say};

/// The rolling hour of `max_messages_per_user`.
const HOUR: Duration = Duration::from_secs(3_600);
/// How long it is remembered who asked when: events come up to a day late.
const KEPT: time::Duration = time::Duration::hours(25);

/// The first id that still counts for anybody.
pub fn kept_from(now: OffsetDateTime) -> i64 {
    MessageId::at(now - KEPT).0.cast_signed()
}

/// The ids that were given out within an hour before and after an event.
fn hour_around(event: MessageId) -> (i64, i64) {
    let hour_ms = u64::try_from(HOUR.as_millis()).expect("an hour has few milliseconds");
    let at_ms = event.unix_ms();
    let from = MessageId::at_unix_ms((at_ms + 1).saturating_sub(hour_ms));
    // The last one before the hour is over.
    let to = MessageId::at_unix_ms(at_ms + hour_ms).0.saturating_sub(1);
    (from.0.cast_signed(), to.cast_signed())
}

/// When, in whole seconds since 1970, a member may ask again whose earliest question of the hour this is.
fn again_at(earliest: MessageId) -> u64 {
    (earliest.unix_ms() + 1).div_ceil(1_000) + HOUR.as_secs()
}

fn too_many(lang: Lang, limit: u32, again_at: u64) -> String {
    say!(lang, "limit-many", limit, again = format!("<t:{again_at}:R>"))
}

fn too_long(lang: Lang, length: usize, limit: u32) -> String {
    say!(lang, "limit-long", length, limit)
}

/// Whether a question is longer than the server's admins allow. Characters are those that people count.
pub(super) fn is_too_long(text: &str, config: &ServerConfig) -> bool {
    u64::try_from(text.chars().count()).is_ok_and(|length| length > u64::from(config.max_text_length))
}

impl T1 {
    /// Counts a question that was put to the bot, unless it is not to be answered.
    pub(super) async fn refusal(
        &mut self,
        server: ServerId,
        question: &Question,
        config: &ServerConfig,
        lang: Lang,
    ) -> Result<Option<Refusal>, Error> {
        let event = question.origin.id();
        let (user, limit) = (question.author, config.max_messages_per_user);
        if is_too_long(&question.text, config) {
            metrics::counter!(names::REFUSED_QUESTIONS, "because" => "too_long").increment(1);
            let text = too_long(lang, question.text.chars().count(), config.max_text_length);
            return Ok(Some(Refusal { text, once: once_in_a_while("long", server, user, event) }));
        }
        self.lock(server).await?;
        let (from, to) = hour_around(event);
        let nth = sqlx::query_file_scalar!(
            "src/worker/sql/count_question.sql",
            server.db(),
            user.0.cast_signed(),
            event.0.cast_signed(),
            from,
            to,
            i64::from(limit.saturating_sub(1))
        )
        .fetch_optional(self.tx.conn())
        .await?;
        Ok(nth.map(|nth| {
            metrics::counter!(names::REFUSED_QUESTIONS, "because" => "too_many").increment(1);
            let again_at = again_at(MessageId(nth.cast_unsigned()));
            let once = format!("limit:{}:{}:{nth}", server.get(), user.0);
            Refusal { text: too_many(lang, limit, again_at), once }
        }))
    }

    /// Whether a question that came in a message is to be answered. If not, its author is told why.
    pub(super) async fn may_ask(
        &mut self,
        server: ServerId,
        question: &Question,
        config: &ServerConfig,
        direct: bool,
    ) -> Result<bool, Error> {
        let Some(refusal) = self.refusal(server, question, config, question.lang).await? else {
            return Ok(true);
        };
        let Origin::Message { channel, message, .. } = question.origin else { return Ok(false) };
        if self.tx.remember_event(&refusal.once).await? {
            let place = (channel, message);
            match direct {
                true => self.reply(server, channel, message, "limit", (refusal.text, question.lang)).await?,
                false => self.whisper(server, question.author, place, (refusal.text, question.lang)).await?,
            }
        }
        Ok(false)
    }
}

/// Why a question is not answered.
pub(super) struct Refusal {
    pub(super) text: String,
    /// The event key under which it is said to whoever asked by a message.
    once: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_MS: u64 = 1_800_000_000_123;

    #[test]
    fn what_was_asked_less_than_an_hour_ago_counts_and_nothing_else() {
        let (from, to) = hour_around(MessageId::at_unix_ms(AT_MS));
        let counts = |ms: u64| (from..=to).contains(&MessageId::at_unix_ms(ms).0.cast_signed());
        assert!(counts(AT_MS) && counts(AT_MS - 3_599_999) && counts(AT_MS + 3_599_999));
        assert!(!counts(AT_MS - 3_600_000) && !counts(AT_MS + 3_600_000));
    }

    #[test]
    fn whoever_comes_back_when_he_was_told_to_is_answered() {
        let earliest = MessageId::at_unix_ms(AT_MS);
        let back = MessageId::at_unix_ms(again_at(earliest) * 1_000);
        assert!(hour_around(back).0 > earliest.0.cast_signed());
        assert!(again_at(earliest) * 1_000 - AT_MS < 3_602_000, "and not much later");
    }

    #[test]
    fn a_note_says_how_much_is_allowed_and_when_to_come_back() {
        assert!(
            too_many(Lang::En, 10, 77).contains("10 questions")
                && too_many(Lang::En, 10, 77).ends_with("<t:77:R>.")
        );
        assert!(too_many(Lang::En, 1, 77).contains("one question within"));
        let note = too_long(Lang::En, 2_345, 500);
        assert!(note.contains("2345") && note.contains("500 characters"));
    }

    #[test]
    fn a_length_is_counted_in_characters_and_not_in_bytes() {
        let config = ServerConfig { max_text_length: 4, ..ServerConfig::default() };
        assert!(!is_too_long("日本語か", &config));
        assert!(is_too_long("日本語かな", &config));
    }
}
