//! Who a message pings: mentions in its text, held against allowed mentions.
//! <https://discord.com/developers/docs/resources/message#allowed-mentions-object>

use crate::ids::{RoleId, UserId};
use crate::transcript::Pinged;
use serde::Deserialize;

/// Largest number of ids in `users` or `roles`.
const MAX_IDS: usize = 100;

#[derive(Debug, Default, Clone, Deserialize)]
pub(crate) struct AllowedMentions {
    #[serde(default)]
    parse: Option<Vec<String>>,
    #[serde(default)]
    users: Option<Vec<UserId>>,
    #[serde(default)]
    roles: Option<Vec<RoleId>>,
    #[serde(default)]
    replied_user: bool,
}

impl AllowedMentions {
    fn parses(&self, what: &str) -> bool {
        self.parse.as_ref().is_some_and(|parse| parse.iter().any(|kind| kind == what))
    }

    /// What Discord would refuse about this object: the field and the message.
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let known = |kind: &String| ["users", "roles", "everyone"].contains(&kind.as_str());
        if self.parse.as_ref().is_some_and(|parse| !parse.iter().all(known)) {
            return Some(("parse", "Value must be one of ('users', 'roles', 'everyone')."));
        }
        if self.parses("users") && self.users.as_ref().is_some_and(|ids| !ids.is_empty()) {
            return Some(("users", "parse:[\"users\"] and users: [ids...] are mutually exclusive."));
        }
        if self.parses("roles") && self.roles.as_ref().is_some_and(|ids| !ids.is_empty()) {
            return Some(("roles", "parse:[\"roles\"] and roles: [ids...] are mutually exclusive."));
        }
        let long = |n: Option<usize>| n.is_some_and(|n| n > MAX_IDS);
        if long(self.users.as_ref().map(Vec::len)) || long(self.roles.as_ref().map(Vec::len)) {
            return Some(("users", "Must be 100 or fewer in length."));
        }
        None
    }
}

/// What applies where a message does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsaid {
    /// Regular messages: everything is parsed, a reply pings.
    Message,
    /// Interactions and webhooks: only users are parsed.
    Webhook,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) users: Vec<UserId>,
    pub(crate) roles: Vec<RoleId>,
    pub(crate) everyone: bool,
}

/// Mentions that stand in a text, each once, in order.
pub(crate) fn find(text: &str) -> Found {
    if !text.contains('@') {
        return Found::default();
    }
    let mut found =
        Found { everyone: text.contains("@everyone") || text.contains("@here"), ..Found::default() };
    for piece in text.split("<@").skip(1) {
        let Some((inside, _)) = piece.split_once('>') else { continue };
        if let Some(role) = inside.strip_prefix('&') {
            if let Ok(id) = role.parse().map(RoleId)
                && !found.roles.contains(&id)
            {
                found.roles.push(id);
            }
        } else if let Ok(id) = inside.trim_start_matches('!').parse().map(UserId)
            && !found.users.contains(&id)
        {
            found.users.push(id);
        }
    }
    found
}

/// Who is pinged. `replied_to` is the author of the message replied to.
pub(crate) fn resolve(
    text: &str,
    allowed: Option<&AllowedMentions>,
    default: Unsaid,
    replied_to: Option<UserId>,
) -> Pinged {
    let found = find(text);
    let Some(allowed) = allowed else {
        let all = default == Unsaid::Message;
        let mut users = found.users;
        if let Some(user) = replied_to.filter(|user| all && !users.contains(user)) {
            users.push(user);
        }
        let roles = if all { found.roles } else { Vec::new() };
        return Pinged { users, roles, everyone: all && found.everyone };
    };
    let named = |list: &Option<Vec<UserId>>, id: &UserId| list.as_ref().is_some_and(|list| list.contains(id));
    let mut users: Vec<UserId> =
        found.users.into_iter().filter(|id| allowed.parses("users") || named(&allowed.users, id)).collect();
    if let Some(user) = replied_to.filter(|user| allowed.replied_user && !users.contains(user)) {
        users.push(user);
    }
    let roles = found
        .roles
        .into_iter()
        .filter(|id| allowed.parses("roles") || allowed.roles.as_ref().is_some_and(|list| list.contains(id)))
        .collect();
    Pinged { users, roles, everyone: found.everyone && allowed.parses("everyone") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(json: &str) -> AllowedMentions {
        serde_json::from_str(json).unwrap()
    }

    const TEXT: &str = "@everyone hi <@1> and <@!2>, <@&3> <@1> <@x>";

    #[test]
    fn a_message_that_says_nothing_pings_everybody_it_names() {
        let pinged = resolve(TEXT, None, Unsaid::Message, Some(UserId(9)));
        assert_eq!(pinged.users, [UserId(1), UserId(2), UserId(9)]);
        assert_eq!(pinged.roles, [RoleId(3)]);
        assert!(pinged.everyone);
        let webhook = resolve(TEXT, None, Unsaid::Webhook, None);
        assert_eq!((webhook.users.len(), webhook.roles.len(), webhook.everyone), (2, 0, false));
    }

    #[test]
    fn an_empty_parse_list_pings_nobody() {
        let pinged = resolve(TEXT, Some(&allowed(r#"{"parse":[]}"#)), Unsaid::Message, Some(UserId(9)));
        assert_eq!(pinged, Pinged::default());
    }

    #[test]
    fn listed_ids_are_pinged_only_where_the_text_names_them() {
        let rules = allowed(r#"{"parse":[],"users":["2","7"],"roles":["3"],"replied_user":true}"#);
        let pinged = resolve(TEXT, Some(&rules), Unsaid::Message, Some(UserId(9)));
        assert_eq!(pinged.users, [UserId(2), UserId(9)]);
        assert_eq!(pinged.roles, [RoleId(3)]);
        assert!(!pinged.everyone);
    }

    #[test]
    fn parse_and_lists_exclude_each_other() {
        assert!(allowed(r#"{"parse":["users"],"users":["2"]}"#).problem().is_some());
        assert!(allowed(r#"{"parse":["users"],"users":[]}"#).problem().is_none());
        assert!(allowed(r#"{"parse":["all"]}"#).problem().is_some());
    }
}
