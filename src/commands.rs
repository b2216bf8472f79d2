//! The slash commands: one table, [`TABLE`], from which follow what Discord is told of them ([`registration`]), what
//! the proxy replies first when no worker does ([`crate::first_reply`]), and what the worker does ([`Handler`], in
//! `worker::apply::commands`). So a command that is offered is also answered, and with one visibility.
//!
//! Pure. What a command decides and says is a module below this one; that of `/ask` is the conversation's.
//! Source: <https://discord.com/developers/docs/interactions/application-commands>.

pub mod config;
pub mod knowledge;
pub mod privacy;
pub mod reply;
pub mod setup;
pub mod stats;
pub mod tickets;

use serde_json::{Value, json};

use crate::discord::{Interaction, Permissions};
use crate::first_reply::{AUTOCOMPLETE, COMMAND, FirstReply, LEARN_FORM, NEW_REPLY_FORM, Need, When};
use crate::texts::{Key, Lang};

/// The option of `/ask`.
pub const QUESTION: &str = "question";

/// A slash command.
#[derive(Debug)]
pub struct Slash {
    pub name: &'static str,
    pub description: Key,
    /// Who is offered the command. A server's admins may offer it to others too, so the worker checks it again.
    pub needs: Option<Permission>,
    pub options: &'static [Choice],
    /// The first that fits; a private reply when none does.
    pub first_replies: &'static [When],
    pub handler: Handler,
}

/// The command that is offered on every message, under this name in every interaction. It has the first reply that is not
/// named: a private one.
const ON_A_MESSAGE: (&str, Key) = ("Ask Helpline", Key("context-ask"));
/// The type of such a command.
const MESSAGE: u8 = 3;

/// What the worker does with a command. Adding one here makes the worker's total match ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    Ask,
    Config,
    Privacy,
    Gaps,
    Knowledge,
    Reply,
    /// In direct messages only.
    Server,
    Setup,
    Stats,
    Tickets,
}

/// A permission that a command needs, under the name that Discord's settings give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    pub bits: Permissions,
    pub name: Key,
}

pub const MANAGE_SERVER: Permission =
    Permission { bits: Permissions::MANAGE_GUILD, name: Key("permission-manage-server") };

/// What may be chosen or filled in after a command's name.
#[derive(Debug)]
pub struct Choice {
    pub name: &'static str,
    pub description: Key,
    pub kind: Kind,
}

