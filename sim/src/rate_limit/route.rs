//! Which route a request takes: the unit of a rate limit and of a fault.

use crate::ids::UserId;
use axum::http::Method;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

macro_rules! routes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A REST route, the unit of a rate limit and of a fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Route { $($(#[$doc])* $variant,)* }

        impl Route {
            /// Every route.
            pub const ALL: &'static [Route] = &[$(Route::$variant,)*];

            /// Name in flags, the control API and the transcript, such as "create_message".
            pub const fn name(self) -> &'static str {
                match self { $(Route::$variant => $name,)* }
            }
        }
    };
}

routes! {
    /// GET /gateway and /gateway/bot.
    Gateway = "gateway",
    /// /users/@me.
    CurrentUser = "current_user",
    /// /users/@me/guilds and below.
    CurrentUserGuilds = "current_user_guilds",
    /// GET /users/{id}.
    User = "user",
    /// POST /users/@me/channels.
    OpenDm = "open_dm",
    /// /applications/@me and /applications/{id} but for its commands.
    CurrentApplication = "current_application",
    /// /applications/{id}/commands and below.
    Commands = "commands",
    /// /applications/{id}/guilds/{id}/commands and below.
    GuildCommands = "guild_commands",
    /// /guilds/{id}, and what has no name of its own below it.
    Guild = "guild",
    /// /guilds/{id}/channels.
    GuildChannels = "guild_channels",
    /// /guilds/{id}/members and below.
    GuildMembers = "guild_members",
    /// /guilds/{id}/roles and below.
    GuildRoles = "guild_roles",
    /// GET /guilds/{id}/threads/active.
    GuildThreads = "guild_threads",
    /// /guilds/{id}/emojis and below.
    GuildEmojis = "guild_emojis",
    /// GET /guilds/{id}/webhooks.
    GuildWebhooks = "guild_webhooks",
    /// GET /channels/{id}.
    Channel = "channel",
    /// PATCH /channels/{id}.
    ModifyChannel = "modify_channel",
    /// DELETE /channels/{id}.
    DeleteChannel = "delete_channel",
    /// /channels/{id}/permissions/{id}.
    ChannelPermissions = "channel_permissions",
    /// GET /channels/{id}/messages.
    ListMessages = "list_messages",
    /// GET /channels/{id}/messages/{id}.
    GetMessage = "get_message",
    /// POST /channels/{id}/messages.
    CreateMessage = "create_message",
    /// PATCH /channels/{id}/messages/{id}.
    EditMessage = "edit_message",
    /// DELETE /channels/{id}/messages/{id}.
    DeleteMessage = "delete_message",
    /// POST /channels/{id}/messages/bulk-delete.
    BulkDelete = "bulk_delete",
    /// PUT and DELETE below /channels/{id}/messages/{id}/reactions.
    React = "react",
    /// GET /channels/{id}/messages/{id}/reactions/{emoji}.
    ListReactions = "list_reactions",
    /// /channels/{id}/pins and /channels/{id}/messages/pins, and below.
    Pins = "pins",
    /// POST /channels/{id}/messages/{id}/threads.
    StartThread = "start_thread",
    /// POST /channels/{id}/threads: a thread without a message, or a forum post.
    CreateThread = "create_thread",
    /// /channels/{id}/thread-members and below.
    ThreadMembers = "thread_members",
    /// GET below /channels/{id}/threads and /channels/{id}/users/@me/threads.
    ArchivedThreads = "archived_threads",
    /// POST /channels/{id}/typing.
    Typing = "typing",
    /// /channels/{id}/webhooks.
    ChannelWebhooks = "channel_webhooks",
    /// /webhooks/{id}, with the bot's token.
    Webhook = "webhook",
    /// /webhooks/{id}/{token} and below, where the webhook is not the application's own.
    TokenWebhook = "token_webhook",
    /// POST /interactions/{id}/{token}/callback.
    InteractionCallback = "interaction_callback",
    /// /webhooks/{application}/{token}/messages/{id}.
    WebhookMessage = "webhook_message",
    /// POST /webhooks/{application}/{token}.
    WebhookExecute = "webhook_execute",
    /// Anything else.
    Other = "other",
}

impl Route {
    /// Interaction endpoints are outside the global limit.
    pub const fn is_interaction(self) -> bool {
        matches!(self, Self::InteractionCallback | Self::WebhookMessage | Self::WebhookExecute)
    }

    /// Whether the path carries the token, so that none is asked for in a header.
    pub const fn carries_token(self) -> bool {
        self.is_interaction() || matches!(self, Self::TokenWebhook)
    }

    /// The route of a request and the hash of its major parameter (channel, guild, or webhook and token).
    /// `application` tells interaction webhooks from those of channels.
    pub(crate) fn classify(method: &Method, path: &str, application: UserId) -> (Self, u64) {
        let path = path.strip_prefix("/api/v10").unwrap_or(path).trim_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let method = method.as_str();
        let route = match parts.as_slice() {
            ["gateway", ..] => Self::Gateway,
            ["users" | "applications" | "oauth2", ..] => Self::of_self(method, &parts),
            ["guilds", _, rest @ ..] => Self::of_guild(rest),
            ["channels", _, rest @ ..] => Self::of_channel(method, rest),
            ["interactions", _, _, "callback"] => Self::InteractionCallback,
            ["webhooks", _] => Self::Webhook,
            ["webhooks", id, _, rest @ ..] if id.parse() == Ok(application.get()) => match rest {
                ["messages", ..] => Self::WebhookMessage,
                _ => Self::WebhookExecute,
            },
            ["webhooks", _, _, ..] => Self::TokenWebhook,
            _ => Self::Other,
        };
        let major = match parts.as_slice() {
            ["channels" | "guilds", id, ..] => hash(id),
            ["applications", _, "guilds", id, ..] => hash(id),
            ["webhooks", id] => hash(id),
            ["webhooks", id, token, ..] => hash(&(id, token)),
            ["interactions", id, ..] => hash(id),
            _ => 0,
        };
        (route, major)
    }

