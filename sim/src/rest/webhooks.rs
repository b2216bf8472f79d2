//! Answers to interactions: the first one, edits of it, and follow-ups.
//!
//! These routes carry the interaction's token instead of the bot's.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding>

use super::App;
use super::body::{Body, Ids, MessageBody, read};
use super::error::ApiError;
use super::messages::{answer, change};
use crate::core::Core;
use crate::ids::{InteractionId, MessageId, UserId};
use crate::interactions::{COMPONENT, Interaction, Phase};
use crate::message::{Cause, Message, MessageJson, View, flag};
use crate::posting::{Draft, Origin};
use crate::transcript::Kind;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
pub(super) struct Callback {
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

fn origin(core: &Core, interaction: &Interaction) -> Origin {
    let cause = Cause {
        interaction: interaction.id,
        kind: interaction.kind,
        user: interaction.member,
        pressed: interaction.pressed,
    };
    Origin { channel: interaction.channel, author: core.config.bot, cause: Some(Arc::new(cause)) }
}

pub(super) async fn callback(
    State(core): App,
    Ids((id, token)): Ids<(InteractionId, String)>,
    Query(query): Query<WithResponse>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let interaction = core.interactions.by_token(&token).filter(|interaction| interaction.id == id);
    let interaction = interaction.ok_or_else(ApiError::unknown_interaction)?;
    let callback: Callback = read(body)?;
    let mut phase = interaction.phase();
    match *phase {
        Phase::Answered { .. } => return Err(ApiError::already_acknowledged()),
        Phase::Failed => return Err(ApiError::unknown_interaction()),
        Phase::Waiting if interaction.at.elapsed() >= core.config.interaction_deadline => {
            return Err(ApiError::unknown_interaction());
        }
        Phase::Waiting => {}
    }
    let message = carry_out(&core, &interaction, &callback)?;
    let after_ms = u64::try_from(interaction.at.elapsed().as_millis()).unwrap_or(u64::MAX);
    let original = message.as_ref().map(|message| message.id).or(interaction.pressed);
    *phase = Phase::Answered { callback: callback.kind, after_ms, original };
    core.record(Kind::InteractionAcked { interaction: id, callback: callback.kind, after_ms });
    drop(phase);
    if query.with_response.as_deref() == Some("true") {
        return Ok(Json(described(&core, &interaction, callback.kind, message.as_deref())).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Does what the first answer asks for; returns the message it made or changed.
fn carry_out(
    core: &Core,
    interaction: &Interaction,
    callback: &Callback,
) -> Result<Option<Arc<Message>>, ApiError> {
    let component = interaction.kind == COMPONENT;
    match callback.kind {
        4 => {
            let draft = read::<MessageBody>(callback.data.clone())?.draft()?;
            core.post(&origin(core, interaction), plain(draft)).map(Some)
        }
        5 => {
            let asked = callback.data["flags"].as_u64().unwrap_or(0) & flag::EPHEMERAL;
            let draft = Draft { flags: flag::LOADING | asked, ..Draft::default() };
            core.post(&origin(core, interaction), draft).map(Some)
        }
        6 if component => Ok(None),
        7 if component => {
            let pressed = interaction.pressed.ok_or_else(ApiError::unknown_message)?;
            let change = change(read(callback.data.clone())?)?;
            core.edit(interaction.channel, pressed, change).map(Some)
        }
        9 => Ok(None),
        _ => Err(ApiError::invalid("type", "BASE_TYPE_CHOICES", "Value must be one of (4, 5, 6, 7, 9).")),
    }
}

/// Execute Webhook documents neither a nonce nor a reply.
fn plain(draft: Draft) -> Draft {
    Draft { nonce: None, enforce_nonce: false, reference: None, ..draft }
}

fn described(core: &Core, interaction: &Interaction, callback: u64, message: Option<&Message>) -> Value {
    let mut described = json!({"interaction": {"id": interaction.id, "type": interaction.kind}});
    if let Some(message) = message {
        described["interaction"]["response_message_id"] = json!(message.id);
        described["interaction"]["response_message_loading"] = json!(message.has(flag::LOADING));
        described["interaction"]["response_message_ephemeral"] = json!(message.has(flag::EPHEMERAL));
        let view = View { world: &core.world, gateway: false, content: true, changed: None };
        let json = MessageJson::new(message, None, None, view);
        described["resource"] = json!({"type": callback, "message": json});
    }
    described
}

/// The interaction of a token that was answered and has not expired.
fn answered(core: &Core, application: UserId, token: &str) -> Result<(Arc<Interaction>, Phase), ApiError> {
    let interaction = core.interactions.by_token(token).filter(|_| application == core.config.bot);
    let interaction = interaction.ok_or_else(ApiError::unknown_webhook)?;
    if core.clock.now().duration_since(interaction.at) >= core.config.interaction_token_life {
        return Err(ApiError::unknown_webhook());
    }
    let phase = *interaction.phase();
    match phase {
        Phase::Answered { .. } => Ok((interaction, phase)),
        _ => Err(ApiError::unknown_webhook()),
    }
}

/// The message that `@original` or an id of this interaction's follow-ups names.
fn named(core: &Core, interaction: &Interaction, phase: Phase, name: &str) -> Result<Arc<Message>, ApiError> {
    let Phase::Answered { original, .. } = phase else { return Err(ApiError::unknown_webhook()) };
    let id = if name == "@original" { original } else { name.parse().ok().map(MessageId) };
    let id = id.ok_or_else(ApiError::unknown_message)?;
    let message = core.find(interaction.channel, id).ok_or_else(ApiError::unknown_message)?;
    let own = message.cause.as_ref().is_some_and(|cause| cause.interaction == interaction.id);
    if own || original == Some(id) { Ok(message) } else { Err(ApiError::unknown_message()) }
}

type Named = Ids<(UserId, String, String)>;

pub(super) async fn get(State(core): App, Ids((app, token, name)): Named) -> Result<Response, ApiError> {
    let (interaction, phase) = answered(&core, app, &token)?;
    let message = named(&core, &interaction, phase, &name)?;
    Ok(answer(&core, interaction.place, &message))
}

pub(super) async fn edit(
    State(core): App,
    Ids((app, token, name)): Named,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let (interaction, phase) = answered(&core, app, &token)?;
    let message = named(&core, &interaction, phase, &name)?;
    let edited = core.edit(message.channel, message.id, change(read(body)?)?)?;
    Ok(answer(&core, interaction.place, &edited))
}

pub(super) async fn delete(State(core): App, Ids((app, token, name)): Named) -> Result<StatusCode, ApiError> {
    let (interaction, phase) = answered(&core, app, &token)?;
    let message = named(&core, &interaction, phase, &name)?;
    core.delete(message.channel, message.id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A follow-up message; right after a deferral it takes the place of the loading message.
pub(super) async fn follow_up(
    State(core): App,
    Ids((app, token)): Ids<(UserId, String)>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let (interaction, phase) = answered(&core, app, &token)?;
    if let Phase::Answered { callback: 5, original: Some(original), .. } = phase
        && core.find(interaction.channel, original).is_some_and(|message| message.has(flag::LOADING))
    {
        let edited = core.edit(interaction.channel, original, change(read(body)?)?)?;
        return Ok(answer(&core, interaction.place, &edited));
    }
    let draft = read::<MessageBody>(body)?.draft()?;
    let message = core.post(&origin(&core, &interaction), plain(draft))?;
    Ok(answer(&core, interaction.place, &message))
}