/// What a [`Choice`] is. Values are required unless they are optional.
#[derive(Debug)]
pub enum Kind {
    Group(&'static [Choice]),
    Subcommand(&'static [Choice]),
    /// `suggested`: the worker is asked for choices while the member types.
    Text {
        max_chars: u16,
        suggested: bool,
    },
    /// One of these texts, each with the name that is shown for it.
    OneOf(&'static [(&'static str, Key)]),
    /// A channel of one of these types; of any when there are none.
    Channel(&'static [u8]),
    Role,
    File,
    /// May be left out.
    Optional(&'static Kind),
}

/// Every slash command, by name.
pub static TABLE: &[Slash] = &[
    Slash {
        name: "ask",
        description: Key("describe-ask"),
        needs: None,
        options: &[Choice {
            name: QUESTION,
            description: Key("describe-ask-question"),
            kind: Kind::Text { max_chars: 2_000, suggested: false },
        }],
        first_replies: &[When {
            needs: &[Need::SupportOn, Need::Member, Need::Text(QUESTION)],
            reply: FirstReply::Public,
        }],
        handler: Handler::Ask,
    },
    Slash {
        name: "config",
        description: Key("describe-config"),
        needs: Some(MANAGE_SERVER),
        options: config::OPTIONS,
        first_replies: &[],
        handler: Handler::Config,
    },
    Slash {
        name: "gaps",
        description: Key("describe-gaps"),
        needs: Some(MANAGE_SERVER),
        options: &[],
        first_replies: &[],
        handler: Handler::Gaps,
    },
    Slash {
        name: "knowledge",
        description: Key("describe-knowledge"),
        needs: Some(MANAGE_SERVER),
        options: knowledge::OPTIONS,
        // Neither a file nor a link: the text is asked for.
        first_replies: &[
            When {
                needs: &[Need::Subcommand("add"), Need::Without("file"), Need::Without("link")],
                reply: FirstReply::Modal(LEARN_FORM),
            },
            When {
                needs: &[
                    Need::Subcommand("replace"),
                    Need::Id("document"),
                    Need::Without("file"),
                    Need::Without("link"),
                ],
                reply: FirstReply::Modal(LEARN_FORM),
            },
        ],
        handler: Handler::Knowledge,
    },
    Slash {
        name: "privacy",
        description: Key("describe-privacy"),
        needs: None,
        options: privacy::OPTIONS,
        first_replies: &[],
        handler: Handler::Privacy,
    },
    Slash {
        name: "reply",
        description: Key("describe-reply"),
        needs: None,
        options: reply::OPTIONS,
        // Also for whoever is no staff: he is told when he sends the form.
        first_replies: &[When {
            needs: &[Need::Subcommand("add")],
            reply: FirstReply::Modal(NEW_REPLY_FORM),
        }],
        handler: Handler::Reply,
    },
    Slash {
        name: "server",
        description: Key("describe-server"),
        needs: None,
        options: &[],
        first_replies: &[],
        handler: Handler::Server,
    },
    Slash {
        name: "setup",
        description: Key("describe-setup"),
        needs: Some(MANAGE_SERVER),
        options: &[],
        first_replies: &[],
        handler: Handler::Setup,
    },
    Slash {
        name: "stats",
        description: Key("describe-stats"),
        needs: None,
        options: &[],
        first_replies: &[],
        handler: Handler::Stats,
    },
    Slash {
        name: "tickets",
        description: Key("describe-tickets"),
        // Staff are known by a role, which Discord is not told of here: the worker asks.
        needs: None,
        options: &[],
        first_replies: &[],
        handler: Handler::Tickets,
    },
];

/// The command that an interaction uses or is typing.
pub fn used(interaction: &Interaction) -> Option<&'static Slash> {
    if !matches!(interaction.kind, COMMAND | AUTOCOMPLETE) {
        return None;
    }
    let name = interaction.data.as_ref()?.name.as_deref()?;
    TABLE.iter().find(|command| command.name == name)
}

/// Whether the command on messages is used.
pub fn is_about_a_message(interaction: &Interaction) -> bool {
    let data = interaction.data.as_ref().filter(|_| interaction.kind == COMMAND);
    data.is_some_and(|data| data.kind == MESSAGE && data.name.as_deref() == Some(ON_A_MESSAGE.0))
}

/// What is registered with Discord, by name. In servers (context 0), or in direct messages with the bot (context 1).
pub fn registration() -> Value {
    let (name, localized) = ON_A_MESSAGE;
    let on_a_message = json!({
        "name": name,
        "name_localizations": localized.localizations(),
        "type": MESSAGE,
        "contexts": [0],
        "integration_types": [0],
        "default_member_permissions": null,
    });
    std::iter::once(on_a_message).chain(TABLE.iter().map(Slash::registered)).collect()
}

impl Slash {
    /// Whether whoever used it may use it.
    pub fn is_allowed(&self, interaction: &Interaction) -> bool {
        self.needs
            .is_none_or(|needed| interaction.member.as_ref().is_some_and(|member| member.holds(needed.bits)))
    }

