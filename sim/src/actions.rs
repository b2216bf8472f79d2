//! What members do: write, use slash commands, press buttons, type.

use crate::core::Core;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};
use crate::interactions::{COMMAND, COMPONENT, Interaction};
use crate::message::{MessageJson, View};
use crate::permissions::Permissions;
use crate::posting::{Draft, Origin};
use crate::render::{MemberJson, UserJson};
use crate::rest::error::ApiError;
use crate::simulator::Simulator;
use crate::store::Place;
use crate::transcript::{Kind, add};
use serde_json::{Value, json};
use std::sync::PoisonError;

/// Why a member could not act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// No such channel or thread.
    #[error("there is no {0}")]
    UnknownChannel(ChannelId),
    /// No such message, or not any more.
    #[error("there is no {0} in {1}")]
    UnknownMessage(MessageId, ChannelId),
    /// The user does not live in that server.
    #[error("{0} is not a member there")]
    UnknownMember(UserId),
    /// The bot has not registered the command.
    #[error("the bot has registered no command /{0}")]
    UnknownCommand(String),
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
    #[error("a message needs text")]
    Empty,
}

impl Simulator {
    /// A member writes in a channel, thread or direct message. `<@id>` mentions work as in Discord.
    pub fn say(&self, channel: ChannelId, member: UserId, text: &str) -> Result<MessageId, ActionError> {
        self.core.say(channel, member, text, None)
    }

    /// A member replies to a message.
    pub fn reply(
        &self,
        channel: ChannelId,
        member: UserId,
        to: MessageId,
        text: &str,
    ) -> Result<MessageId, ActionError> {
        self.core.say(channel, member, text, Some(to))
    }

    /// A member uses a slash command the bot has registered.
    pub fn slash(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        options: &[(&str, Value)],
    ) -> Result<InteractionId, ActionError> {
        self.core.slash(channel, member, command, options)
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

    /// A member starts typing.
    pub fn type_in(&self, channel: ChannelId, member: UserId) -> Result<(), ActionError> {
        self.core.actor(channel, member, Permissions::SEND_MESSAGES)?;
        self.core.type_in(channel, member).map_err(|_| ActionError::UnknownChannel(channel))
    }

    /// The direct-message channel between a member and the bot.
    pub fn dm_channel(&self, member: UserId) -> Result<ChannelId, ActionError> {
        self.core.dm_channel(member).ok_or(ActionError::UnknownMember(member))
    }

    /// The text that mentions the bot.
    pub fn bot_mention(&self) -> String {
        format!("<@{}>", self.core.config.bot.get())
    }

    /// The names of the commands the bot has registered.
    pub fn commands(&self) -> Vec<String> {
        let commands = self.core.commands.read().unwrap_or_else(PoisonError::into_inner);
        let names = commands.as_array().into_iter().flatten();
        names.filter_map(|command| command["name"].as_str().map(str::to_owned)).collect()
    }
}

impl Core {
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

    /// Members use no commands in archived threads, and in locked ones only moderators do.
    fn commandable(&self, place: Place, channel: ChannelId, member: UserId) -> Result<(), ActionError> {
        let stripe = self.store.lock(place);
        let Some(thread) = stripe.thread(channel) else { return Ok(()) };
        let may = self.permissions_in(&stripe, channel, member).unwrap_or_default();
        if thread.archived || (thread.locked && !may.has(Permissions::MANAGE_THREADS)) {
            return Err(ActionError::Closed(channel));
        }
        Ok(())
    }

    pub(crate) fn say(
        &self,
        channel: ChannelId,
        member: UserId,
        text: &str,
        to: Option<MessageId>,
    ) -> Result<MessageId, ActionError> {
        self.actor(channel, member, Permissions::SEND_MESSAGES)?;
        let draft =
            Draft { content: text.to_owned(), reference: to.map(|id| (id, true)), ..Draft::default() };
        let posted = self.post(&Origin { channel, author: member, cause: None }, draft);
        posted.map(|message| message.id).map_err(|error| match to {
            _ if error == ApiError::thread_locked() => ActionError::Closed(channel),
            Some(to) if error != ApiError::empty_message() => ActionError::UnknownMessage(to, channel),
            _ if error == ApiError::empty_message() => ActionError::Empty,
            _ => ActionError::UnknownChannel(channel),
        })
    }

