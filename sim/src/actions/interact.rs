//! Members use commands: slash, user and message commands, and choices while typing. Every interaction is
//! opened here.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>

use super::ActionError;
use crate::commands::{self, fill};
use crate::core::Core;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use crate::interactions::{AUTOCOMPLETE, COMMAND, Opening, Used};
use crate::message::{Message, MessageJson};
use crate::permissions::Permissions;
use crate::render::{MemberJson, UserJson};
use crate::resolved::Resolved;
use crate::store::{Place, Stripe};
use crate::transcript::{Kind, add};
use serde_json::{Value, json};
use std::sync::Arc;

/// Contexts of an interaction: in a server, or in the direct messages with the bot.
const IN_GUILD: u64 = 0;
const IN_BOT_DM: u64 = 1;

impl Core {
    pub(crate) fn slash(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        options: &[(&str, Value)],
    ) -> Result<InteractionId, ActionError> {
        self.fill_in(channel, member, command, options, None)
    }

    pub(crate) fn autocomplete(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        options: &[(&str, Value)],
        focused: &str,
    ) -> Result<InteractionId, ActionError> {
        self.fill_in(channel, member, command, options, Some(focused))
    }

    fn fill_in(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        options: &[(&str, Value)],
        focused: Option<&str>,
    ) -> Result<InteractionId, ActionError> {
        let path: Vec<&str> = command.split_whitespace().collect();
        let name = path.first().copied().unwrap_or_default();
        let (place, known) = self.offered(channel, member, commands::CHAT_INPUT, name)?;
        let mut resolved = Resolved::new(self, place, channel, member);
        let filled = fill::fill(&known, &path[1.min(path.len())..], options, focused, &mut resolved)?;
        let mut data = command_data(&known);
        data["options"] = json!(filled.options);
        if let Some(resolved) = resolved.into_json() {
            data["resolved"] = resolved;
        }
        let used = Used {
            name: path.join(" "),
            kind: commands::CHAT_INPUT,
            target_user: None,
            target_message: None,
            focused: filled.focused,
        };
        let kind = if focused.is_some() { AUTOCOMPLETE } else { COMMAND };
        let opening =
            Opening { kind, place, channel, member, pressed: None, used: Some(Arc::new(used)), opener: None };
        Ok(self.interact(opening, &data, None, Vec::new()))
    }

    pub(crate) fn use_on_message(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        target: MessageId,
    ) -> Result<InteractionId, ActionError> {
        let (place, known) = self.offered(channel, member, commands::MESSAGE, command)?;
        let message = self.shown_to(channel, target, member)?;
        let mut resolved = Resolved::new(self, place, channel, member);
        resolved.message(&message);
        self.use_on(place, channel, member, &known, (None, Some(target)), resolved)
    }

    pub(crate) fn use_on_user(
        &self,
        channel: ChannelId,
        member: UserId,
        command: &str,
        target: UserId,
    ) -> Result<InteractionId, ActionError> {
        let (place, known) = self.offered(channel, member, commands::USER, command)?;
        let mut resolved = Resolved::new(self, place, channel, member);
        if !resolved.user(target) {
            return Err(ActionError::UnknownMember(target));
        }
        self.use_on(place, channel, member, &known, (Some(target), None), resolved)
    }

    fn use_on(
        &self,
        place: Place,
        channel: ChannelId,
        member: UserId,
        known: &Value,
        (user, message): (Option<UserId>, Option<MessageId>),
        resolved: Resolved<'_>,
    ) -> Result<InteractionId, ActionError> {
        let mut data = command_data(known);
        data["target_id"] = user.map_or_else(|| json!(message), |user| json!(user));
        if let Some(resolved) = resolved.into_json() {
            data["resolved"] = resolved;
        }
        let used = Used {
            name: known["name"].as_str().unwrap_or_default().to_owned(),
            kind: known["type"].as_u64().unwrap_or_default(),
            target_user: user,
            target_message: message,
            focused: None,
        };
        let used = Some(Arc::new(used));
        let opening = Opening { kind: COMMAND, place, channel, member, pressed: None, used, opener: None };
        Ok(self.interact(opening, &data, None, Vec::new()))
    }

