//! The fields of a channel that requests set, and what is wrong with them.
//! <https://discord.com/developers/docs/resources/guild#create-guild-channel>,
//! <https://discord.com/developers/docs/resources/channel#modify-channel>

use super::body::present;
use super::channels::{check_name, check_slowmode};
use super::error::ApiError;
use super::threads::check_auto_archive;
use crate::core::Core;
use crate::guild::{GuildChannel, Tag, channel_kind};
use crate::ids::{ChannelId, RoleId, UserId};
use crate::permissions::{Overwrite, Permissions, Target};
use crate::store::Stripe;
use crate::world::Server;
use serde::Deserialize;
use serde_json::{Map, Value};

const MAX_TOPIC: usize = 1_024;
const MAX_FORUM_TOPIC: usize = 4_096;
const MAX_TAGS: usize = 20;
const MAX_TAG_NAME: usize = 20;
const MAX_IN_CATEGORY: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<u8>,
    position: Option<u32>,
    #[serde(deserialize_with = "present")]
    pub(super) topic: Option<Option<String>>,
    nsfw: Option<bool>,
    rate_limit_per_user: Option<u32>,
    permission_overwrites: Option<Vec<OverwriteBody>>,
    #[serde(deserialize_with = "present")]
    parent_id: Option<Option<ChannelId>>,
    default_auto_archive_duration: Option<u64>,
    default_thread_rate_limit_per_user: Option<u32>,
    flags: Option<u64>,
    available_tags: Option<Vec<TagBody>>,
    /// What is kept only to be shown again.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Fields of a forum that mean nothing here.
const SHOWN: [&str; 3] = ["default_reaction_emoji", "default_sort_order", "default_forum_layout"];

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OverwriteBody {
    pub(super) id: Option<UserId>,
    #[serde(rename = "type")]
    pub(super) kind: Option<u8>,
    pub(super) allow: Option<Permissions>,
    pub(super) deny: Option<Permissions>,
}

impl OverwriteBody {
    pub(super) fn overwrite(&self) -> Result<Overwrite, ApiError> {
        let id = self.id.ok_or_else(|| ApiError::required("permission_overwrites.id"))?;
        let target = match self.kind {
            Some(0) => Target::Role(RoleId(id.get())),
            Some(1) => Target::Member(id),
            _ => {
                return Err(ApiError::invalid("type", "BASE_TYPE_CHOICES", "Value must be one of (0, 1)."));
            }
        };
        let (allow, deny) = (self.allow.unwrap_or_default(), self.deny.unwrap_or_default());
        Ok(Overwrite { target, allow, deny })
    }
}

#[derive(Clone, Debug, Deserialize)]
struct TagBody {
    id: Option<ChannelId>,
    name: String,
    #[serde(default)]
    moderated: bool,
    emoji_id: Option<String>,
    emoji_name: Option<String>,
}

/// The bot gives and takes only what it has itself, unless an overwrite of the channel lets it manage permissions.
pub(super) fn check_overwrite(
    core: &Core,
    stripe: &Stripe,
    server: &Server,
    channel: Option<&GuildChannel>,
    overwrite: &Overwrite,
) -> Result<(), ApiError> {
    let bot = core.config.bot;
    let guild = stripe.guild(&core.world, server);
    let may = guild.permissions(bot, core.clock.unix_ms());
    let roles = guild.members.get(&bot).map_or(&[][..], |member| &member.roles);
    let trusted = channel.is_some_and(|channel| {
        channel.overwrites.iter().any(|known| {
            let mine = match known.target {
                Target::Role(role) => roles.contains(&role),
                Target::Member(user) => user == bot,
            };
            mine && known.allow.has(Permissions::MANAGE_ROLES)
        })
    });
    let before = channel.and_then(|channel| channel.overwrite(overwrite.target.get()));
    let before = before.map_or((Permissions::NONE, Permissions::NONE), |known| (known.allow, known.deny));
    let touched = |new: Permissions, old: Permissions| new.without(old) | old.without(new);
    let touched = touched(overwrite.allow, before.0) | touched(overwrite.deny, before.1);
    let over_roles = touched.has(Permissions::MANAGE_ROLES) && !may.has(Permissions::ADMINISTRATOR);
    if over_roles || (!trusted && !may.has(touched)) {
        return Err(ApiError::missing_permissions());
    }
    Ok(())
}

