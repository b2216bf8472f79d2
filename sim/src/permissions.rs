//! Permissions: the bits by name, and the rules that turn roles and overwrites into what somebody may do.
//!
//! Pure. The order of the steps is the one of <https://discord.com/developers/docs/topics/permissions>:
//! [`base`] from the roles, [`overwritten`] by the channel, [`in_thread`] for threads, and [`effective`] for what
//! is denied without being said.

use crate::ids::{RoleId, UserId};
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// A set of permissions. It travels as a decimal string.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u64);

macro_rules! permissions {
    ($($name:ident = $shift:literal,)*) => {
        #[allow(missing_docs, reason = "the names are Discord's own, explained in its documentation")]
        impl Permissions {
            $(pub const $name: Self = Self(1 << $shift);)*

            /// Every permission there is.
            pub const ALL: Self = Self(0 $(| 1 << $shift)*);

            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$name, stringify!($name)),)*];
        }
    };
}

permissions! {
    CREATE_INSTANT_INVITE = 0,
    KICK_MEMBERS = 1,
    BAN_MEMBERS = 2,
    ADMINISTRATOR = 3,
    MANAGE_CHANNELS = 4,
    MANAGE_GUILD = 5,
    ADD_REACTIONS = 6,
    VIEW_AUDIT_LOG = 7,
    PRIORITY_SPEAKER = 8,
    STREAM = 9,
    VIEW_CHANNEL = 10,
    SEND_MESSAGES = 11,
    SEND_TTS_MESSAGES = 12,
    MANAGE_MESSAGES = 13,
    EMBED_LINKS = 14,
    ATTACH_FILES = 15,
    READ_MESSAGE_HISTORY = 16,
    MENTION_EVERYONE = 17,
    USE_EXTERNAL_EMOJIS = 18,
    VIEW_GUILD_INSIGHTS = 19,
    CONNECT = 20,
    SPEAK = 21,
    MUTE_MEMBERS = 22,
    DEAFEN_MEMBERS = 23,
    MOVE_MEMBERS = 24,
    USE_VAD = 25,
    CHANGE_NICKNAME = 26,
    MANAGE_NICKNAMES = 27,
    MANAGE_ROLES = 28,
    MANAGE_WEBHOOKS = 29,
    MANAGE_GUILD_EXPRESSIONS = 30,
    USE_APPLICATION_COMMANDS = 31,
    REQUEST_TO_SPEAK = 32,
    MANAGE_EVENTS = 33,
    MANAGE_THREADS = 34,
    CREATE_PUBLIC_THREADS = 35,
    CREATE_PRIVATE_THREADS = 36,
    USE_EXTERNAL_STICKERS = 37,
    SEND_MESSAGES_IN_THREADS = 38,
    USE_EMBEDDED_ACTIVITIES = 39,
    MODERATE_MEMBERS = 40,
    VIEW_CREATOR_MONETIZATION_ANALYTICS = 41,
    USE_SOUNDBOARD = 42,
    CREATE_GUILD_EXPRESSIONS = 43,
    CREATE_EVENTS = 44,
    USE_EXTERNAL_SOUNDS = 45,
    SEND_VOICE_MESSAGES = 46,
    SET_VOICE_CHANNEL_STATUS = 48,
    SEND_POLLS = 49,
    USE_EXTERNAL_APPS = 50,
    PIN_MESSAGES = 51,
    BYPASS_SLOWMODE = 52,
}

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// What everybody has in a generated server.
    pub const MEMBER: Self = Self::ADD_REACTIONS
        .or(Self::VIEW_CHANNEL)
        .or(Self::SEND_MESSAGES)
        .or(Self::EMBED_LINKS)
        .or(Self::ATTACH_FILES)
        .or(Self::READ_MESSAGE_HISTORY)
        .or(Self::USE_EXTERNAL_EMOJIS)
        .or(Self::CHANGE_NICKNAME)
        .or(Self::USE_APPLICATION_COMMANDS)
        .or(Self::CREATE_PUBLIC_THREADS)
        .or(Self::CREATE_PRIVATE_THREADS)
        .or(Self::SEND_MESSAGES_IN_THREADS);

    /// What the support role of a generated server has besides.
    pub const STAFF: Self =
        Self::MEMBER.or(Self::MANAGE_GUILD).or(Self::MANAGE_MESSAGES).or(Self::MANAGE_THREADS);

    /// These bits; bits that Discord does not know are dropped, as Discord does.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Both sets together, also in constants.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of these are in the set.
    pub const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// This set without those.
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The names of what is in the set.
    pub fn names(self) -> Vec<&'static str> {
        Self::NAMES.iter().filter(|(bit, _)| self.has(*bit)).map(|(_, name)| *name).collect()
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl BitOrAssign for Permissions {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Permissions {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Permissions {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" | "))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bits;

        impl de::Visitor<'_> for Bits {
            type Value = Permissions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a permission set as a decimal string or a number")
            }

            fn visit_u64<E: de::Error>(self, bits: u64) -> Result<Permissions, E> {
                Ok(Permissions::from_bits(bits))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Permissions, E> {
                text.parse().map(Permissions::from_bits).map_err(|_| E::custom("not a permission set"))
            }
        }

        deserializer.deserialize_any(Bits)
    }
}