    /// A command that the client offers to a member in a channel.
    fn offered(
        &self,
        channel: ChannelId,
        member: UserId,
        kind: u64,
        name: &str,
    ) -> Result<(Place, Arc<Value>), ActionError> {
        let place = self.actor(channel, member, Permissions::USE_APPLICATION_COMMANDS)?;
        let found = self.commands.find(place.guild(), kind, name);
        let known = found.ok_or_else(|| ActionError::UnknownCommand(name.to_owned()))?;
        let stripe = self.store.lock(place);
        if place.guild().is_some_and(|guild| !self.bot_hears(&stripe, guild)) {
            return Err(ActionError::UnknownCommand(name.to_owned()));
        }
        self.commandable(&stripe, channel, member)?;
        let refuse = |why: &str| Err(ActionError::NotOffered(name.to_owned(), why.to_owned()));
        let context = if place.guild().is_some() { IN_GUILD } else { IN_BOT_DM };
        let allowed = known["contexts"].as_array().map_or_else(
            || context == IN_GUILD || known["dm_permission"] != false,
            |contexts| contexts.iter().any(|allowed| *allowed == context),
        );
        if !allowed {
            return refuse("its contexts leave this place out");
        }
        if known["nsfw"] == true && context == IN_GUILD && !self.is_age_restricted(&stripe, channel) {
            return refuse("it is age-restricted and the channel is not");
        }
        let needed = known["default_member_permissions"].as_str().and_then(|bits| bits.parse::<u64>().ok());
        if let Some(needed) = needed.filter(|_| context == IN_GUILD) {
            let held = self.held_in(&stripe, channel, member).unwrap_or_default();
            // "0" leaves it to administrators.
            let fits = if needed == 0 { Permissions::NONE } else { Permissions::from_bits(needed) };
            let allowed = held.has(Permissions::ADMINISTRATOR) || needed != 0 && held.has(fits);
            if !allowed {
                return refuse("the member lacks the permissions it asks for");
            }
        }
        drop(stripe);
        Ok((place, known))
    }

    /// Members use no commands in archived threads, and in locked ones only moderators do.
    fn commandable(&self, stripe: &Stripe, channel: ChannelId, member: UserId) -> Result<(), ActionError> {
        let Some(thread) = stripe.thread(channel) else { return Ok(()) };
        let may = self.permissions_in(stripe, channel, member).unwrap_or_default();
        if thread.archived || (thread.locked && !may.has(Permissions::MANAGE_THREADS)) {
            return Err(ActionError::Closed(channel));
        }
        Ok(())
    }

    fn is_age_restricted(&self, stripe: &Stripe, channel: ChannelId) -> bool {
        let channel = stripe.thread(channel).map_or(channel, |thread| thread.parent);
        stripe.guild_channel(&self.world, channel).is_some_and(|channel| channel.nsfw)
    }

    /// Opens an interaction and sends INTERACTION_CREATE. `values` is what the transcript says was chosen or
    /// filled in.
    pub(super) fn interact(
        &self,
        opening: Opening,
        data: &Value,
        pressed: Option<&Message>,
        values: Vec<String>,
    ) -> InteractionId {
        let id = InteractionId(self.next_id());
        let (place, channel, member, kind) = (opening.place, opening.channel, opening.member, opening.kind);
        let command = opening.used.as_ref().map(|used| used.name.clone());
        let about = opening.pressed.or(opening.used.as_ref().and_then(|used| used.target_message));
        // Under the stripe's lock, so that it keeps its place among the server's other events.
        let stripe = self.store.lock(place);
        let secret = self.chance.hex("interaction", id.get(), 0);
        let interaction = self.interactions.open(id, &secret, self.clock.now(), opening);
        let held = |user| self.held_in(&stripe, channel, user).unwrap_or_default();
        let mut event = json!({
            "id": id, "application_id": self.config.bot, "type": kind, "data": data, "token": interaction.token,
            "version": 1, "channel_id": channel, "channel": stripe.channel_json(&self.world, channel),
            "app_permissions": held(self.config.bot), "locale": self.config.locale, "entitlements": self.entitlements_for(place.guild(), member),
            "attachment_size_limit": crate::attachments::MAX_FILE_BYTES, "context": IN_GUILD,
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
            event["context"] = json!(IN_BOT_DM);
            event["authorizing_integration_owners"] = json!({"0": "0"});
        }
        if let Some(message) = pressed {
            event["message"] = json!(MessageJson::new(message, None, None, self.view(false, true)));
        }
        add(&self.counters.interactions, 1);
        self.record(Kind::Interaction {
            guild: place.guild(),
            channel,
            id,
            member,
            interaction_type: kind,
            command: command.filter(|_| data["custom_id"].is_null()),
            custom_id: data["custom_id"].as_str().map(str::to_owned),
            message: about,
            values,
        });
        // The bot hears of it also in a channel it cannot view.
        if place.guild().is_none_or(|guild| self.bot_hears(&stripe, guild)) {
            self.dispatch(place, "INTERACTION_CREATE", 0, event.to_string().into(), None);
        }
        drop(stripe);
        id
    }
}

/// What every command's data has.
fn command_data(known: &Value) -> Value {
    let mut data = json!({"id": known["id"], "name": known["name"], "type": known["type"]});
    if !known["guild_id"].is_null() {
        data["guild_id"] = known["guild_id"].clone();
    }
    data
}
