//! The first answer to an interaction.
//!
//! Which callbacks fit depends on what was done: choices answer autocomplete alone, and nothing else does;
//! updates need a component, or a modal that a component opened; a modal answers no modal. A second answer is
//! refused (40060), one after the deadline finds no interaction (10062).
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#responding-to-an-interaction>

use super::App;
use super::body::{Files, Form, Ids, MessageBody, read};
use super::error::ApiError;
use crate::commands::check_choices;
use crate::components::modal;
use crate::core::Core;
use crate::ids::{InteractionId, MessageId};
use crate::interactions::{AUTOCOMPLETE, COMMAND, COMPONENT, Interaction, MODAL_SUBMIT, Phase};
use crate::message::{Message, MessageJson, flag};
use crate::posting::{Draft, Origin};
use crate::transcript::Kind;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Callback types.
const MESSAGE: u64 = 4;
pub(super) const DEFERRED: u64 = 5;
const DEFERRED_UPDATE: u64 = 6;
const UPDATE: u64 = 7;
const CHOICES: u64 = 8;
const MODAL: u64 = 9;

#[derive(Debug, Deserialize)]
struct Callback {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(default)]
    data: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct WithResponse {
    #[serde(default)]
    with_response: Option<String>,
}

/// Where answers to an interaction are posted; `original` is named in follow-ups.
pub(super) fn origin(core: &Core, interaction: &Interaction, original: Option<MessageId>) -> Origin {
    let cause = Some(Arc::new(interaction.cause(original)));
    Origin { cause, ..Origin::user(interaction.channel, core.config.bot) }
}

pub(super) async fn callback(
    State(core): App,
    Ids((id, token)): Ids<(InteractionId, String)>,
    Query(query): Query<WithResponse>,
    Form { body, files }: Form,
) -> Result<Response, ApiError> {
    let interaction = core.interactions.by_token(&token).filter(|interaction| interaction.id == id);
    let interaction = interaction.ok_or_else(ApiError::unknown_interaction)?;
    let Callback { kind, data } = read(body)?;
    let waited = || core.clock.now().duration_since(interaction.at);
    let mut phase = interaction.phase();
    match *phase {
        Phase::Answered { .. } => return Err(ApiError::already_acknowledged()),
        Phase::Failed => return Err(ApiError::unknown_interaction()),
        Phase::Waiting if waited() >= core.config.interaction_deadline => {
            return Err(ApiError::unknown_interaction());
        }
        Phase::Waiting => {}
    }
    check_kind(&interaction, kind)?;
    let message = carry_out(&core, &interaction, kind, data, files)?;
    let after_ms = u64::try_from(waited().as_millis()).unwrap_or(u64::MAX);
    let pressed = interaction.pressed.filter(|_| matches!(kind, DEFERRED_UPDATE | UPDATE));
    let original = message.as_ref().map(|message| message.id).or(pressed);
    *phase = Phase::Answered { callback: kind, after_ms, original };
    core.record(Kind::InteractionAcked { interaction: id, callback: kind, after_ms });
    drop(phase);
    if matches!(query.with_response.as_deref(), Some("true" | "True" | "1")) {
        return Ok(Json(described(&core, &interaction, kind, message.as_deref())).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check_kind(interaction: &Interaction, kind: u64) -> Result<(), ApiError> {
    let allowed: &[u64] = match interaction.kind {
        COMMAND => &[MESSAGE, DEFERRED, MODAL],
        COMPONENT => &[MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, MODAL],
        AUTOCOMPLETE => &[CHOICES],
        MODAL_SUBMIT if interaction.pressed.is_some() => &[MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE],
        _ => &[MESSAGE, DEFERRED],
    };
    if allowed.contains(&kind) {
        return Ok(());
    }
    let list: Vec<String> = allowed.iter().map(u64::to_string).collect();
    let message = format!("Value must be one of ({}).", list.join(", "));
    Err(ApiError::invalid("type", "BASE_TYPE_CHOICES", &message))
}

/// Does what the first answer asks for; returns the message it made or changed.
fn carry_out(
    core: &Core,
    interaction: &Interaction,
    kind: u64,
    data: Value,
    files: Files,
) -> Result<Option<Arc<Message>>, ApiError> {
    match kind {
        MESSAGE => {
            let draft = read::<MessageBody>(data)?.draft(files)?;
            core.post(&origin(core, interaction, None), replying(interaction, draft)).map(Some)
        }
        DEFERRED => {
            // EPHEMERAL is the only flag a deferral may have.
            let asked = data["flags"].as_u64().unwrap_or(0) & flag::EPHEMERAL;
            let draft = Draft { flags: flag::LOADING | asked, ..Draft::default() };
            core.post(&origin(core, interaction, None), replying(interaction, draft)).map(Some)
        }
        UPDATE => {
            let pressed = interaction.pressed.ok_or_else(ApiError::unknown_message)?;
            let change = read::<MessageBody>(data)?.change(files)?;
            core.edit(interaction.channel, pressed, core.config.bot, change).map(Some)
        }
        CHOICES => {
            let kind = interaction.used.as_ref().and_then(|used| used.focused).unwrap_or(0);
            let choices = data["choices"].as_array().ok_or_else(|| ApiError::required("data.choices"))?;
            check_choices(choices, kind, "data.choices")?;
            let name = |choice: &Value| choice["name"].as_str().map(str::to_owned);
            let names = choices.iter().filter_map(name).collect();
            core.record(Kind::ChoicesShown { interaction: interaction.id, names });
            interaction.shown().choices = Some(Arc::new(data["choices"].clone()));
            Ok(None)
        }
        MODAL => {
            let modal = modal::check(&data)?;
            let text = |field: &str| modal[field].as_str().unwrap_or_default().to_owned();
            let (custom_id, title) = (text("custom_id"), text("title"));
            core.record(Kind::ModalShown { interaction: interaction.id, custom_id, title });
            interaction.shown().modal = Some(Arc::new(modal));
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Execute Webhook documents neither a nonce nor a reply; a response to a component or to a message command
/// refers to that message by itself.
fn replying(interaction: &Interaction, draft: Draft) -> Draft {
    let target = interaction.used.as_ref().and_then(|used| used.target_message);
    let about = interaction.pressed.filter(|_| interaction.kind == COMPONENT).or(target);
    Draft { reference: about.map(|message| (message, false)), ..plain(draft) }
}

pub(super) fn plain(draft: Draft) -> Draft {
    Draft { nonce: None, enforce_nonce: false, reference: None, ..draft }
}

fn described(core: &Core, interaction: &Interaction, kind: u64, message: Option<&Message>) -> Value {
    let mut described = json!({"interaction": {"id": interaction.id, "type": interaction.kind}});
    if let Some(message) = message {
        described["interaction"]["response_message_id"] = json!(message.id);
        described["interaction"]["response_message_loading"] = json!(message.has(flag::LOADING));
        described["interaction"]["response_message_ephemeral"] = json!(message.has(flag::EPHEMERAL));
        let json = MessageJson::new(message, None, None, core.rest_view());
        described["resource"] = json!({"type": kind, "message": json});
    }
    described
}
