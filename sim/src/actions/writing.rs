//! Members write, edit, delete, react and pin.

use super::ActionError;
use crate::attachments::{File, MAX_FILE_BYTES, MAX_FILES};
use crate::core::Core;
use crate::editing::Change;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::message::flag;
use crate::permissions::Permissions;
use crate::posting::{Draft, Origin};
use crate::reactions::{Away, Emoji};
use crate::rest::error::ApiError;

/// Characters that a member without a subscription can send.
const MAX_TEXT: usize = 2_000;

/// What a member writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writing {
    /// Text.
    pub text: String,
    /// Message replied to.
    pub reply_to: Option<MessageId>,
    /// Attached files.
    pub files: Vec<File>,
}

impl Writing {
    /// Text alone.
    pub fn text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

fn check_text(text: &str) -> Result<(), ActionError> {
    if text.chars().count() > MAX_TEXT {
        return Err(ActionError::Refused(50_035, "Must be 2000 or fewer in length.".to_owned()));
    }
    Ok(())
}

impl Core {
    pub(crate) fn say(
        &self,
        channel: ChannelId,
        member: UserId,
        writing: Writing,
    ) -> Result<MessageId, ActionError> {
        let mut wanted = Permissions::SEND_MESSAGES;
        if !writing.files.is_empty() {
            wanted |= Permissions::ATTACH_FILES;
        }
        self.actor(channel, member, wanted)?;
        check_text(&writing.text)?;
        let refuse = |error: ApiError| Err(ActionError::of(&error, channel, None));
        if writing.files.len() > MAX_FILES {
            return refuse(ApiError::too_many_files());
        }
        if writing.files.iter().any(|file| file.bytes.len() > MAX_FILE_BYTES) {
            return refuse(ApiError::too_large());
        }
        let to = writing.reply_to;
        let draft = Draft {
            content: writing.text,
            reference: to.map(|id| (id, true)),
            files: writing.files,
            ..Draft::default()
        };
        let posted = self.post(&Origin::user(channel, member), draft);
        posted.map(|message| message.id).map_err(|error| match to {
            // The only form that can be wrong here is the message replied to.
            Some(to) if error.code == 50_035 => ActionError::UnknownMessage(to, channel),
            to => ActionError::of(&error, channel, to),
        })
    }

    pub(crate) fn edit_by(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
        text: &str,
    ) -> Result<(), ActionError> {
        self.actor(channel, member, Permissions::VIEW_CHANNEL)?;
        check_text(text)?;
        self.shown_to(channel, message, member)?;
        let change = Change { content: Some(text.to_owned()), ..Change::default() };
        let edited = self.edit(channel, message, member, change);
        edited.map(|_| ()).map_err(|error| ActionError::of(&error, channel, Some(message)))
    }

    pub(crate) fn delete_by(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
    ) -> Result<(), ActionError> {
        self.actor(channel, member, Permissions::VIEW_CHANNEL)?;
        let found = self.shown_to(channel, message, member)?;
        if found.author != member {
            self.actor(channel, member, Permissions::MANAGE_MESSAGES)?;
        }
        let deleted = self.delete(channel, message, member);
        deleted.map_err(|error| ActionError::of(&error, channel, Some(message)))
    }

    pub(crate) fn react_by(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
        emoji: &str,
        on: bool,
    ) -> Result<(), ActionError> {
        let refused = |error: ApiError| ActionError::of(&error, channel, Some(message));
        let wanted = Permissions::READ_MESSAGE_HISTORY;
        self.actor(channel, member, wanted)?;
        let found = self.shown_to(channel, message, member)?;
        if found.has(flag::EPHEMERAL) {
            return Err(ActionError::UnknownMessage(message, channel));
        }
        let emoji = Emoji::read(emoji).map_err(refused)?;
        if !on {
            return self.unreact(channel, message, member, Away::One(emoji, member)).map_err(refused);
        }
        // A new emoji needs the permission; joining others who used it does not.
        if !found.reactions.iter().any(|reaction| reaction.emoji == emoji) {
            self.actor(channel, member, wanted | Permissions::ADD_REACTIONS)?;
        }
        self.react(channel, message, member, emoji, true).map_err(refused)
    }

    pub(crate) fn pin_by(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
        pinned: bool,
    ) -> Result<(), ActionError> {
        self.actor(channel, member, Permissions::PIN_MESSAGES)?;
        let pin = self.pin(channel, message, member, pinned);
        pin.map_err(|error| ActionError::of(&error, channel, Some(message)))
    }

    /// A message that a member can see.
    pub(super) fn shown_to(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
    ) -> Result<std::sync::Arc<crate::message::Message>, ActionError> {
        let found = self.find(channel, message).filter(|found| found.visible_to(member));
        found.ok_or(ActionError::UnknownMessage(message, channel))
    }
}
