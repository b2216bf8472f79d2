//! The first reply to each interaction: one table, read by the worker that answers and by the proxy that
//! defers when no worker has. So both give the same visibility, which Discord fixes with the first reply.
//!
//! Pure. The rows of slash commands stand with the commands ([`crate::commands`]), those of components here. Every interaction has a reply: what the table does not name is private, because a private reply can
//! disturb nobody. Sources:
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object> and
//! #followup-messages there (the first message after a deferral takes its visibility, whatever its flags).

mod documents;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::commands;
use crate::discord::Interaction;
use crate::texts::{Key, Lang};
pub use documents::*;

/// Prefix of the custom id of "Ask a human"; the conversation's id follows.
pub const HUMAN: &str = "human:";
/// Prefixes of the custom ids of the votes on an answer; the conversation's id and that of the question follow.
pub const HELPFUL: &str = "helpful:";
pub const UNHELPFUL: &str = "unhelpful:";
/// Prefix of the custom id of "Close"; followed as in [`HELPFUL`].
pub const CLOSE: &str = "close:";

/// Prefix of the custom id of the button that has what somebody said forgotten: of whoever presses it.
pub const FORGET: &str = "forget:";

/// Prefixes of the custom ids below the message of a ticket; the ticket's id follows.
pub const CLAIM: &str = "claim:";
pub const TRANSFER: &str = "transfer:";
pub const RELEASE: &str = "release:";
pub const RESOLVE: &str = "resolve:";
pub const HAND_BACK: &str = "bot:";
pub const REOPEN: &str = "reopen:";
/// Answers whoever pressed alone: what the bot would say, and the conversation as files.
pub const SUGGEST: &str = "suggest:";
pub const TRANSCRIPT: &str = "transcript:";
/// Prefix of the custom id of "Send it" below a suggestion; the suggestion's id follows.
pub const SEND: &str = "send:";
/// Prefix of the custom id of the form that [`RESOLVE`] opens; the ticket's id follows.
pub const NOTES: &str = "notes:";
/// The input of that form.
pub const NOTES_INPUT: &str = "notes";

/// What the form asks for. Discord takes no longer input.
pub const NOTES_FORM: Modal = Modal {
    custom_id: NOTES,
    about: None,
    lang: Lang::En,
    title: Key("title-notes"),
    inputs: &[Input {
        custom_id: NOTES_INPUT,
        label: Key("label-notes"),
        max_chars: 4_000,
        several_lines: true,
        required: false,
    }],
};

/// Custom id of the form for a reply that is kept ready, and of its inputs.
pub const NEW_REPLY: &str = "new_reply:";
pub const REPLY_NAME: &str = "name";
pub const REPLY_TEXT: &str = "text";

pub const NEW_REPLY_FORM: Modal = Modal {
    custom_id: NEW_REPLY,
    about: None,
    lang: Lang::En,
    title: Key("title-new-reply"),
    inputs: &[
        Input {
            custom_id: REPLY_NAME,
            label: Key("label-reply-name"),
            max_chars: 50,
            several_lines: false,
            required: true,
        },
        Input {
            custom_id: REPLY_TEXT,
            label: Key("label-reply-text"),
            max_chars: 1_800,
            several_lines: true,
            required: true,
        },
    ],
};

/// The form whose custom id this is.
pub fn form(custom_id: &str) -> Option<Modal> {
    [NOTES_FORM, NEW_REPLY_FORM, LEARN_FORM, GAP_FORM].into_iter().find(|form| form.custom_id == custom_id)
}

/// Prefix of the custom id of the list from which a member chooses the server that his direct messages go to.
pub const DM_SERVER: &str = "dm:";

/// Types of interactions.
pub const COMMAND: u8 = 2;
pub const COMPONENT: u8 = 3;
pub const AUTOCOMPLETE: u8 = 4;
pub const MODAL_SUBMIT: u8 = 5;
/// Only the member sees the message.
const EPHEMERAL: u64 = 64;

/// What an interaction is answered with first, when the answer itself is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstReply {
    /// "Thinking…" for everybody; the answer goes by PATCH @original.
    Public,
    /// "Thinking…" for the member; the answer goes by PATCH @original.
    Private,
    /// Nothing to be seen; PATCH @original then edits the message that carries the component. A text of its own
    /// would be a follow-up, which has no nonce: do not choose this for a component that is answered by one.
    Update,
    /// No choices.
    Choices,
    /// A form that is the same for everybody, but for what it is about and its language.
    Modal(Modal),
}

/// A form of text inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modal {
    pub custom_id: &'static str,
    /// What stands in the custom id of the component that opens it; comes behind the form's own.
    pub about: Option<Uuid>,
    pub lang: Lang,
    pub title: Key,
    pub inputs: &'static [Input],
}

