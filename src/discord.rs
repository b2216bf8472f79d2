//! The parts of Discord's wire format that Helpline reads, and typed ids.
//!
//! Only the fields that are used are declared: an unknown field or a new enum value of Discord's never fails a parse.
//! Source: Discord developer docs, "Message Object", "Interaction Object", "Guild Create".

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What somebody may do, as bits. Unknown bits are dropped.
/// Source: <https://discord.com/developers/docs/topics/permissions>.
pub use twilight_model::guild::Permissions;

macro_rules! snowflake {
    ($($(#[$doc:meta])* $name:ident => $kind:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($kind, " {}"), self.0)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
        impl TryFrom<String> for $name {
            type Error = std::num::ParseIntError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse().map(Self)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.to_string()
            }
        }
    )+};
}

snowflake! {
    /// A channel or a thread; a thread started from a message has that message's id.
    ChannelId => "channel",
    MessageId => "message",
    UserId => "user",
    RoleId => "role",
    InteractionId => "interaction",
    ApplicationId => "application",
    /// A guild as the wire names it; [`helpline_cluster::ids::ServerId`] everywhere else.
    GuildId => "guild",
}

impl ChannelId {
    /// The message that this thread was, or is to be, started from: both have one id.
    /// Source: <https://discord.com/developers/docs/resources/channel#start-thread-from-message>.
    pub fn starter(self) -> MessageId {
        MessageId(self.0)
    }
}

impl MessageId {
    /// The thread that was, or would be, started from this message.
    pub fn thread(self) -> ChannelId {
        ChannelId(self.0)
    }

    /// The first id that can have been given out at a moment.
    /// Source: <https://discord.com/developers/docs/reference#snowflakes>.
    pub fn at(moment: time::OffsetDateTime) -> Self {
        Self::at_unix_ms(u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
    }

    /// The same of a moment in ms since 1970.
    pub fn at_unix_ms(ms: u64) -> Self {
        Self(ms.saturating_sub(EPOCH_MS) << 22)
    }

    /// When the id was given out, in ms since 1970.
    pub fn unix_ms(self) -> u64 {
        (self.0 >> 22) + EPOCH_MS
    }
}

/// The first second of 2015, where Discord's ids begin to count.
const EPOCH_MS: u64 = 1_420_070_400_000;

/// A component of a message, as far as it names itself or holds others.
#[derive(Debug, Clone, Deserialize)]
pub struct Component {
    #[serde(default)]
    custom_id: Option<String>,
    #[serde(default)]
    components: Vec<Component>,
    /// In a label of a form.
    #[serde(default)]
    component: Option<Box<Component>>,
    /// Text, in an input of a form that was sent.
    #[serde(default)]
    value: serde_json::Value,
}

impl Component {
    fn written(&self, custom_id: &str) -> Option<&str> {
        if self.custom_id.as_deref() == Some(custom_id) {
            return self.value.as_str();
        }
        let inner = self.components.iter().chain(self.component.as_deref());
        inner.into_iter().find_map(|component| component.written(custom_id))
    }

    /// The custom ids in it.
    pub fn custom_ids(&self) -> Vec<&str> {
        let inner = self.components.iter().flat_map(Component::custom_ids);
        self.custom_id.as_deref().into_iter().chain(inner).collect()
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub id: UserId,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub bot: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Mention {
    pub id: UserId,
}

/// MESSAGE_CREATE.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub channel_id: ChannelId,
    #[serde(default)]
    pub guild_id: Option<GuildId>,
    pub author: User,
    #[serde(default)]
    pub content: String,
    #[serde(default)]
    pub mentions: Vec<Mention>,
    /// 0 = default, 19 = reply; everything else is a system message or a command's response.
    #[serde(default, rename = "type")]
    pub kind: u8,
    /// Present only in threads.
    #[serde(default)]
    pub position: Option<u64>,
    #[serde(default)]
    pub webhook_id: Option<String>,
    /// Only the gateway says it, not REST.
    #[serde(default)]
    pub member: Option<Speaker>,
    #[serde(default)]
    edited_timestamp: Option<String>,
}

impl Message {
    /// When it was last edited, in ms since 1970; none when it never was.
    pub fn edited_ms(&self) -> Option<i64> {
        let format = &time::format_description::well_known::Rfc3339;
        let at = time::OffsetDateTime::parse(self.edited_timestamp.as_deref()?, format).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
    }

