//! Members press buttons, choose in select menus and submit modals.
//! <https://discord.com/developers/docs/components/using-message-components>

use super::ActionError;
use crate::components::{find, kind, modal, select};
use crate::core::Core;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use crate::interactions::{COMPONENT, MODAL_SUBMIT, Opening};
use crate::message::Message;
use crate::permissions::Permissions;
use crate::resolved::Resolved;
use crate::store::Place;
use serde_json::{Value, json};
use std::sync::Arc;

impl Core {
    pub(crate) fn press(
        &self,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        member: UserId,
    ) -> Result<InteractionId, ActionError> {
        let unknown = || ActionError::UnknownComponent(message, custom_id.to_owned());
        let (place, pressed, component) = self.usable(channel, message, custom_id, member)?;
        if component["type"] != kind::BUTTON {
            return Err(unknown());
        }
        let data = json!({"component_type": kind::BUTTON, "custom_id": custom_id, "id": component["id"]});
        Ok(self.interact(on_component(place, &pressed, member), &data, Some(&pressed), Vec::new()))
    }

    pub(crate) fn select(
        &self,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        member: UserId,
        values: &[String],
    ) -> Result<InteractionId, ActionError> {
        let (place, pressed, component) = self.usable(channel, message, custom_id, member)?;
        let kind = component["type"].as_u64().unwrap_or_default();
        if !kind::is_select(kind) {
            return Err(ActionError::UnknownComponent(message, custom_id.to_owned()));
        }
        let mut resolved = Resolved::new(self, place, channel, member);
        select::choose(&component, values, select::bounds(&component), &mut resolved)
            .map_err(|why| ActionError::BadChoice(custom_id.to_owned(), why))?;
        let mut data = json!({
            "component_type": kind, "custom_id": custom_id, "id": component["id"], "values": values,
        });
        if let Some(resolved) = resolved.into_json() {
            data["resolved"] = resolved;
        }
        Ok(self.interact(on_component(place, &pressed, member), &data, Some(&pressed), values.to_vec()))
    }

    /// A component of a message that a member sees and that is not switched off.
    fn usable(
        &self,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        member: UserId,
    ) -> Result<(Place, Arc<Message>, Value), ActionError> {
        let place = self.actor(channel, member, Permissions::VIEW_CHANNEL)?;
        let pressed = self.shown_to(channel, message, member)?;
        let unknown = || ActionError::UnknownComponent(message, custom_id.to_owned());
        let on = pressed.buttons.iter().any(|button| button.custom_id == custom_id && !button.disabled);
        let raw = pressed.components.as_ref().filter(|_| on).ok_or_else(unknown)?;
        let list: Vec<Value> = serde_json::from_str(raw.get()).map_err(|_| unknown())?;
        let component = find(&list, custom_id).cloned().ok_or_else(unknown)?;
        Ok((place, pressed, component))
    }

    pub(crate) fn submit(
        &self,
        opener: InteractionId,
        member: UserId,
        fields: &[(&str, Value)],
    ) -> Result<InteractionId, ActionError> {
        let unknown = || ActionError::UnknownModal(opener);
        let opened = self.interactions.by_id(opener).filter(|opened| opened.member == member);
        let opened = opened.ok_or_else(unknown)?;
        let modal = opened.shown().modal.clone().ok_or_else(unknown)?;
        let (place, channel) = (opened.place, opened.channel);
        self.actor(channel, member, Permissions::VIEW_CHANNEL)?;
        let mut resolved = Resolved::new(self, place, channel, member);
        let components = modal::submit(&modal, fields, &mut resolved)
            .map_err(|(field, why)| ActionError::BadField(field, why))?;
        // Whoever takes it first submits it; it closes by that.
        opened.shown().modal.take().ok_or_else(unknown)?;
        let mut data = json!({"custom_id": modal["custom_id"], "components": components});
        if let Some(resolved) = resolved.into_json() {
            data["resolved"] = resolved;
        }
        let written =
            |(_, value): &(&str, Value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let values = fields.iter().map(written).collect();
        let pressed = opened.pressed.and_then(|message| self.find(channel, message));
        let opening = Opening {
            kind: MODAL_SUBMIT,
            place,
            channel,
            member,
            pressed: opened.pressed,
            used: None,
            opener: Some(opened.clone()),
        };
        Ok(self.interact(opening, &data, pressed.as_deref(), values))
    }
}

fn on_component(place: Place, pressed: &Message, member: UserId) -> Opening {
    Opening {
        kind: COMPONENT,
        place,
        channel: pressed.channel,
        member,
        pressed: Some(pressed.id),
        used: None,
        opener: None,
    }
}