/// Whom an overwrite is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Everybody with the role; the role with the server's own number is everyone.
    Role(RoleId),
    /// One member.
    Member(UserId),
}

impl Target {
    /// The number that stands in URLs and JSON.
    pub const fn get(self) -> u64 {
        match self {
            Self::Role(role) => role.get(),
            Self::Member(user) => user.get(),
        }
    }
}

/// What a channel gives to or takes from a role or a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overwrite {
    /// Whom it is about.
    pub target: Target,
    /// What is given.
    pub allow: Permissions,
    /// What is taken; `allow` wins where both name a permission.
    pub deny: Permissions,
}

impl Serialize for Overwrite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Overwrite", 4)?;
        object.serialize_field("id", &self.target.get().to_string())?;
        object.serialize_field("type", &u8::from(matches!(self.target, Target::Member(_))))?;
        object.serialize_field("allow", &self.allow)?;
        object.serialize_field("deny", &self.deny)?;
        object.end()
    }
}

/// What somebody may do in the server at large.
pub(crate) fn base(
    owner: bool,
    everyone: Permissions,
    roles: impl Iterator<Item = Permissions>,
) -> Permissions {
    if owner {
        return Permissions::ALL;
    }
    let all = roles.fold(everyone, BitOr::bitor);
    if all.has(Permissions::ADMINISTRATOR) { Permissions::ALL } else { all }
}

/// What is left of them in a channel: first everyone's overwrite, then those of the roles together, then the
/// member's own. Administrators are not touched.
pub(crate) fn overwritten(
    base: Permissions,
    overwrites: &[Overwrite],
    everyone: RoleId,
    roles: &[RoleId],
    user: UserId,
) -> Permissions {
    if base.has(Permissions::ADMINISTRATOR) {
        return Permissions::ALL;
    }
    let none = (Permissions::NONE, Permissions::NONE);
    let (mut first, mut of_roles, mut own) = (none, none, none);
    for overwrite in overwrites {
        let step = match overwrite.target {
            Target::Role(role) if role == everyone => &mut first,
            Target::Role(role) if roles.contains(&role) => &mut of_roles,
            Target::Member(member) if member == user => &mut own,
            _ => continue,
        };
        step.0 |= overwrite.allow;
        step.1 |= overwrite.deny;
    }
    let apply = |held: Permissions, step: (Permissions, Permissions)| held.without(step.1) | step.0;
    apply(apply(apply(base, first), of_roles), own)
}

/// What a timeout leaves. Owners and administrators are exempt.
pub(crate) fn timed_out(held: Permissions) -> Permissions {
    if held.has(Permissions::ADMINISTRATOR) {
        return held;
    }
    held & (Permissions::VIEW_CHANNEL | Permissions::READ_MESSAGE_HISTORY)
}

/// What somebody may do in a thread, given what he may do in its parent: sending needs a permission of its own, and
/// a private thread shows itself to those in it and to moderators.
pub(crate) fn in_thread(parent: Permissions, private: bool, in_it: bool) -> Permissions {
    if private && !in_it && !parent.has(Permissions::MANAGE_THREADS) {
        return parent.without(Permissions::VIEW_CHANNEL);
    }
    if parent.has(Permissions::SEND_MESSAGES_IN_THREADS) {
        parent | Permissions::SEND_MESSAGES
    } else {
        parent.without(Permissions::SEND_MESSAGES)
    }
}