/// One input of a [`Modal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    pub custom_id: &'static str,
    pub label: Key,
    pub max_chars: u16,
    pub several_lines: bool,
    pub required: bool,
}

impl FirstReply {
    /// The body of the callback.
    pub fn callback(self) -> Value {
        match self {
            Self::Public => json!({ "type": 5 }),
            Self::Private => json!({ "type": 5, "data": { "flags": EPHEMERAL } }),
            Self::Update => json!({ "type": 6 }),
            Self::Choices => json!({ "type": 8, "data": { "choices": [] } }),
            Self::Modal(modal) => json!({ "type": 9, "data": modal.data() }),
        }
    }

    /// A label for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Update => "update",
            Self::Choices => "choices",
            Self::Modal(_) => "modal",
        }
    }
}

impl Modal {
    /// The form about something.
    pub fn about(self, id: Uuid) -> Self {
        Self { about: Some(id), ..self }
    }

    pub fn in_lang(self, lang: Lang) -> Self {
        Self { lang, ..self }
    }

    /// The body of the callback that opens it with some inputs filled in. What is too long for one is cut.
    pub fn filled(self, values: &[(String, String)]) -> Value {
        let mut data = self.data();
        for (row, input) in data["components"].as_array_mut().into_iter().flatten().zip(self.inputs) {
            if let Some((_, value)) = values.iter().find(|(name, _)| name == input.custom_id) {
                let value: String = value.chars().take(usize::from(input.max_chars)).collect();
                row["components"][0]["value"] = value.into();
            }
        }
        json!({ "type": 9, "data": data })
    }

    fn data(self) -> Value {
        let row = |input: &Input| {
            json!({ "type": 1, "components": [{
                "type": 4,
                "custom_id": input.custom_id,
                "label": input.label.in_lang(self.lang),
                "style": if input.several_lines { 2 } else { 1 },
                "max_length": input.max_chars,
                "required": input.required,
            }]})
        };
        let rows: Vec<Value> = self.inputs.iter().map(row).collect();
        let about = self.about.map(|id| id.to_string()).unwrap_or_default();
        json!({ "custom_id": format!("{}{about}", self.custom_id), "title": self.title.in_lang(self.lang), "components": rows })
    }
}

/// What an interaction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Command(&'static str),
    /// A component or a submitted form whose custom id begins so.
    CustomId(&'static str),
}

/// What has to hold for a row to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Support is switched on in the server.
    SupportOn,
    /// It came from a member in a channel of a server.
    Member,
    /// The option holds text.
    Text(&'static str),
    /// This subcommand is used.
    Subcommand(&'static str),
    /// The option was left out.
    Without(&'static str),
    /// The option holds an id of ours; a form that follows is about it.
    Id(&'static str),
}

/// What a command is answered with first when all of this holds.
#[derive(Clone, Copy, Debug)]
pub struct When {
    pub needs: &'static [Need],
    pub reply: FirstReply,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    on: On,
    needs: &'static [Need],
    reply: FirstReply,
}

/// Components and forms. The first row that fits counts.
const TABLE: &[Row] = &[
    Row { on: On::CustomId(HUMAN), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(HELPFUL), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(UNHELPFUL), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(CLOSE), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(FORGET), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(CLAIM), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(TRANSFER), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(RELEASE), needs: &[], reply: FirstReply::Private },
    // Also for whoever may not resolve it: he is told when he sends the form.
    Row { on: On::CustomId(RESOLVE), needs: &[], reply: FirstReply::Modal(NOTES_FORM) },
    Row { on: On::CustomId(HAND_BACK), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(REOPEN), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(SUGGEST), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(TRANSCRIPT), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(SEND), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(NOTES), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(NEW_REPLY), needs: &[], reply: FirstReply::Private },
    // Each choice changes the message that it was made in.
    Row { on: On::CustomId(DM_SERVER), needs: &[], reply: FirstReply::Update },
    Row { on: On::CustomId(commands::setup::SETUP), needs: &[], reply: FirstReply::Update },
    Row { on: On::CustomId(PAGE), needs: &[], reply: FirstReply::Update },
    Row { on: On::CustomId(REMOVE), needs: &[], reply: FirstReply::Update },
    Row { on: On::CustomId(REMOVE_NOT), needs: &[], reply: FirstReply::Update },
    Row { on: On::CustomId(DRAFT), needs: &[], reply: FirstReply::Update },
    Row { on: On::CustomId(GAPS), needs: &[], reply: FirstReply::Update },
    // Also for whoever may not add documents: he is told when he sends the form.
    Row { on: On::CustomId(GAP), needs: &[], reply: FirstReply::Modal(GAP_FORM) },
    Row { on: On::CustomId(LEARN), needs: &[], reply: FirstReply::Private },
    Row { on: On::CustomId(ANSWER_GAP), needs: &[], reply: FirstReply::Private },
];

/// The id in a custom id, behind its prefix.
pub fn id_in(custom_id: &str) -> Option<Uuid> {
    Uuid::parse_str(custom_id.split(':').nth(1)?).ok()
}

/// The first reply to an interaction. `support_on` = the server's support is switched on.
pub fn first_reply(interaction: &Interaction, support_on: bool) -> FirstReply {
    let command = |command: &'static commands::Slash| {
        let row =
            move |when: &When| Row { on: On::Command(command.name), needs: when.needs, reply: when.reply };
        command.first_replies.iter().map(row)
    };
    // Whoever may not use a command is told so privately.
    let allowed = commands::TABLE.iter().filter(|command| command.is_allowed(interaction));
    let rows = allowed.flat_map(command).chain(TABLE.iter().copied());
    look_up(rows, interaction, support_on)
}

/// The text of a command's option, without blanks around it; none when there is nothing else.
pub fn option_text<'a>(interaction: &'a Interaction, name: &str) -> Option<&'a str> {
    let (_, options) = interaction.data.as_ref()?.chosen();
    let value = options.iter().find(|option| option.name == name)?.value.as_str()?.trim();
    (!value.is_empty()).then_some(value)
}

