//! Visible acts on Discord: what they are, how they are kept until done, and how they are done exactly once.
//!
//! An [`Effect`] is stored in `helpline.outbox` by the transaction that decided it ([`outbox`]) and carried out by the
//! owner of its server's shard ([`client`]). Its [`OutboxKey`] gives the nonce, so that a repetition shows nothing new;
//! the same word marks the message's components, by which it is found ([`look`], [`confirm`]) when the nonce has been
//! forgotten ([`resend`]).

pub mod client;
mod components;
pub mod confirm;
pub mod look;
pub mod outbox;
pub mod panel;
mod proxies;
pub mod render;
pub mod resend;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::commands::config::Suggestion;
use crate::commands::knowledge::Work;
use crate::conversation::ticket::TicketStatus;
use crate::discord::{ApplicationId, ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};
use crate::texts::Lang;
use panel::{Panel, ReplyTo};

/// Names one effect for ever: the event that caused it, what it is, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OutboxKey {
    pub event_id: String,
    pub effect: &'static str,
    pub part: u16,
}

/// Base62 digits of a 128-bit number need at most 22 places; Discord takes 25 characters.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The nonce of an outbox row: base62 of the first 128 bits of SHA-256 of `event/effect/part`. Never a sequence:
/// a sequence would start again with a new owner and let Discord swallow an unrelated message.
pub fn nonce(event_id: &str, effect: &str, part: i32) -> String {
    let digest = Sha256::digest(format!("{event_id}/{effect}/{part}").as_bytes());
    let mut number = u128::from_be_bytes(digest[..16].try_into().expect("a SHA-256 digest has 32 bytes"));
    let mut digits = Vec::with_capacity(22);
    loop {
        digits.push(BASE62[usize::try_from(number % 62).expect("less than 62")]);
        number /= 62;
        if number == 0 {
            break;
        }
    }
    digits.reverse();
    String::from_utf8(digits).expect("base62 is ASCII")
}

/// What is shown below a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controls {
    None,
    /// A button that asks a human to take over this conversation. Effects of earlier releases have it.
    AskHuman {
        conversation: uuid::Uuid,
    },
    /// What can be said to an answer: a human is to take over, it helped, it did not, the conversation is over.
    Answer {
        conversation: uuid::Uuid,
        /// The id of the message or interaction that asked.
        question: MessageId,
    },
    /// What whoever fell silent can say with one press: he needs a human, or nothing more.
    Silent {
        conversation: uuid::Uuid,
    },
    /// What staff can do to a ticket that stands so.
    Ticket {
        ticket: uuid::Uuid,
        status: TicketStatus,
    },
    /// Which part of a longer answer this is: tells the reader that more comes, and carries the mark.
    Part {
        number: u16,
        of: u16,
    },
}

