//! What the data of an interaction names: users, members, roles, channels, messages and files, in full.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object-resolved-data-structure>

use crate::attachments::{Attachment, AttachmentJson, File};
use crate::core::Core;
use crate::ids::{AttachmentId, ChannelId, RoleId, UserId};
use crate::message::{Message, MessageJson};
use crate::permissions::Permissions;
use crate::render::{self, MemberJson, UserJson};
use crate::store::Place;
use serde_json::{Map, Value, json};

/// Fields that a partial channel has.
const CHANNEL_FIELDS: [&str; 12] = [
    "id",
    "name",
    "type",
    "last_message_id",
    "last_pin_timestamp",
    "nsfw",
    "parent_id",
    "guild_id",
    "flags",
    "rate_limit_per_user",
    "topic",
    "position",
];

/// Collects what is named. Each method tells whether the acting member could name it at all.
pub(crate) struct Resolved<'a> {
    core: &'a Core,
    place: Place,
    channel: ChannelId,
    member: UserId,
    maps: Map<String, Value>,
}

impl<'a> Resolved<'a> {
    pub(crate) fn new(core: &'a Core, place: Place, channel: ChannelId, member: UserId) -> Self {
        Self { core, place, channel, member, maps: Map::new() }
    }

    fn put(&mut self, map: &str, id: u64, value: Value) {
        let map = self.maps.entry(map).or_insert_with(|| json!({}));
        map[id.to_string()] = value;
    }

    /// A member of the server, or in a direct message one of the two.
    pub(crate) fn user(&mut self, user: UserId) -> bool {
        let core = self.core;
        match self.place {
            Place::Dm(other) if user == other || core.world.is_bot(user) => {}
            Place::Dm(_) => return false,
            Place::Guild(guild) => {
                let Some(server) = core.world.guild(guild) else { return false };
                let stripe = core.store.lock(self.place);
                if !stripe.guild(&core.world, server).has(user) {
                    return false;
                }
                let held = core.held_in(&stripe, self.channel, user).unwrap_or_default();
                let member = MemberJson::partial(server, stripe.changed(guild), user).acting(held);
                drop(stripe);
                let mut member = json!(member);
                if let Some(fields) = member.as_object_mut() {
                    fields.retain(|name, _| !["user", "deaf", "mute"].contains(&name.as_str()));
                }
                self.put("members", user.get(), member);
            }
        }
        self.put("users", user.get(), json!(UserJson::new(&core.world, user)));
        true
    }

    pub(crate) fn role(&mut self, role: RoleId) -> bool {
        let core = self.core;
        let server = self.place.guild().and_then(|guild| core.world.guild(guild));
        let Some(server) = server else { return false };
        let stripe = core.store.lock(self.place);
        let found = stripe.guild(&core.world, server).role(role).map(render::role);
        drop(stripe);
        let Some(found) = found else { return false };
        self.put("roles", role.get(), found);
        true
    }

    /// A channel of the server that the member sees, of one of these types when there are any.
    pub(crate) fn channel(&mut self, channel: ChannelId, types: &Value) -> bool {
        let core = self.core;
        if core.store.place(&core.world, channel) != Some(self.place) {
            return false;
        }
        let stripe = core.store.lock(self.place);
        let held = |user| core.permissions_in(&stripe, channel, user).unwrap_or_default();
        let (own, apps) = (held(self.member), held(core.config.bot));
        let whole = json!(stripe.channel_json(&core.world, channel));
        drop(stripe);
        let types = types.as_array().map_or(&[][..], Vec::as_slice);
        let fits = types.is_empty() || types.contains(&whole["type"]);
        if whole.is_null() || !own.has(Permissions::VIEW_CHANNEL) || !fits {
            return false;
        }
        let mut part = json!({"permissions": own, "app_permissions": apps});
        for field in CHANNEL_FIELDS.into_iter().chain(["thread_metadata"]) {
            if let Some(value) = whole.get(field) {
                part[field] = value.clone();
            }
        }
        self.put("channels", channel.get(), part);
        true
    }

    /// A message that a command is used on; it comes whole also without the message content intent.
    pub(crate) fn message(&mut self, message: &Message) {
        let view = self.core.view(false, false);
        self.put("messages", message.id.get(), json!(MessageJson::new(message, None, None, view)));
    }

    /// Takes a file in; returns its id.
    pub(crate) fn attachment(&mut self, file: &File) -> AttachmentId {
        let core = self.core;
        let id = AttachmentId(core.next_id());
        let kept = core.files.keep(Attachment::new(id, self.channel, file, true), file.bytes.clone());
        let json = json!(AttachmentJson::new(&kept, &core.files, core.clock.unix_ms()));
        self.put("attachments", id.get(), json);
        id
    }

    /// `None` when nothing was named.
    pub(crate) fn into_json(self) -> Option<Value> {
        (!self.maps.is_empty()).then_some(Value::Object(self.maps))
    }
}