impl Fields {
    /// What Discord would refuse of these fields for a channel of this kind.
    pub(super) fn check(
        &self,
        core: &Core,
        stripe: &Stripe,
        server: &Server,
        channel: Option<&GuildChannel>,
        kind: u8,
    ) -> Result<(), ApiError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        check_slowmode(self.rate_limit_per_user)?;
        check_auto_archive(self.default_auto_archive_duration)?;
        let longest = if channel_kind::is_thread_only(kind) { MAX_FORUM_TOPIC } else { MAX_TOPIC };
        if self.topic.iter().flatten().any(|topic| topic.chars().count() > longest) {
            return Err(ApiError::too_long("topic", longest));
        }
        if self.available_tags.as_ref().is_some_and(|tags| tags.len() > MAX_TAGS) {
            return Err(ApiError::too_many_tags());
        }
        if self.available_tags.iter().flatten().any(|tag| tag.name.chars().count() > MAX_TAG_NAME) {
            return Err(ApiError::too_long("available_tags.name", MAX_TAG_NAME));
        }
        let guild = stripe.guild(&core.world, server);
        if let Some(Some(parent)) = self.parent_id {
            let category = guild.channels.get(&parent).filter(|known| known.kind == channel_kind::CATEGORY);
            if category.is_none() || kind == channel_kind::CATEGORY {
                let message = "Category does not exist";
                return Err(ApiError::invalid("parent_id", "CHANNEL_PARENT_INVALID", message));
            }
            let inside = guild.channels.values().filter(|known| known.parent == Some(parent)).count();
            if inside >= MAX_IN_CATEGORY {
                let message = "Maximum number of channels in category reached (50)";
                return Err(ApiError::invalid("parent_id", "CHANNEL_PARENT_MAX_CHANNELS", message));
            }
        }
        let Some(overwrites) = &self.permission_overwrites else { return Ok(()) };
        let may = match channel {
            Some(channel) => core.permissions_in(stripe, channel.id, core.config.bot).unwrap_or_default(),
            None => guild.permissions(core.config.bot, core.clock.unix_ms()),
        };
        if channel.is_some() && !may.has(Permissions::MANAGE_ROLES) {
            return Err(ApiError::missing_permissions());
        }
        overwrites
            .iter()
            .try_for_each(|overwrite| check_overwrite(core, stripe, server, channel, &overwrite.overwrite()?))
    }

    /// Sets them; they were checked.
    pub(super) fn apply(self, core: &Core, channel: &mut GuildChannel) {
        channel.name = self.name.unwrap_or_else(|| std::mem::take(&mut channel.name));
        channel.position = self.position.unwrap_or(channel.position);
        channel.topic = self.topic.unwrap_or_else(|| channel.topic.take());
        channel.nsfw = self.nsfw.unwrap_or(channel.nsfw);
        channel.slowmode_s = self.rate_limit_per_user.unwrap_or(channel.slowmode_s);
        channel.thread_slowmode_s =
            self.default_thread_rate_limit_per_user.unwrap_or(channel.thread_slowmode_s);
        channel.auto_archive = self.default_auto_archive_duration.or(channel.auto_archive);
        channel.flags = self.flags.unwrap_or(channel.flags);
        channel.parent = self.parent_id.unwrap_or(channel.parent);
        if let Some(overwrites) = self.permission_overwrites {
            channel.overwrites = overwrites.iter().filter_map(|one| one.overwrite().ok()).collect();
        }
        if let Some(tags) = self.available_tags {
            let tag = |body: TagBody| Tag {
                id: body.id.map_or_else(|| core.next_id(), ChannelId::get),
                name: body.name,
                moderated: body.moderated,
                emoji_id: body.emoji_id,
                emoji_name: body.emoji_name,
            };
            channel.tags = tags.into_iter().map(tag).collect();
        }
        let shown = self.others.into_iter().filter(|(name, _)| SHOWN.contains(&name.as_str()));
        channel.shown.extend(shown);
    }
}