    pub(crate) fn slash(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        options: &[(&str, Value)],
    ) -> Result<InteractionId, ActionError> {
        let place = self.actor(channel, member, Permissions::USE_APPLICATION_COMMANDS)?;
        self.commandable(place, channel, member)?;
        let commands = self.commands.read().unwrap_or_else(PoisonError::into_inner);
        let known = commands.as_array().into_iter().flatten().find(|known| known["name"] == command);
        let known = known.ok_or_else(|| ActionError::UnknownCommand(command.to_owned()))?;
        let options: Vec<Value> = options
            .iter()
            .map(|(name, value)| json!({"name": name, "type": option_type(value), "value": value}))
            .collect();
        let data = json!({"id": known["id"], "name": command, "type": known["type"], "options": options});
        drop(commands);
        Ok(self.interact(place, channel, member, COMMAND, &data, None))
    }

    pub(crate) fn press(
        &self,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        member: UserId,
    ) -> Result<InteractionId, ActionError> {
        let place = self.actor(channel, member, Permissions::VIEW_CHANNEL)?;
        let pressed = self.find(channel, message).ok_or(ActionError::UnknownMessage(message, channel))?;
        let component =
            pressed.buttons.iter().find(|button| button.custom_id == custom_id && !button.disabled);
        let component =
            component.ok_or_else(|| ActionError::UnknownComponent(message, custom_id.to_owned()))?;
        let data = json!({"component_type": component.kind, "custom_id": custom_id, "values": []});
        let view = View { world: &self.world, gateway: false, content: true, changed: None };
        let json = json!(MessageJson::new(&pressed, None, None, view));
        Ok(self.interact(place, channel, member, COMPONENT, &data, Some((message, json))))
    }

    /// Opens an interaction and sends INTERACTION_CREATE.
    /// <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>
    fn interact(
        &self,
        place: Place,
        channel: ChannelId,
        member: UserId,
        kind: u8,
        data: &Value,
        pressed: Option<(MessageId, Value)>,
    ) -> InteractionId {
        let id = InteractionId(self.next_id());
        let secret = self.chance.hex("interaction", id.get(), 0);
        let message = pressed.as_ref().map(|(message, _)| *message);
        let interaction: std::sync::Arc<Interaction> =
            self.interactions.open(id, &secret, self.clock.now(), kind, place, channel, member, message);
        // Under the stripe's lock, so that it keeps its place among the server's other events.
        let stripe = self.store.lock(place);
        let held = |user| self.held_in(&stripe, channel, user).unwrap_or_default();
        let mut event = json!({
            "id": id, "application_id": self.config.bot, "type": kind, "data": data, "token": interaction.token,
            "version": 1, "channel_id": channel, "channel": stripe.channel_json(&self.world, channel),
            "app_permissions": held(self.config.bot), "locale": "en-US", "entitlements": [],
            "attachment_size_limit": 10_485_760, "context": 0,
        });
        if let Some(server) = place.guild().and_then(|guild| self.world.guild(guild)) {
            event["guild_id"] = json!(server.id);
            event["guild_locale"] = json!("en-US");
            event["guild"] = json!({"id": server.id, "locale": "en-US", "features": []});
            let changed = stripe.changed(server.id);
            let acting = MemberJson::full(&self.world, server, changed, member).acting(held(member));
            event["member"] = json!(acting);
            event["authorizing_integration_owners"] = json!({"0": server.id});
        } else {
            event["user"] = json!(UserJson::new(&self.world, member));
            event["context"] = json!(1);
            event["authorizing_integration_owners"] = json!({"0": "0"});
        }
        if let Some((_, json)) = pressed {
            event["message"] = json;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        add(&self.counters.interactions, 1);
        self.record(Kind::Interaction {
            guild: place.guild(),
            channel,
            id,
            member,
            command: text(&data["name"]),
            custom_id: text(&data["custom_id"]),
            message,
        });
        // The bot hears of it also in a channel it cannot view.
        if place.guild().is_none_or(|guild| self.bot_hears(&stripe, guild)) {
            self.dispatch(place, "INTERACTION_CREATE", 0, event.to_string().into(), None);
        }
        drop(stripe);
        id
    }
}

/// Option type of a value: string, integer, boolean or number.
fn option_type(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 5,
        Value::Number(number) if number.is_i64() || number.is_u64() => 4,
        Value::Number(_) => 10,
        _ => 3,
    }
}