    fn of_self(method: &str, parts: &[&str]) -> Self {
        match (method, parts) {
            ("POST", ["users", "@me", "channels"]) => Self::OpenDm,
            (_, ["users", "@me", "guilds", ..]) => Self::CurrentUserGuilds,
            (_, ["users", "@me"]) => Self::CurrentUser,
            (_, ["users", _]) => Self::User,
            (_, ["applications", _, "commands", ..]) => Self::Commands,
            (_, ["applications", _, "guilds", _, "commands", ..]) => Self::GuildCommands,
            (_, ["applications", ..] | ["oauth2", "applications", ..]) => Self::CurrentApplication,
            _ => Self::Other,
        }
    }

    fn of_guild(rest: &[&str]) -> Self {
        match rest {
            ["channels", ..] => Self::GuildChannels,
            ["members", ..] => Self::GuildMembers,
            ["roles", ..] => Self::GuildRoles,
            ["threads", ..] => Self::GuildThreads,
            ["emojis", ..] => Self::GuildEmojis,
            ["webhooks"] => Self::GuildWebhooks,
            _ => Self::Guild,
        }
    }

    fn of_channel(method: &str, rest: &[&str]) -> Self {
        match (method, rest) {
            ("PATCH" | "PUT", []) => Self::ModifyChannel,
            ("DELETE", []) => Self::DeleteChannel,
            (_, []) => Self::Channel,
            (_, ["permissions", ..]) => Self::ChannelPermissions,
            (_, ["messages", "pins", ..] | ["pins", ..]) => Self::Pins,
            ("POST", ["messages", "bulk-delete"]) => Self::BulkDelete,
            ("POST", ["messages"]) => Self::CreateMessage,
            (_, ["messages"]) => Self::ListMessages,
            ("PATCH", ["messages", _]) => Self::EditMessage,
            ("DELETE", ["messages", _]) => Self::DeleteMessage,
            (_, ["messages", _]) => Self::GetMessage,
            ("GET", ["messages", _, "reactions", ..]) => Self::ListReactions,
            (_, ["messages", _, "reactions", ..]) => Self::React,
            ("POST", ["messages", _, "threads"]) => Self::StartThread,
            ("POST", ["threads"]) => Self::CreateThread,
            (_, ["threads" | "users", ..]) => Self::ArchivedThreads,
            (_, ["thread-members", ..]) => Self::ThreadMembers,
            (_, ["typing"]) => Self::Typing,
            (_, ["webhooks"]) => Self::ChannelWebhooks,
            _ => Self::Other,
        }
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|route| route.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|route| route.name()).collect();
            format!("unknown route {text:?}; known are {}", names.join(", "))
        })
    }
}

/// The major parameter of requests about a channel or server.
pub(super) fn major_of(id: u64) -> u64 {
    hash(&id.to_string().as_str())
}

pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, path: &str) -> (Route, u64) {
        Route::classify(&method.parse().unwrap(), &format!("/api/v10{path}"), UserId(7))
    }

    #[test]
    fn routes_are_told_apart_by_method_and_path() {
        let cases = [
            ("POST", "/channels/1/messages", Route::CreateMessage),
            ("GET", "/channels/1/messages", Route::ListMessages),
            ("GET", "/channels/1/messages/pins", Route::Pins),
            ("PUT", "/channels/1/messages/2/reactions/%F0%9F%94%A5/@me", Route::React),
            ("GET", "/channels/1/messages/2/reactions/a", Route::ListReactions),
            ("PATCH", "/channels/1", Route::ModifyChannel),
            ("GET", "/channels/1", Route::Channel),
            ("POST", "/channels/1/threads", Route::CreateThread),
            ("GET", "/channels/1/threads/archived/public", Route::ArchivedThreads),
            ("PUT", "/applications/7/guilds/1/commands", Route::GuildCommands),
            ("GET", "/oauth2/applications/@me", Route::CurrentApplication),
            ("GET", "/users/@me", Route::CurrentUser),
            ("PATCH", "/guilds/1/members/2", Route::GuildMembers),
            ("POST", "/webhooks/7/abc", Route::WebhookExecute),
            ("PATCH", "/webhooks/7/abc/messages/@original", Route::WebhookMessage),
            ("POST", "/webhooks/8/abc", Route::TokenWebhook),
            ("GET", "/webhooks/8", Route::Webhook),
            ("GET", "/what", Route::Other),
        ];
        for (method, path, route) in cases {
            assert_eq!(of(method, path).0, route, "{method} {path}");
        }
    }

    #[test]
    fn the_major_parameter_is_the_channel_the_server_or_the_webhook_with_its_token() {
        let major = |method, path| of(method, path).1;
        assert_eq!(major("GET", "/channels/1/messages"), major("POST", "/channels/1/messages/2/threads"));
        assert_ne!(major("GET", "/channels/1"), major("GET", "/channels/2"));
        assert_eq!(major("GET", "/guilds/1/roles"), major("GET", "/guilds/1/members/3"));
        assert_ne!(major("POST", "/webhooks/8/a"), major("POST", "/webhooks/8/b"));
        assert_ne!(major("POST", "/webhooks/8/a"), major("POST", "/webhooks/9/a"));
    }
}
