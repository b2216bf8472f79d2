//! Whether an effect that may have been carried out already is sent again, looked for first, or done. Pure.
//!
//! A nonce makes Discord return the earlier message instead of posting twice, "in the past few minutes"
//! (<https://discord.com/developers/docs/resources/message#create-message>, `enforce_nonce`). So long it is the
//! cheapest guard. Beyond that the message is looked for by the mark that its components carry. Promise: whatever
//! fails in between, a message is seen once, as long as one attempt is over after [`LONGEST_ATTEMPT`] and Discord
//! remembers a nonce for [`NONCE_WINDOW`] + [`LONGEST_ATTEMPT`].

use std::time::Duration;

use super::{Controls, Effect};
use crate::discord::MessageId;

/// How long after the first attempt the nonce is relied on. Discord says no more than "the past few minutes": a
/// minute leaves room for requests that wait on the way.
pub const NONCE_WINDOW: Duration = Duration::from_secs(60);
/// No request is on the way for longer: the client gives up, and the proxy drops what its client gave up.
pub const LONGEST_ATTEMPT: Duration = Duration::from_secs(30);

/// What makes a repetition harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Discord's own state: a thread exists, an interaction is acknowledged.
    Harmless,
    /// The nonce, for a while.
    WithinWindow,
}

impl Effect {
    /// What makes a repetition of this effect harmless.
    pub fn repeat(&self) -> Repeat {
        match self {
            Self::StartThread { .. }
            | Self::StartThreadOnOriginal { .. }
            | Self::Defer { .. }
            | Self::Respond { .. }
            | Self::Suggest { .. }
            | Self::AskNotes { .. }
            | Self::OpenForm { .. }
            | Self::Panel { .. }
            | Self::SuggestAnswer { .. }
            | Self::Transcript { .. }
            | Self::SendData { .. }
            | Self::ShowTicket { .. }
            | Self::Archive { .. }
            // It is looked for by its name before it is made.
            | Self::OpenStaffThread {}
            | Self::ShowPanel { .. }
            | Self::FillForm { .. }
            | Self::Knowledge { .. }
            | Self::Edit { .. } => Repeat::Harmless,
            // The reply to an interaction is edited, but falls back to a message once the token has expired.
            Self::Post { .. }
            | Self::PostInThread { .. }
            | Self::Notice { .. }
            | Self::TellServer { .. }
            | Self::PostToStaff { .. }
            | Self::Relay { .. }
            | Self::ChooseServer { .. }
            | Self::Whisper { .. }
            | Self::Replace { .. }
            | Self::EditOriginal { .. } => Repeat::WithinWindow,
        }
    }
}

/// What is known of an effect that is not marked as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub repeat: Repeat,
    /// How long ago it was first tried, or looked for in vain. None: never.
    pub tried_ago: Option<Duration>,
    /// The message, if it came back through the gateway or a look found it.
    pub seen: Option<MessageId>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Send,
    /// Look for the message; then decide again, with what was seen, or as if it had first been tried now.
    Look,
    /// It is there.
    Done(MessageId),
}

/// Decides; `window` is [`NONCE_WINDOW`] except in tests.
pub fn next(known: Known, window: Duration) -> Next {
    match (known.seen, known.repeat, known.tried_ago) {
        (Some(message), _, _) => Next::Done(message),
        (None, Repeat::Harmless, _) | (None, _, None) => Next::Send,
        (None, Repeat::WithinWindow, Some(ago)) if ago < window => Next::Send,
        (None, Repeat::WithinWindow, Some(_)) => Next::Look,
    }
}

/// How our own message is told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought<'a> {
    /// Stands at the end of a component's custom id.
    pub mark: &'a str,
    /// A message without components is known by its author and its words.
    pub words: Option<&'a str>,
}

impl<'a> Sought<'a> {
    /// What to look for when this effect may have been carried out with this mark.
    pub fn of(effect: &'a Effect, mark: &'a str) -> Self {
        let words = match effect {
            Effect::Post { content, controls: Controls::None, .. }
            | Effect::PostInThread { content, controls: Controls::None, .. }
            | Effect::PostToStaff { content, controls: Controls::None, .. }
            | Effect::Relay { content, .. }
            | Effect::Whisper { content, .. }
            | Effect::Notice { content, controls: Controls::None, .. } => Some(content.as_str()),
            _ => None,
        };
        Self { mark, words }
    }