fn look_up(rows: impl IntoIterator<Item = Row>, interaction: &Interaction, support_on: bool) -> FirstReply {
    if interaction.kind == AUTOCOMPLETE {
        return FirstReply::Choices;
    }
    let data = interaction.data.as_ref();
    let is_on = |on: On| match on {
        On::Command(name) => {
            interaction.kind == COMMAND && data.is_some_and(|data| data.name.as_deref() == Some(name))
        }
        On::CustomId(prefix) => {
            matches!(interaction.kind, COMPONENT | MODAL_SUBMIT)
                && data.and_then(|data| data.custom_id.as_deref()).is_some_and(|id| id.starts_with(prefix))
        }
    };
    let holds = |need: &Need| match *need {
        Need::SupportOn => support_on,
        Need::Member => interaction.member.is_some() && interaction.channel_id.is_some(),
        Need::Text(name) => option_text(interaction, name).is_some(),
        Need::Subcommand(name) => data.is_some_and(|data| data.chosen().0.last() == Some(&name)),
        Need::Without(name) => {
            data.is_some_and(|data| data.chosen().1.iter().all(|option| option.name != name))
        }
        Need::Id(name) => option_text(interaction, name).is_some_and(|text| Uuid::parse_str(text).is_ok()),
    };
    let row = rows.into_iter().find(|row| is_on(row.on) && row.needs.iter().all(holds));
    let named = row.and_then(|row| {
        row.needs.iter().find_map(|need| match *need {
            Need::Id(name) => Uuid::parse_str(option_text(interaction, name)?).ok(),
            _ => None,
        })
    });
    match row.map(|row| row.reply) {
        // Discord takes an update from components only, and no form in answer to a form.
        Some(FirstReply::Update) if interaction.kind != COMPONENT => FirstReply::Private,
        Some(FirstReply::Modal(_)) if interaction.kind == MODAL_SUBMIT => FirstReply::Private,
        Some(FirstReply::Modal(modal)) => {
            let custom_id = data.and_then(|data| data.custom_id.as_deref());
            let lang = interaction.locale.as_deref().and_then(Lang::of_tag).unwrap_or_default();
            FirstReply::Modal(Modal { about: custom_id.and_then(id_in).or(named), lang, ..modal })
        }
        Some(reply) => reply,
        None => FirstReply::Private,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interaction(kind: u8, data: Value) -> Interaction {
        let whole = json!({ "id": "1", "application_id": "2", "type": kind, "token": "t", "guild_id": "3",
            "channel_id": "4", "member": { "user": { "id": "5" } }, "data": data });
        serde_json::from_value(whole).unwrap()
    }

    fn ask(question: &str) -> Interaction {
        interaction(COMMAND, json!({ "name": "ask", "options": [{ "name": "question", "value": question }] }))
    }

    fn press(custom_id: &str) -> Interaction {
        interaction(COMPONENT, json!({ "custom_id": custom_id }))
    }

    const FORM: Modal = Modal {
        custom_id: "details",
        about: None,
        lang: Lang::En,
        title: Key("title-notes"),
        inputs: &[Input {
            custom_id: "text",
            label: Key("label-notes"),
            max_chars: 4_000,
            several_lines: true,
            required: true,
        }],
    };

    #[test]
    fn the_form_for_notes_names_the_ticket_of_its_button_whoever_opens_it() {
        let ticket = Uuid::max();
        let by_proxy = first_reply(&press(&format!("resolve:{ticket}:mark")), true);
        assert_eq!(by_proxy, FirstReply::Modal(NOTES_FORM.about(ticket)));
        let form = by_proxy.callback();
        assert_eq!(
            (&form["type"], &form["data"]["custom_id"]),
            (&json!(9), &json!(format!("notes:{ticket}")))
        );
        assert_eq!(first_reply(&press("resolve:../1"), true), FirstReply::Modal(NOTES_FORM));
        let sent = interaction(MODAL_SUBMIT, json!({ "custom_id": format!("notes:{ticket}") }));
        assert_eq!(first_reply(&sent, true), FirstReply::Private);
    }

    #[test]
    fn a_question_is_public_and_what_only_concerns_the_member_is_private() {
        assert_eq!(first_reply(&ask("how?"), true), FirstReply::Public);
        for button in ["human:6f9619ff", "helpful:6f9619ff:7", "unhelpful:6f9619ff:7", "close:6f9619ff:7"] {
            assert_eq!(first_reply(&press(button), true), FirstReply::Private);
        }
        assert_eq!(FirstReply::Public.callback(), json!({ "type": 5 }));
        assert_eq!(FirstReply::Private.callback(), json!({ "type": 5, "data": { "flags": 64 } }));
    }

    #[test]
    fn a_question_that_will_be_refused_is_private_because_the_refusal_is() {
        assert_eq!(first_reply(&ask("how?"), false), FirstReply::Private);
        assert_eq!(first_reply(&ask(" \n"), true), FirstReply::Private);
        let from_nowhere = Interaction { member: None, ..ask("how?") };
        assert_eq!(first_reply(&from_nowhere, true), FirstReply::Private);
    }

    #[test]
    fn what_the_table_does_not_name_is_private_and_autocomplete_gets_no_choices() {
        for unknown in [interaction(COMMAND, json!({ "name": "other" })), press("other:1"), press("")] {
            assert_eq!(first_reply(&unknown, true), FirstReply::Private);
        }
        // A component that calls itself like a command is none.
        assert_eq!(first_reply(&interaction(COMPONENT, json!({ "name": "ask" })), true), FirstReply::Private);
        let typing = interaction(AUTOCOMPLETE, json!({ "name": "ask" }));
        assert_eq!(first_reply(&typing, true), FirstReply::Choices);
        assert_eq!(FirstReply::Choices.callback(), json!({ "type": 8, "data": { "choices": [] } }));
    }

    #[test]
    fn updates_and_forms_are_given_only_where_discord_takes_them() {
        let table = [
            Row { on: On::CustomId("page:"), needs: &[], reply: FirstReply::Update },
            Row { on: On::CustomId("more:"), needs: &[], reply: FirstReply::Modal(FORM) },
            Row { on: On::Command("report"), needs: &[], reply: FirstReply::Modal(FORM) },
        ];
        let reply = |interaction: &Interaction| look_up(table, interaction, true);
        assert_eq!(reply(&press("page:2")), FirstReply::Update);
        assert_eq!(reply(&press("more:2")), FirstReply::Modal(FORM));
        assert_eq!(reply(&interaction(COMMAND, json!({ "name": "report" }))), FirstReply::Modal(FORM));
        for custom_id in ["page:2", "more:2"] {
            let submitted = interaction(MODAL_SUBMIT, json!({ "custom_id": custom_id }));
            assert_eq!(reply(&submitted), FirstReply::Private);
        }
        assert_eq!(FirstReply::Update.callback(), json!({ "type": 6 }));
        let form = FirstReply::Modal(FORM).callback();
        assert_eq!((&form["type"], &form["data"]["title"]), (&json!(9), &json!("Resolve this ticket")));
        assert_eq!(form["data"]["components"][0]["components"][0]["max_length"], 4_000);
    }

    #[test]
    fn the_first_row_that_fits_counts() {
        let table = [
            Row { on: On::Command("ask"), needs: &[Need::Text("private")], reply: FirstReply::Private },
            Row { on: On::Command("ask"), needs: &[], reply: FirstReply::Public },
        ];
        assert_eq!(look_up(table, &ask("how?"), true), FirstReply::Public);
        let options = json!([{ "name": "private", "value": "yes" }]);
        let asked = interaction(COMMAND, json!({ "name": "ask", "options": options }));
        assert_eq!(look_up(table, &asked, true), FirstReply::Private);
    }
}
