//! What members do: write, edit, react, use commands, press buttons, choose, fill in modals, type.
//!
//! Everything is checked as Discord's client and server would check it for that member.

mod components;
mod interact;
mod threads;
mod writing;

pub use writing::Writing;

use crate::core::Core;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};
use crate::permissions::Permissions;
use crate::rest::error::ApiError;
use crate::simulator::Simulator;
use crate::store::Place;
use serde_json::Value;

/// Why a member could not act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// No such channel or thread.
    #[error("there is no {0}")]
    UnknownChannel(ChannelId),
    /// No such message, not any more, or not for this member.
    #[error("there is no {0} in {1}")]
    UnknownMessage(MessageId, ChannelId),
    /// The user does not live in that server.
    #[error("{0} is not a member there")]
    UnknownMember(UserId),
    /// The bot has not registered the command.
    #[error("the bot has registered no command /{0}")]
    UnknownCommand(String),
    /// The command exists, but the client does not offer it to this member here; the second part says why.
    #[error("the client does not offer /{0} here: {1}")]
    NotOffered(String, String),
    /// An option of a command cannot be filled in like this; the second part says why.
    #[error("option {0:?} cannot be used like this: {1}")]
    BadOption(String, String),
    /// The message has no such component, or it is switched off.
    #[error("{0} has nothing to press with custom id {1:?}")]
    UnknownComponent(MessageId, String),
    /// No such server.
    #[error("there is no {0}")]
    UnknownServer(GuildId),
    /// No such role, or one that cannot be deleted.
    #[error("there is no {0} to do that with")]
    UnknownRole(RoleId),
    /// The user is banned from the server.
    #[error("{0} is banned")]
    Banned(UserId),
    /// These values cannot be chosen in a select menu; the second part says why.
    #[error("this cannot be chosen in {0:?}: {1}")]
    BadChoice(String, String),
    /// No modal is open there for this member.
    #[error("{0} has opened no modal for this member")]
    UnknownModal(InteractionId),
    /// A field of a modal cannot be submitted like this; the second part says why.
    #[error("field {0:?} cannot be submitted like this: {1}")]
    BadField(String, String),
    /// The member cannot see the channel or thread.
    #[error("{0} cannot see {1}")]
    Hidden(UserId, ChannelId),
    /// The member may not do that there.
    #[error("{0} lacks {2} in {1}")]
    Forbidden(UserId, ChannelId, Permissions),
    /// The thread is archived or locked.
    #[error("{0} is archived or locked")]
    Closed(ChannelId),
    /// The server is in an outage.
    #[error("{0} is unavailable")]
    Unavailable(GuildId),
    /// Nothing was written.
    #[error("a message needs text or a file")]
    Empty,
    /// Discord refuses it with this code and message.
    #[error("discord refuses this: {1} ({0})")]
    Refused(u32, String),
}

impl ActionError {
    /// What a member is told where Discord answers with an error.
    fn of(error: &ApiError, channel: ChannelId, message: Option<MessageId>) -> Self {
        match (error.code, message) {
            (10_003, _) => Self::UnknownChannel(channel),
            (10_008, Some(message)) => Self::UnknownMessage(message, channel),
            (50_006, _) => Self::Empty,
            (50_083 | 160_005, _) => Self::Closed(channel),
            (code, _) => Self::Refused(code, error.message.to_owned()),
        }
    }
}

impl Simulator {
    /// A member writes in a channel, thread or direct message. `<@id>` mentions work as in Discord.
    pub fn say(&self, channel: ChannelId, member: UserId, text: &str) -> Result<MessageId, ActionError> {
        self.core.say(channel, member, Writing::text(text))
    }

    /// A member replies to a message.
    pub fn reply(
        &self,
        channel: ChannelId,
        member: UserId,
        to: MessageId,
        text: &str,
    ) -> Result<MessageId, ActionError> {
        self.core.say(channel, member, Writing { reply_to: Some(to), ..Writing::text(text) })
    }

    /// A member writes, with files or as a reply.
    pub fn write(
        &self,
        channel: ChannelId,
        member: UserId,
        writing: Writing,
    ) -> Result<MessageId, ActionError> {
        self.core.say(channel, member, writing)
    }

    /// A member changes the text of a message of his.
    pub fn edit(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
        text: &str,
    ) -> Result<(), ActionError> {
        self.core.edit_by(channel, message, member, text)
    }

    /// A member deletes a message: his own or, with the permission, another's.
    pub fn delete(&self, channel: ChannelId, message: MessageId, member: UserId) -> Result<(), ActionError> {
        self.core.delete_by(channel, message, member)
    }

    /// A member puts an emoji on a message.
    pub fn react(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
        emoji: &str,
    ) -> Result<(), ActionError> {
        self.core.react_by(channel, message, member, emoji, true)
    }

    /// A member takes his emoji off a message.
    pub fn unreact(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
        emoji: &str,
    ) -> Result<(), ActionError> {
        self.core.react_by(channel, message, member, emoji, false)
    }

    /// A member with the permission pins a message, or unpins it.
    pub fn pin(
        &self,
        channel: ChannelId,
        message: MessageId,
        member: UserId,
        pinned: bool,
    ) -> Result<(), ActionError> {
        self.core.pin_by(channel, message, member, pinned)
    }