/// One act on Discord. Stored as JSON in the outbox: variants and fields may be added, never renamed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Effect {
    /// A thread from a message. "Already exists" is success.
    StartThread { channel: ChannelId, message: MessageId, name: String },
    /// A message in a channel or thread.
    Post {
        channel: ChannelId,
        content: String,
        reply_to: Option<MessageId>,
        controls: Controls,
        /// The only role, and the only member, that this message may ping.
        ping_role: Option<RoleId>,
        ping_user: Option<UserId>,
        /// Where to say it when `channel` is gone or could not be made: as a reply to that message.
        fallback: Option<(ChannelId, MessageId)>,
        /// When the question was asked that this begins to answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_at_ms: Option<i64>,
        /// Of what is said around the content; rows of earlier releases are English.
        #[serde(default)]
        lang: Lang,
    },
    /// The first reply to an interaction, due within 3 s: "thinking…".
    Defer {
        interaction: InteractionId,
        token: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        private: bool,
    },
    /// The first reply to an interaction, due within 3 s: a message only the member sees.
    Respond {
        interaction: InteractionId,
        token: String,
        content: String,
        /// Whose webhook takes the text when the proxy was first; absent in rows of earlier releases.
        #[serde(default)]
        application: Option<ApplicationId>,
    },
    /// The reply to an interaction, due within 3 s: a file with all that the server keeps of a member. For him alone.
    SendData {
        interaction: InteractionId,
        token: String,
        application: ApplicationId,
        user: UserId,
        lang: Lang,
    },
    /// The first reply to an interaction, due within 3 s: the form for the notes on a ticket that is resolved.
    AskNotes {
        interaction: InteractionId,
        token: String,
        ticket: uuid::Uuid,
        #[serde(default)]
        lang: Lang,
    },
    /// The first reply to an interaction, due within 3 s: a message only the member sees, with components of its own.
    Panel {
        interaction: InteractionId,
        token: String,
        application: ApplicationId,
        /// In the place of the message that was pressed on.
        on_message: bool,
        content: String,
        components: serde_json::Value,
    },
    /// The first reply to an interaction, due within 3 s: the form of that name, see [`crate::first_reply::form`].
    OpenForm { interaction: InteractionId, token: String, form: String, lang: Lang },
    /// A reply to an interaction that only whoever pressed sees: what the bot would answer in a ticket's conversation, made when
    /// this is carried out.
    SuggestAnswer {
        interaction: InteractionId,
        token: String,
        application: ApplicationId,
        ticket: uuid::Uuid,
        lang: Lang,
    },
    /// A reply to an interaction that only whoever pressed sees: words, and the conversation of a ticket as files, made when
    /// this is carried out.
    Transcript {
        interaction: InteractionId,
        token: String,
        application: ApplicationId,
        ticket: uuid::Uuid,
        content: String,
    },
    /// Something is shown to one member alone.
    ShowPanel { to: ReplyTo, panel: Panel },
    /// The first reply to an interaction, due within 3 s: a form, of those in `first_reply`, with some inputs filled in.
    FillForm {
        interaction: InteractionId,
        token: String,
        form: String,
        about: Option<uuid::Uuid>,
        values: Vec<(String, String)>,
        lang: Lang,
    },
    /// What an admin wants of the documents is done when this is carried out, and he is told.
    Knowledge { to: ReplyTo, work: Work },
    /// The message of a ticket shows how the ticket stands when this is carried out. A trigger writes it.
    ShowTicket { ticket: uuid::Uuid },
    /// One of our messages reads like this; it is in one of these channels. Never stored.
    Edit { message: MessageId, channels: Vec<ChannelId>, content: String, controls: Controls, lang: Lang },
    /// What is offered for an option that is being typed, due within 3 s.
    Suggest { interaction: InteractionId, token: String, suggestions: Vec<Suggestion> },
    /// Fills in the deferred reply.
    EditOriginal {
        application: ApplicationId,
        token: String,
        content: String,
        controls: Controls,
        /// Where to say it, and to whom, when the interaction can no longer be answered.
        channel: ChannelId,
        user: UserId,
        /// Only the member sees it: it is said nowhere else.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        private: bool,
        /// When the question was asked that this begins to answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_at_ms: Option<i64>,
        /// Of what is said around the content; rows of earlier releases are English.
        #[serde(default)]
        lang: Lang,
    },
    /// A thread on the reply to an interaction. Its id, that of the reply, is noted as the conversation's thread before it
    /// is started.
    StartThreadOnOriginal { application: ApplicationId, token: String, channel: ChannelId, name: String },
    /// A message in the conversation's thread, wherever it turned out to be.
    PostInThread {
        content: String,
        controls: Controls,
        /// Where to say it when the conversation has no thread.
        channel: ChannelId,
        #[serde(default)]
        lang: Lang,
    },
    /// A message that nobody misses where it cannot be said any more.
    Notice {
        channel: ChannelId,
        content: String,
        controls: Controls,
        /// The only member that it may ping.
        ping_user: Option<UserId>,
        lang: Lang,
    },
    /// A private thread in which staff see of a conversation in direct messages what is for them. One for each conversation.
    OpenStaffThread {},
    /// A message in that thread. `discreet`: said in a support channel instead, where there is no such thread.
    PostToStaff {
        content: String,
        discreet: Option<String>,
        controls: Controls,
        ping_role: Option<RoleId>,
        lang: Lang,
    },
    /// What staff said goes to the member's direct messages; if he takes none, they are told below what they said.
    Relay { channel: ChannelId, content: String, staff_thread: ChannelId, message: MessageId, lang: Lang },
    /// A part of an answer takes the place of the part of the same number of the answer before; where there is none it is a
    /// message. `last`: later parts of that one go.
    Replace {
        channel: ChannelId,
        else_in: ChannelId,
        content: String,
        controls: Controls,
        reply_to: MessageId,
        last: bool,
        lang: Lang,
    },
    /// A message for one member alone: in his direct messages, or if he takes none, as a reply to what he wrote.
    Whisper { user: UserId, content: String, channel: ChannelId, message: MessageId, lang: Lang },
    /// A member is asked to which of these servers his direct messages go: their ids and names.
    ChooseServer { channel: ChannelId, servers: Vec<(String, String)>, reply_to: MessageId, lang: Lang },
    /// Said to a server as a whole, where it is seen. Its place is not known before, so that it is not looked for.
    TellServer { server: GuildId, content: String },
    /// A thread is put away, where the bot may do so.
    Archive { channel: ChannelId },
}