    pub fn is_by_a_person(&self) -> bool {
        !self.author.bot && self.webhook_id.is_none() && matches!(self.kind, 0 | 19)
    }
}

/// MESSAGE_DELETE and MESSAGE_DELETE_BULK.
#[derive(Debug, Clone, Deserialize)]
pub struct MessagesGone {
    #[serde(default)]
    id: Option<MessageId>,
    #[serde(default)]
    ids: Vec<MessageId>,
}

impl MessagesGone {
    pub fn ids(self) -> Vec<MessageId> {
        self.id.into_iter().chain(self.ids).collect()
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Member {
    pub user: User,
    #[serde(default)]
    pub roles: Vec<RoleId>,
    /// In interactions alone: what the member may do in the channel, overwrites included.
    #[serde(default)]
    pub permissions: Option<Permissions>,
}

impl Member {
    /// Whether the member holds all of these in the interaction's channel; administrators hold everything.
    pub fn holds(&self, wanted: Permissions) -> bool {
        self.permissions.is_some_and(|held| holds(held, wanted))
    }

    /// Whether the member helps others here, see [`is_staff`].
    pub fn is_staff(&self, support_role: Option<RoleId>) -> bool {
        is_staff(&self.roles, self.permissions, support_role)
    }
}

/// Staff have the server's support role, or manage the server.
fn is_staff(roles: &[RoleId], permissions: Option<Permissions>, support_role: Option<RoleId>) -> bool {
    support_role.is_some_and(|role| roles.contains(&role))
        || permissions.is_some_and(|held| holds(held, Permissions::MANAGE_GUILD))
}

/// The author of a message as a member: without user and permissions.
#[derive(Debug, Clone, Deserialize)]
pub struct Speaker {
    #[serde(default)]
    pub roles: Vec<RoleId>,
}

/// A member that a choice in a menu names.
#[derive(Debug, Clone, Deserialize)]
pub struct ResolvedMember {
    #[serde(default)]
    roles: Vec<RoleId>,
    #[serde(default)]
    permissions: Option<Permissions>,
}

impl ResolvedMember {
    pub fn is_staff(&self, support_role: Option<RoleId>) -> bool {
        is_staff(&self.roles, self.permissions, support_role)
    }
}

/// Whether all of the wanted permissions are there; administrators hold everything.
pub fn holds(held: Permissions, wanted: Permissions) -> bool {
    held.contains(Permissions::ADMINISTRATOR) || held.contains(wanted)
}

#[derive(Debug, Clone, Deserialize)]
pub struct InteractionChannel {
    /// 10, 11 and 12 are threads.
    #[serde(default, rename = "type")]
    pub kind: u8,
}

/// An option of a command, or a group or subcommand that holds options.
#[derive(Debug, Clone, Deserialize)]
pub struct CommandOption {
    pub name: String,
    /// 1 = subcommand, 2 = group of subcommands; otherwise the type of the value.
    #[serde(default, rename = "type")]
    pub kind: u8,
    #[serde(default)]
    pub value: serde_json::Value,
    #[serde(default)]
    pub options: Vec<CommandOption>,
    /// In an autocomplete interaction: this one is being typed.
    #[serde(default)]
    pub focused: bool,
}

impl CommandOption {
    /// The value as an id, as channels and roles have one.
    pub fn id(&self) -> Option<u64> {
        self.value.as_str()?.parse().ok()
    }
}

/// A channel that an option names.
#[derive(Debug, Clone, Deserialize)]
pub struct ResolvedChannel {
    #[serde(default, rename = "type")]
    pub kind: u8,
    #[serde(default)]
    pub guild_id: Option<GuildId>,
    /// What the bot may do in it; Discord does not always say.
    #[serde(default)]
    pub app_permissions: Option<Permissions>,
}

/// A role that an option names.
#[derive(Debug, Clone, Deserialize)]
pub struct ResolvedRole {
    /// Anybody may ping it.
    #[serde(default)]
    pub mentionable: bool,
}

/// What the options name, by id: of this server, and seen by the member, because Discord looked it up.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Resolved {
    #[serde(default)]
    pub channels: HashMap<ChannelId, ResolvedChannel>,
    #[serde(default)]
    pub roles: HashMap<RoleId, ResolvedRole>,
    #[serde(default)]
    pub members: HashMap<UserId, ResolvedMember>,
    #[serde(default)]
    pub users: HashMap<UserId, User>,
    /// With their text, also without the message content intent.
    #[serde(default)]
    pub messages: HashMap<MessageId, Message>,
    /// Files, by their ids.
    #[serde(default)]
    pub attachments: HashMap<String, Attachment>,
}

/// A file of a message or of an interaction.
#[derive(Clone, Deserialize)]
pub struct Attachment {
    #[serde(default)]
    pub filename: String,
    /// In bytes.
    #[serde(default)]
    pub size: u64,
    pub url: String,
}

/// Whoever has the address reads the file.
impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("size", &self.size).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct InteractionData {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub options: Vec<CommandOption>,
    /// Of a command: 1 = slash command, 3 = on a message.
    #[serde(default, rename = "type")]
    pub kind: u8,
    #[serde(default)]
    pub custom_id: Option<String>,
    #[serde(default)]
    pub resolved: Resolved,
    /// What a command on a message is used on.
    #[serde(default)]
    pub target_id: Option<MessageId>,
    /// What was chosen in a menu.
    #[serde(default)]
    pub values: Vec<String>,
    /// The inputs of a form that was sent.
    #[serde(default)]
    components: Vec<Component>,
}

impl InteractionData {
    /// Group and subcommand, as in `["channels", "add"]`, and the options below them.
    pub fn chosen(&self) -> (Vec<&str>, &[CommandOption]) {
        let (mut path, mut options) = (Vec::new(), self.options.as_slice());
        while let [CommandOption { name, kind: 1 | 2, options: inner, .. }] = options {
            path.push(name.as_str());
            options = inner;
        }
        (path, options)
    }

