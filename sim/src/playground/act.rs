//! What the viewer does, handed to the member's own acts: `{"as", "channel", "do", …}`.
//!
//! | `do` | with | answer |
//! |---|---|---|
//! | `say` | text, reply_to?, files? | message |
//! | `edit`, `delete` | message, text | |
//! | `react` | message, emoji, on | |
//! | `pin` | message, on | |
//! | `press` | message, custom_id, values? | interaction |
//! | `slash` | command with its sub-command, options | interaction |
//! | `menu` | command, message or user | interaction |
//! | `autocomplete` | command, options, focused | choices |
//! | `submit` | interaction, fields | interaction |
//! | `thread` | name, message | channel |
//! | `post` | name, text, tags? | channel |
//! | `close` | archived?, locked? | |
//! | `type` | | |

use super::{App, Refused};
use crate::actions::{ActionError, Writing};
use crate::attachments::File;
use crate::core::Core;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use crate::permissions::Permissions;
use crate::transcript::Kind;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// How long suggestions are waited for; Discord gives a bot three seconds.
const SUGGESTIONS: Duration = Duration::from_secs(4);

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    #[serde(rename = "as")]
    viewer: UserId,
    channel: ChannelId,
    #[serde(flatten)]
    act: Act,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Act {
    Say {
        text: String,
        reply_to: Option<MessageId>,
        #[serde(default)]
        files: Vec<Value>,
    },
    Edit {
        message: MessageId,
        text: String,
    },
    Delete {
        message: MessageId,
    },
    React {
        message: MessageId,
        emoji: String,
        on: bool,
    },
    Pin {
        message: MessageId,
        on: bool,
    },
    Press {
        message: MessageId,
        custom_id: String,
        values: Option<Vec<String>>,
    },
    Slash {
        command: String,
        #[serde(default)]
        options: Vec<Chosen>,
    },
    Menu {
        command: String,
        message: Option<MessageId>,
        user: Option<UserId>,
    },
    Autocomplete {
        command: String,
        options: Vec<Chosen>,
        focused: String,
    },
    Submit {
        interaction: InteractionId,
        fields: Vec<Chosen>,
    },
    Thread {
        name: String,
        message: MessageId,
    },
    Post {
        name: String,
        text: String,
        #[serde(default)]
        tags: Vec<String>,
    },
    Close {
        archived: Option<bool>,
        locked: Option<bool>,
    },
    Type,
}

/// An option of a command, or a field of a modal, with its value.
#[derive(Debug, Deserialize)]
struct Chosen {
    name: String,
    value: Value,
}

fn pairs(chosen: &[Chosen]) -> Vec<(&str, Value)> {
    chosen.iter().map(|one| (one.name.as_str(), one.value.clone())).collect()
}

impl From<ActionError> for Refused {
    fn from(error: ActionError) -> Self {
        Self::unfit(error.to_string())
    }
}

pub(super) async fn act(
    State(core): App,
    request: Result<Json<Request>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let Json(request) = request.map_err(|error| Refused::unfit(error.body_text()))?;
    let (me, channel) = (request.viewer, request.channel);
    let opened = |interaction: InteractionId| json!({"interaction": interaction});
    Ok(Json(match request.act {
        Act::Say { text, reply_to, files } => {
            let files: Option<Vec<File>> = files.iter().map(File::from_json).collect();
            let files = files.ok_or_else(|| Refused::unfit("a file could not be read"))?;
            json!({"message": core.say(channel, me, Writing { text, reply_to, files })?})
        }
        Act::Edit { message, text } => done(core.edit_by(channel, message, me, &text))?,
        Act::Delete { message } => done(core.delete_by(channel, message, me))?,
        Act::React { message, emoji, on } => done(core.react_by(channel, message, me, &emoji, on))?,
        Act::Pin { message, on } => done(core.pin_by(channel, message, me, on))?,
        Act::Press { message, custom_id, values: None } => {
            opened(core.press(channel, message, &custom_id, me)?)
        }
        Act::Press { message, custom_id, values: Some(values) } => {
            opened(core.select(channel, message, &custom_id, me, &values)?)
        }
        Act::Slash { command, options } => opened(core.slash(channel, me, &command, &pairs(&options))?),
        Act::Menu { command, message: Some(message), .. } => {
            opened(core.use_on_message(channel, me, &command, message)?)
        }
        Act::Menu { command, user: Some(user), .. } => opened(core.use_on_user(channel, me, &command, user)?),
        Act::Menu { .. } => return Err(Refused::unfit("say on what the command is used")),
        Act::Autocomplete { command, options, focused } => {
            suggestions(&core, channel, me, &command, &pairs(&options), &focused).await?
        }
        Act::Submit { interaction, fields } => opened(core.submit(interaction, me, &pairs(&fields))?),
        Act::Thread { name, message } => {
            json!({"channel": core.open_thread_by(channel, me, &name, Some(message), false)?})
        }
        Act::Post { name, text, tags } => {
            let tags: Vec<u64> = tags.iter().filter_map(|tag| tag.parse().ok()).collect();
            json!({"channel": core.open_post_by(channel, me, &name, &text, &tags)?})
        }
        Act::Close { archived, locked } => done(core.set_thread_by(channel, me, archived, locked))?,
        Act::Type => {
            core.actor(channel, me, Permissions::SEND_MESSAGES)?;
            core.type_in(channel, me).map_err(|_| ActionError::UnknownChannel(channel))?;
            json!({})
        }
    }))
}

fn done(result: Result<(), ActionError>) -> Result<Value, Refused> {
    Ok(result.map(|()| json!({}))?)
}

/// What the bot suggests for an option; nothing when it does not answer.
async fn suggestions(
    core: &Core,
    channel: ChannelId,
    me: UserId,
    command: &str,
    options: &[(&str, Value)],
    focused: &str,
) -> Result<Value, Refused> {
    let mut transcript = core.transcript.subscribe();
    let asked = core.autocomplete(channel, me, command, options, focused)?;
    let answered = async {
        while let Ok(entry) = transcript.recv().await {
            match entry.kind {
                Kind::InteractionAcked { interaction, .. } if interaction == asked => return,
                Kind::InteractionFailed { interaction } if interaction == asked => return,
                _ => {}
            }
        }
    };
    // In vain is no error: the person sees that nothing was suggested.
    let _ = timeout(SUGGESTIONS, answered).await;
    let interaction = core.interactions.by_id(asked);
    let choices = interaction.and_then(|interaction| interaction.shown().choices.clone());
    Ok(json!({"choices": choices.map_or_else(|| json!([]), |choices| Value::clone(&choices))}))
}