/// Interaction tokens and message text stay out of every log.
impl std::fmt::Debug for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Effect {
    /// The effect as it is carried out at this moment: an answer that comes late opens with an apology.
    pub fn at(&self, now_ms: i64) -> Self {
        let mut effect = self.clone();
        if let Self::Post { content, asked_at_ms: Some(asked), lang, .. }
        | Self::EditOriginal { content, asked_at_ms: Some(asked), lang, .. } = &mut effect
            && now_ms - *asked > render::LATE_AFTER_MS
        {
            content.insert_str(0, &render::sorry(*lang));
        }
        effect
    }

    /// How long it is tried. Interaction tokens live for 15 minutes; nobody waits for what is offered while typing
    /// beyond the first reply's time.
    pub fn patience(&self) -> time::Duration {
        match self {
            Self::Suggest { .. } | Self::AskNotes { .. } | Self::OpenForm { .. } | Self::FillForm { .. } => {
                time::Duration::seconds(3)
            }
            _ => time::Duration::minutes(15),
        }
    }

    /// A label for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StartThread { .. } => "start_thread",
            Self::Post { .. } => "post",
            Self::Defer { .. } => "defer",
            Self::Respond { .. } => "respond",
            Self::Suggest { .. } => "suggest",
            Self::SendData { .. } => "send_data",
            Self::AskNotes { .. } => "ask_notes",
            Self::OpenForm { .. } => "open_form",
            Self::Panel { .. } => "panel",
            Self::SuggestAnswer { .. } => "suggest_answer",
            Self::Transcript { .. } => "transcript",
            Self::ShowPanel { .. } => "show_panel",
            Self::FillForm { .. } => "fill_form",
            Self::Knowledge { .. } => "knowledge",
            Self::ShowTicket { .. } => "show_ticket",
            Self::Edit { .. } => "edit",
            Self::EditOriginal { .. } => "edit_original",
            Self::StartThreadOnOriginal { .. } => "start_thread_on_original",
            Self::PostInThread { .. } => "post_in_thread",
            Self::Notice { .. } => "notice",
            Self::TellServer { .. } => "tell_server",
            Self::OpenStaffThread {} => "open_staff_thread",
            Self::PostToStaff { .. } => "post_to_staff",
            Self::Relay { .. } => "relay",
            Self::ChooseServer { .. } => "choose_server",
            Self::Whisper { .. } => "whisper",
            Self::Replace { .. } => "replace",
            Self::Archive { .. } => "archive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_short_stable_and_differs_by_part() {
        let first = nonce("1234567890", "answer", 0);
        assert_eq!(first, nonce("1234567890", "answer", 0));
        assert_ne!(first, nonce("1234567890", "answer", 1));
        assert_ne!(first, nonce("1234567890", "thread", 0));
        for event in 0..1_000 {
            assert!(nonce(&event.to_string(), "answer", 0).len() <= 25);
        }
    }

    #[test]
    fn an_effect_never_prints_what_it_says() {
        let effect = Effect::Respond {
            interaction: InteractionId(1),
            token: "tok".into(),
            content: "text".into(),
            application: None,
        };
        assert_eq!(format!("{effect:?}"), "respond");
    }
}