    /// A member uses a slash command the bot has registered. `command` is its name with group and
    /// sub-command, such as `config set`. Users, roles and channels are given by id, files as
    /// `{"filename", "text" or "base64"}`.
    pub fn slash(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        options: &[(&str, Value)],
    ) -> Result<InteractionId, ActionError> {
        self.core.slash(channel, member, command, options)
    }

    /// A member types into an option that offers choices while typing; [`Simulator::choices`] has the answer.
    pub fn autocomplete(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        options: &[(&str, Value)],
        focused: &str,
    ) -> Result<InteractionId, ActionError> {
        self.core.autocomplete(channel, member, command, options, focused)
    }

    /// The choices that an autocomplete interaction was answered with.
    pub fn choices(&self, interaction: InteractionId) -> Option<Value> {
        let interaction = self.core.interactions.by_id(interaction)?;
        let choices = interaction.shown().choices.clone();
        choices.map(|choices| Value::clone(&choices))
    }

    /// A member uses a command from the menu of a message.
    pub fn use_on_message(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        message: MessageId,
    ) -> Result<InteractionId, ActionError> {
        self.core.use_on_message(channel, member, command, message)
    }

    /// A member uses a command from the menu of a user.
    pub fn use_on_user(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        user: UserId,
    ) -> Result<InteractionId, ActionError> {
        self.core.use_on_user(channel, member, command, user)
    }

    /// A member presses a button of a message.
    pub fn press(
        &self,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        member: UserId,
    ) -> Result<InteractionId, ActionError> {
        self.core.press(channel, message, custom_id, member)
    }

    /// A member chooses in a select menu of a message: values of its options, or ids.
    pub fn select(
        &self,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        member: UserId,
        values: &[String],
    ) -> Result<InteractionId, ActionError> {
        self.core.select(channel, message, custom_id, member, values)
    }

    /// The modal that an interaction was answered with and that has not been submitted.
    pub fn modal(&self, interaction: InteractionId) -> Option<Value> {
        let interaction = self.core.interactions.by_id(interaction)?;
        let modal = interaction.shown().modal.clone();
        modal.map(|modal| Value::clone(&modal))
    }

    /// A member submits the modal that `opener` was answered with. Fields are named by custom id: text, a value
    /// or a list of values, true or false, or a list of files.
    pub fn submit(
        &self,
        opener: InteractionId,
        member: UserId,
        fields: &[(&str, Value)],
    ) -> Result<InteractionId, ActionError> {
        self.core.submit(opener, member, fields)
    }

    /// A member starts typing.
    pub fn type_in(&self, channel: ChannelId, member: UserId) -> Result<(), ActionError> {
        self.core.actor(channel, member, Permissions::SEND_MESSAGES)?;
        self.core.type_in(channel, member).map_err(|_| ActionError::UnknownChannel(channel))
    }

    /// The direct-message channel between a member and the bot.
    pub fn dm_channel(&self, member: UserId) -> Result<ChannelId, ActionError> {
        self.core.dm_channel(member).ok_or(ActionError::UnknownMember(member))
    }

    /// Whether a member takes direct messages of the bot (50007 where not). At first all do.
    pub fn set_takes_dms(&self, member: UserId, takes: bool) {
        self.core.set_takes_dms(member, takes);
    }

    /// The text that mentions the bot.
    pub fn bot_mention(&self) -> String {
        format!("<@{}>", self.core.config.bot.get())
    }

    /// The names of the global commands the bot has registered.
    pub fn commands(&self) -> Vec<String> {
        self.core.commands.names()
    }
}

impl Core {
    pub(crate) fn set_takes_dms(&self, member: UserId, takes: bool) {
        let mut refusing = crate::lock(&self.no_dms);
        if takes {
            refusing.remove(&member)
        } else {
            refusing.insert(member)
        };
    }

    /// Checks that a member may do something in a channel.
    pub(crate) fn actor(
        &self,
        channel: ChannelId,
        member: UserId,
        wanted: Permissions,
    ) -> Result<Place, ActionError> {
        let place = self.store.place(&self.world, channel).ok_or(ActionError::UnknownChannel(channel))?;
        let stripe = self.store.lock(place);
        let may =
            self.permissions_in(&stripe, channel, member).ok_or(ActionError::UnknownChannel(channel))?;
        match place {
            Place::Dm(user) if user != member => return Err(ActionError::UnknownMember(member)),
            Place::Guild(id) => match stripe.changed(id) {
                None if self.world.home(member).is_none_or(|home| home.id != id) => {
                    return Err(ActionError::UnknownMember(member));
                }
                Some(guild) if !guild.has(member) => return Err(ActionError::UnknownMember(member)),
                Some(guild) if !guild.available => return Err(ActionError::Unavailable(id)),
                _ => {}
            },
            Place::Dm(_) => {}
        }
        if !may.has(Permissions::VIEW_CHANNEL) {
            return Err(ActionError::Hidden(member, channel));
        }
        if !may.has(wanted) {
            return Err(ActionError::Forbidden(member, channel, wanted.without(may)));
        }
        Ok(place)
    }
}