    /// What was written into an input of a form.
    pub fn written(&self, custom_id: &str) -> Option<&str> {
        self.components.iter().find_map(|component| component.written(custom_id))
    }
}

/// INTERACTION_CREATE.
#[derive(Clone, Deserialize)]
pub struct Interaction {
    pub id: InteractionId,
    pub application_id: ApplicationId,
    /// 2 = application command, 3 = component, 4 = autocomplete, 5 = submitted form.
    #[serde(rename = "type")]
    pub kind: u8,
    pub token: String,
    #[serde(default)]
    pub guild_id: Option<GuildId>,
    #[serde(default)]
    pub channel_id: Option<ChannelId>,
    #[serde(default)]
    pub channel: Option<InteractionChannel>,
    #[serde(default)]
    pub member: Option<Member>,
    #[serde(default)]
    pub user: Option<User>,
    /// What the bot may do in the channel.
    #[serde(default)]
    pub app_permissions: Option<Permissions>,
    #[serde(default)]
    pub data: Option<InteractionData>,
    /// The language of the member's Discord.
    /// Source: <https://discord.com/developers/docs/reference#locales>.
    #[serde(default)]
    pub locale: Option<String>,
}

/// The token answers for 15 minutes in the bot's name: it is never printed.
impl std::fmt::Debug for Interaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interaction").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Interaction {
    pub fn by(&self) -> Option<&User> {
        self.member.as_ref().map(|member| &member.user).or(self.user.as_ref())
    }

    pub fn is_in_thread(&self) -> bool {
        self.channel.as_ref().is_some_and(|channel| matches!(channel.kind, 10..=12))
    }
}

/// THREAD_CREATE.
#[derive(Debug, Clone, Deserialize)]
pub struct Thread {
    pub id: ChannelId,
    #[serde(default)]
    pub parent_id: Option<ChannelId>,
    #[serde(default)]
    pub owner_id: Option<UserId>,
    #[serde(default)]
    pub name: String,
    #[serde(default, rename = "type")]
    kind: u8,
    /// Absent when the bot was only added to it.
    #[serde(default)]
    pub newly_created: bool,
}

impl Thread {
    pub fn is_public(&self) -> bool {
        matches!(self.kind, 10 | 11)
    }
}

/// GUILD_CREATE, GUILD_UPDATE and GUILD_DELETE, as far as `servers` mirrors them.
#[derive(Debug, Clone, Deserialize)]
pub struct Guild {
    pub id: GuildId,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub icon: Option<String>,
    /// In GUILD_DELETE: true = an outage of Discord's, absent = the bot was removed.
    #[serde(default)]
    pub unavailable: Option<bool>,
}

impl Guild {
    /// Source: Discord developer docs, "Image Formatting".
    pub fn icon_url(&self) -> Option<String> {
        self.icon.as_ref().map(|hash| format!("https://cdn.discordapp.com/icons/{}/{hash}.png", self.id.0))
    }
}

/// Discord's limit for the content of a message, in characters (UTF-16 code units are not what it counts).
pub const MAX_CONTENT_CHARS: usize = 2_000;
/// Discord's limit for the name of a channel or thread.
pub const MAX_THREAD_NAME_CHARS: usize = 100;

/// JSON error codes that Helpline acts on. Source: Discord developer docs, "Opcodes and Status Codes".
pub mod code {
    pub const UNKNOWN_CHANNEL: u64 = 10_003;
    pub const UNKNOWN_MESSAGE: u64 = 10_008;
    /// The three seconds for the first reply are over, or the token is wrong.
    pub const UNKNOWN_INTERACTION: u64 = 10_062;
    pub const ALREADY_ACKNOWLEDGED: u64 = 40_060;
    pub const THREAD_ARCHIVED: u64 = 50_083;
    pub const INVALID_WEBHOOK_TOKEN: u64 = 50_027;
    pub const THREAD_EXISTS: u64 = 160_004;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_their_kind_and_travel_as_strings() {
        let id = ChannelId(5);
        assert_eq!(id.to_string(), "channel 5");
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""5""#);
        assert_eq!(serde_json::from_str::<ChannelId>(r#""18446744073709551615""#).unwrap().0, u64::MAX);
    }

    #[test]
    fn an_interaction_never_prints_its_token() {
        let json = r#"{"id":"1","application_id":"2","type":2,"token":"secret"}"#;
        let interaction: Interaction = serde_json::from_str(json).unwrap();
        assert!(!format!("{interaction:?}").contains("secret"));
    }
}
