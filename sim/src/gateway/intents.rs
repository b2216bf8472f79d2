//! Gateway intents: their bits, which are privileged, and which events each brings.
//!
//! The table is Discord's own; an event that is not in it goes to every session.
//! <https://discord.com/developers/docs/events/gateway#list-of-intents>

/// Servers, roles, channels and threads.
pub const GUILDS: u64 = 1;
/// Members coming, going and changing. Privileged.
pub const GUILD_MEMBERS: u64 = 1 << 1;
/// Bans and the audit log.
pub const GUILD_MODERATION: u64 = 1 << 2;
/// Emojis, stickers and sounds.
pub const GUILD_EXPRESSIONS: u64 = 1 << 3;
/// Integrations.
pub const GUILD_INTEGRATIONS: u64 = 1 << 4;
/// Webhooks.
pub const GUILD_WEBHOOKS: u64 = 1 << 5;
/// Invites.
pub const GUILD_INVITES: u64 = 1 << 6;
/// Voice.
pub const GUILD_VOICE_STATES: u64 = 1 << 7;
/// Presences. Privileged.
pub const GUILD_PRESENCES: u64 = 1 << 8;
/// Messages in servers.
pub const GUILD_MESSAGES: u64 = 1 << 9;
/// Reactions in servers.
pub const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
/// Typing in servers.
pub const GUILD_MESSAGE_TYPING: u64 = 1 << 11;
/// Direct messages.
pub const DIRECT_MESSAGES: u64 = 1 << 12;
/// Reactions in direct messages.
pub const DIRECT_MESSAGE_REACTIONS: u64 = 1 << 13;
/// Typing in direct messages.
pub const DIRECT_MESSAGE_TYPING: u64 = 1 << 14;
/// Text, embeds, attachments and components of messages. Privileged; brings no event of its own.
pub const MESSAGE_CONTENT: u64 = 1 << 15;
/// Scheduled events.
pub const GUILD_SCHEDULED_EVENTS: u64 = 1 << 16;
/// Rules of auto moderation.
pub const AUTO_MODERATION_CONFIGURATION: u64 = 1 << 20;
/// Acts of auto moderation.
pub const AUTO_MODERATION_EXECUTION: u64 = 1 << 21;
/// Poll votes in servers.
pub const GUILD_MESSAGE_POLLS: u64 = 1 << 24;
/// Poll votes in direct messages.
pub const DIRECT_MESSAGE_POLLS: u64 = 1 << 25;

/// Intents that have to be switched on in the developer portal (close code 4014).
pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;

/// Every bit that means something (close code 4013 for others).
pub const KNOWN: u64 = 0x1_ffff
    | AUTO_MODERATION_CONFIGURATION
    | AUTO_MODERATION_EXECUTION
    | GUILD_MESSAGE_POLLS
    | DIRECT_MESSAGE_POLLS;