    fn registered(&self) -> Value {
        json!({
            "name": self.name,
            "type": 1,
            "description": self.description.in_lang(Lang::En),
            "description_localizations": self.description.localizations(),
            "contexts": [if self.handler == Handler::Server { 1 } else { 0 }],
            "integration_types": [0],
            "default_member_permissions": self.needs.map(|needed| needed.bits.bits().to_string()),
            "options": registered(self.options),
        })
    }
}

fn registered(choices: &[Choice]) -> Value {
    choices.iter().map(Choice::registered).collect()
}

impl Choice {
    fn registered(&self) -> Value {
        let mut option = json!({
            "name": self.name,
            "description": self.description.in_lang(Lang::En),
            "description_localizations": self.description.localizations(),
        });
        let (kind, required) = match &self.kind {
            Kind::Optional(kind) => (*kind, false),
            kind => (kind, !matches!(kind, Kind::Group(_) | Kind::Subcommand(_))),
        };
        option["type"] = kind.describe(&mut option).into();
        if required {
            option["required"] = true.into();
        }
        option
    }
}

impl Kind {
    /// Adds what is said of this kind; returns Discord's number of it.
    fn describe(&self, option: &mut Value) -> u8 {
        match self {
            Self::Subcommand(inner) | Self::Group(inner) => {
                // Discord leaves empty lists out of what it lists, and the two are compared.
                if !inner.is_empty() {
                    option["options"] = registered(inner);
                }
                if matches!(self, Self::Group(_)) { 2 } else { 1 }
            }
            Self::Text { max_chars, suggested } => {
                option["max_length"] = (*max_chars).into();
                if *suggested {
                    option["autocomplete"] = true.into();
                }
                3
            }
            Self::OneOf(values) => {
                let choice = |(value, name): &(&str, Key)| {
                    json!({ "name": name.in_lang(Lang::En), "name_localizations": name.localizations(),
                        "value": value })
                };
                option["choices"] = values.iter().map(choice).collect();
                3
            }
            Self::Channel(types) => {
                if !types.is_empty() {
                    option["channel_types"] = (*types).into();
                }
                7
            }
            Self::Role => 8,
            Self::File => 11,
            Self::Optional(kind) => kind.describe(option),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::first_reply::first_reply;

    fn of(command: &Slash, kind: u8) -> Interaction {
        let whole = json!({ "id": "1", "application_id": "2", "type": kind, "token": "t", "guild_id": "3",
            "channel_id": "4", "member": { "user": { "id": "5" }, "permissions": "0" },
            "data": { "name": command.name } });
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn what_is_registered_is_deferred_and_routed_by_the_same_table() {
        let registered = registration();
        let names: Vec<_> = registered.as_array().unwrap().iter().map(|it| it["name"].as_str()).collect();
        let wanted: Vec<_> =
            std::iter::once(ON_A_MESSAGE.0).chain(TABLE.iter().map(|it| it.name)).map(Some).collect();
        assert_eq!(names, wanted);
        assert!(names.is_sorted(), "a start compares them with Discord's, by name");
        for (command, registered) in TABLE.iter().zip(&registered.as_array().unwrap()[1..]) {
            let used_by = used(&of(command, COMMAND)).expect("the worker knows it");
            assert_eq!(used_by.handler, command.handler, "{}: two commands of one name", command.name);
            let wanted = command.needs.map(|needed| needed.bits.bits().to_string());
            assert_eq!(registered["default_member_permissions"], json!(wanted));
            assert_eq!(command.is_allowed(&of(command, COMMAND)), command.needs.is_none());
            assert_eq!(first_reply(&of(command, AUTOCOMPLETE), true), FirstReply::Choices);
            // Whoever may not use it is told so privately, by the proxy as by the worker.
            if command.needs.is_some() || command.first_replies.is_empty() {
                assert_eq!(first_reply(&of(command, COMMAND), true), FirstReply::Private, "{}", command.name);
            }
        }
    }

    #[test]
    fn a_component_that_calls_itself_like_a_command_is_none() {
        assert!(used(&of(&TABLE[0], 3)).is_none());
    }

    #[test]
    fn an_administrator_may_use_what_he_was_given_no_single_permission_for() {
        let config = TABLE.iter().find(|command| command.handler == Handler::Config).unwrap();
        let with = |permissions: Permissions| {
            let mut interaction = of(config, COMMAND);
            interaction.member.as_mut().unwrap().permissions = Some(permissions);
            interaction
        };
        assert!(config.is_allowed(&with(Permissions::ADMINISTRATOR)));
        assert!(config.is_allowed(&with(Permissions::MANAGE_GUILD)));
        assert!(!config.is_allowed(&with(Permissions::MANAGE_MESSAGES | Permissions::SEND_MESSAGES)));
        assert!(!config.is_allowed(&Interaction { member: None, ..of(config, COMMAND) }));
    }
}