    /// Whether a message of ours with these words and custom ids is the one.
    pub fn is(&self, words: &str, custom_ids: &[&str]) -> bool {
        let marked =
            custom_ids.iter().any(|id| id.rsplit_once(':').is_some_and(|(_, mark)| mark == self.mark));
        marked || self.words.is_some_and(|own| own.trim() == words.trim())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_came_back_is_done_and_what_was_never_tried_is_sent() {
        let known = Known { repeat: Repeat::WithinWindow, tried_ago: None, seen: None };
        assert_eq!(next(known, NONCE_WINDOW), Next::Send);
        let seen = Known { seen: Some(MessageId(7)), ..known };
        assert_eq!(next(seen, NONCE_WINDOW), Next::Done(MessageId(7)));
        let old = Known { tried_ago: Some(NONCE_WINDOW), ..known };
        assert_eq!(next(old, NONCE_WINDOW), Next::Look);
        assert_eq!(next(Known { repeat: Repeat::Harmless, ..old }, NONCE_WINDOW), Next::Send);
    }

    #[test]
    fn a_message_is_known_by_its_mark_and_not_by_somebody_elses() {
        let sought = Sought { mark: "abc", words: None };
        assert!(sought.is("", &["human:5e0c7f4a-0000-0000-0000-000000000000:abc"]));
        assert!(sought.is("", &["part:abc"]));
        assert!(!sought.is("abc", &["part:abcd", "abc", "human:abc:x"]));
    }

    /// One attempt: when it is made after the one before, and what happens to it.
    #[derive(Debug, Clone)]
    struct Attempt {
        pause_s: u64,
        /// After how long Discord carries it out; none: it never arrives.
        arrives_s: Option<u64>,
        /// Whether the answer comes back to an owner who still lives.
        answered: bool,
    }

    fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
        let pause = prop_oneof![0u64..5, 5u64..70, 50u64..400, 400u64..90_000];
        let arrives = proptest::option::of(0..=LONGEST_ATTEMPT.as_secs());
        let attempt = (pause, arrives, any::<bool>());
        proptest::collection::vec(
            attempt.prop_map(|(pause_s, arrives_s, answered)| Attempt { pause_s, arrives_s, answered }),
            1..12,
        )
    }

    /// Discord as documented: remembers a nonce for so long after a message was created.
    #[derive(Default)]
    struct Discord {
        created_s: Vec<u64>,
        arrivals: Vec<u64>,
    }

    impl Discord {
        /// `remembers` is the shortest that the promise asks for.
        fn pass_to(&mut self, now: u64) {
            let remembers = (NONCE_WINDOW + LONGEST_ATTEMPT).as_secs();
            self.arrivals.sort_unstable();
            while self.arrivals.first().is_some_and(|at| *at <= now) {
                let at = self.arrivals.remove(0);
                if self.created_s.last().is_none_or(|last| at - last > remembers) {
                    self.created_s.push(at);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_lost_on_the_way_a_message_is_seen_once(attempts in attempts()) {
            let (mut discord, mut now) = (Discord::default(), 0);
            // What the outbox row says; a crash of the owner loses nothing of it.
            let mut tried_at: Option<u64> = None;
            let mut done = false;
            for attempt in attempts {
                now += attempt.pause_s;
                discord.pass_to(now);
                let tried_ago = tried_at.map(|at| Duration::from_secs(now - at));
                let known = Known { repeat: Repeat::WithinWindow, tried_ago, seen: None };
                if done {
                    break;
                }
                match next(known, NONCE_WINDOW) {
                    Next::Done(_) => unreachable!("nothing is seen before a look"),
                    Next::Look if discord.created_s.is_empty() => tried_at = Some(now),
                    Next::Look => {
                        done = true;
                        continue;
                    }
                    Next::Send => tried_at = tried_at.or(Some(now)),
                }
                if let Some(arrives) = attempt.arrives_s {
                    discord.arrivals.push(now + arrives);
                    done = attempt.answered;
                }
            }
            discord.pass_to(u64::MAX);
            prop_assert!(discord.created_s.len() <= 1, "seen at {:?}", discord.created_s);
        }
    }
}