/// The intents of which a session needs one to be sent an event; 0 when everybody gets it.
///
/// Two events depend on more than their name and are left to whoever sends them: GUILD_MEMBER_UPDATE about
/// the bot itself goes to everybody, and THREAD_MEMBERS_UPDATE about others needs [`GUILD_MEMBERS`].
pub fn needed(event: &str, in_server: bool) -> u64 {
    let by_place = |server, direct| if in_server { server } else { direct };
    match event {
        "GUILD_CREATE"
        | "GUILD_UPDATE"
        | "GUILD_DELETE"
        | "GUILD_ROLE_CREATE"
        | "GUILD_ROLE_UPDATE"
        | "GUILD_ROLE_DELETE"
        | "CHANNEL_CREATE"
        | "CHANNEL_UPDATE"
        | "CHANNEL_DELETE"
        | "THREAD_CREATE"
        | "THREAD_UPDATE"
        | "THREAD_DELETE"
        | "THREAD_LIST_SYNC"
        | "THREAD_MEMBER_UPDATE"
        | "STAGE_INSTANCE_CREATE"
        | "STAGE_INSTANCE_UPDATE"
        | "STAGE_INSTANCE_DELETE"
        | "VOICE_CHANNEL_STATUS_UPDATE"
        | "VOICE_CHANNEL_START_TIME_UPDATE" => GUILDS,
        "THREAD_MEMBERS_UPDATE" => GUILDS | GUILD_MEMBERS,
        "CHANNEL_PINS_UPDATE" => by_place(GUILDS, DIRECT_MESSAGES),
        "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" | "GUILD_MEMBER_REMOVE" => GUILD_MEMBERS,
        "GUILD_AUDIT_LOG_ENTRY_CREATE" | "GUILD_BAN_ADD" | "GUILD_BAN_REMOVE" => GUILD_MODERATION,
        "GUILD_EMOJIS_UPDATE"
        | "GUILD_STICKERS_UPDATE"
        | "GUILD_SOUNDBOARD_SOUND_CREATE"
        | "GUILD_SOUNDBOARD_SOUND_UPDATE"
        | "GUILD_SOUNDBOARD_SOUND_DELETE"
        | "GUILD_SOUNDBOARD_SOUNDS_UPDATE" => GUILD_EXPRESSIONS,
        "GUILD_INTEGRATIONS_UPDATE" | "INTEGRATION_CREATE" | "INTEGRATION_UPDATE" | "INTEGRATION_DELETE" => {
            GUILD_INTEGRATIONS
        }
        "WEBHOOKS_UPDATE" => GUILD_WEBHOOKS,
        "INVITE_CREATE" | "INVITE_DELETE" => GUILD_INVITES,
        "VOICE_CHANNEL_EFFECT_SEND" | "VOICE_STATE_UPDATE" => GUILD_VOICE_STATES,
        "PRESENCE_UPDATE" => GUILD_PRESENCES,
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" | "MESSAGE_DELETE" => by_place(GUILD_MESSAGES, DIRECT_MESSAGES),
        "MESSAGE_DELETE_BULK" => GUILD_MESSAGES,
        "MESSAGE_REACTION_ADD"
        | "MESSAGE_REACTION_REMOVE"
        | "MESSAGE_REACTION_REMOVE_ALL"
        | "MESSAGE_REACTION_REMOVE_EMOJI" => by_place(GUILD_MESSAGE_REACTIONS, DIRECT_MESSAGE_REACTIONS),
        "TYPING_START" => by_place(GUILD_MESSAGE_TYPING, DIRECT_MESSAGE_TYPING),
        "GUILD_SCHEDULED_EVENT_CREATE"
        | "GUILD_SCHEDULED_EVENT_UPDATE"
        | "GUILD_SCHEDULED_EVENT_DELETE"
        | "GUILD_SCHEDULED_EVENT_USER_ADD"
        | "GUILD_SCHEDULED_EVENT_USER_REMOVE" => GUILD_SCHEDULED_EVENTS,
        "AUTO_MODERATION_RULE_CREATE" | "AUTO_MODERATION_RULE_UPDATE" | "AUTO_MODERATION_RULE_DELETE" => {
            AUTO_MODERATION_CONFIGURATION
        }
        "AUTO_MODERATION_ACTION_EXECUTION" => AUTO_MODERATION_EXECUTION,
        "MESSAGE_POLL_VOTE_ADD" | "MESSAGE_POLL_VOTE_REMOVE" => {
            by_place(GUILD_MESSAGE_POLLS, DIRECT_MESSAGE_POLLS)
        }
        _ => 0,
    }
}

/// Whether `given` may stand for an event, see [`needed`].
pub(super) fn fits(event: &str, in_server: bool, given: u64) -> bool {
    let needed = needed(event, in_server);
    match event {
        "GUILD_MEMBER_UPDATE" => given == needed || given == 0,
        "THREAD_MEMBERS_UPDATE" => given != 0 && given & !needed == 0,
        _ => given == needed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_outside_the_table_needs_nothing() {
        for event in ["INTERACTION_CREATE", "ENTITLEMENT_CREATE", "USER_UPDATE", "GUILD_MEMBERS_CHUNK"] {
            assert_eq!(needed(event, true), 0, "{event}");
        }
    }

    #[test]
    fn messages_in_servers_and_direct_messages_are_different_intents() {
        assert_eq!(needed("MESSAGE_CREATE", true), 1 << 9);
        assert_eq!(needed("MESSAGE_CREATE", false), 1 << 12);
        assert_eq!(needed("CHANNEL_PINS_UPDATE", true), 1);
        assert_eq!(needed("CHANNEL_PINS_UPDATE", false), 1 << 12);
        assert_eq!(needed("MESSAGE_POLL_VOTE_ADD", false), 1 << 25);
    }

    #[test]
    fn a_wrong_intent_does_not_fit_and_the_documented_caveats_do() {
        assert!(!fits("MESSAGE_CREATE", true, 1 << 12));
        assert!(!fits("TYPING_START", true, 0));
        assert!(fits("GUILD_MEMBER_UPDATE", true, 0));
        assert!(fits("THREAD_MEMBERS_UPDATE", true, GUILD_MEMBERS));
        assert_eq!(KNOWN.count_ones(), 21);
    }
}