/// Takes away what means nothing without another permission: all of it without seeing the channel, and what goes
/// with a message without sending one.
pub(crate) fn effective(held: Permissions) -> Permissions {
    if !held.has(Permissions::VIEW_CHANNEL) {
        return Permissions::NONE;
    }
    if held.has(Permissions::SEND_MESSAGES) {
        return held;
    }
    held.without(
        Permissions::MENTION_EVERYONE
            | Permissions::SEND_TTS_MESSAGES
            | Permissions::ATTACH_FILES
            | Permissions::EMBED_LINKS,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYONE: RoleId = RoleId(1);
    const A: RoleId = RoleId(2);
    const B: RoleId = RoleId(3);
    const ME: UserId = UserId(9);
    const VIEW: Permissions = Permissions::VIEW_CHANNEL;
    const SEND: Permissions = Permissions::SEND_MESSAGES;

    fn role(id: RoleId, allow: Permissions, deny: Permissions) -> Overwrite {
        Overwrite { target: Target::Role(id), allow, deny }
    }

    fn member(allow: Permissions, deny: Permissions) -> Overwrite {
        Overwrite { target: Target::Member(ME), allow, deny }
    }

    #[test]
    fn roles_add_up_and_owners_and_administrators_may_do_everything() {
        let roles = [SEND, Permissions::ATTACH_FILES];
        assert_eq!(base(false, VIEW, roles.into_iter()), VIEW | SEND | Permissions::ATTACH_FILES);
        assert_eq!(base(true, Permissions::NONE, [].into_iter()), Permissions::ALL);
        assert_eq!(base(false, VIEW, [Permissions::ADMINISTRATOR].into_iter()), Permissions::ALL);
    }

    #[test]
    fn overwrites_apply_everyone_first_then_roles_then_the_member_whatever_their_order() {
        let none = Permissions::NONE;
        let held = |overwrites: &[Overwrite]| overwritten(VIEW | SEND, overwrites, EVERYONE, &[A, B], ME);
        assert_eq!(held(&[role(EVERYONE, none, VIEW)]), SEND);
        assert_eq!(held(&[role(A, VIEW, none), role(EVERYONE, none, VIEW)]), VIEW | SEND);
        assert_eq!(held(&[role(A, none, VIEW), role(B, VIEW, none)]), VIEW | SEND, "a role's allow wins");
        assert_eq!(held(&[member(none, VIEW), role(B, VIEW, none)]), SEND);
        assert_eq!(held(&[member(VIEW, none), role(A, none, VIEW), role(EVERYONE, none, VIEW)]), VIEW | SEND);
        assert_eq!(held(&[role(RoleId(7), none, VIEW)]), VIEW | SEND, "a role he does not have");
        let of_another = Overwrite { target: Target::Member(UserId(8)), allow: none, deny: VIEW };
        assert_eq!(held(&[of_another]), VIEW | SEND);
    }

    #[test]
    fn an_administrator_is_above_overwrites() {
        let denied = [role(EVERYONE, Permissions::NONE, VIEW), member(Permissions::NONE, Permissions::ALL)];
        assert_eq!(overwritten(Permissions::ADMINISTRATOR, &denied, EVERYONE, &[], ME), Permissions::ALL);
    }

    #[test]
    fn a_timeout_leaves_seeing_and_reading() {
        assert_eq!(timed_out(Permissions::MEMBER), VIEW | Permissions::READ_MESSAGE_HISTORY);
        assert_eq!(timed_out(Permissions::ALL), Permissions::ALL);
    }

    #[test]
    fn threads_have_a_sending_permission_of_their_own() {
        let parent = VIEW | SEND;
        assert!(!in_thread(parent, false, false).has(SEND));
        assert!(in_thread(VIEW | Permissions::SEND_MESSAGES_IN_THREADS, false, false).has(SEND));
    }

    #[test]
    fn a_private_thread_is_seen_by_those_in_it_and_by_moderators() {
        assert!(!in_thread(Permissions::MEMBER, true, false).has(VIEW));
        assert!(in_thread(Permissions::MEMBER, true, true).has(VIEW));
        assert!(in_thread(Permissions::STAFF, true, false).has(VIEW));
        assert!(
            !in_thread(Permissions::SEND_MESSAGES_IN_THREADS, true, true).has(VIEW),
            "the parent is hidden"
        );
    }

    #[test]
    fn what_cannot_be_seen_or_said_denies_what_goes_with_it() {
        assert_eq!(effective(Permissions::MEMBER.without(VIEW)), Permissions::NONE);
        let mute = effective((Permissions::MEMBER | Permissions::MENTION_EVERYONE).without(SEND));
        assert!(!mute.has(Permissions::EMBED_LINKS) && !mute.has(Permissions::ATTACH_FILES));
        assert!(!mute.has(Permissions::MENTION_EVERYONE) && mute.has(Permissions::ADD_REACTIONS));
    }

    #[test]
    fn sets_travel_as_decimal_strings_and_unknown_bits_are_dropped() {
        assert_eq!(serde_json::to_string(&(VIEW | SEND)).unwrap(), "\"3072\"");
        assert_eq!(serde_json::from_str::<Permissions>("\"3072\"").unwrap(), VIEW | SEND);
        assert_eq!(serde_json::from_str::<Permissions>("9223372036854778880").unwrap(), VIEW | SEND);
        assert!(serde_json::from_str::<Permissions>("\"x\"").is_err());
        let overwrite = serde_json::to_value(member(VIEW, SEND)).unwrap();
        assert_eq!(overwrite, serde_json::json!({"id": "9", "type": 1, "allow": "1024", "deny": "2048"}));
        assert_eq!((VIEW | SEND).names(), ["VIEW_CHANNEL", "SEND_MESSAGES"]);
    }
}
