//! Later answers to interactions: edits of the first one, and follow-ups. Routes of channel webhooks look
//! alike; they are told apart by the id, which is the application's here.
//!
//! These routes carry the interaction's token instead of the bot's.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages>

use super::App;
use super::body::{Form, Ids, MessageBody, read};
use super::callback::{DEFERRED, origin, plain};
use super::error::ApiError;
use super::hooks::{self, Execute};
use super::messages::answer;
use crate::core::Core;
use crate::ids::{MessageId, UserId};
use crate::interactions::{Interaction, Phase};
use crate::message::{Message, flag};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// The interaction of a token that was answered and has not expired. One that was never answered has no
/// webhook (10015); a token that is not known, or not any more, is invalid (50027).
fn answered(core: &Core, token: &str) -> Result<(Arc<Interaction>, Phase), ApiError> {
    let interaction = core.interactions.by_token(token).ok_or_else(ApiError::bad_webhook_token)?;
    if core.clock.now().duration_since(interaction.at) >= core.config.interaction_token_life {
        return Err(ApiError::bad_webhook_token());
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

pub(super) async fn get(
    State(core): App,
    Ids((app, token, name)): Named,
    Query(query): Query<Execute>,
) -> Result<Response, ApiError> {
    if app != core.config.bot {
        return hooks::get(&core, app, &token, &name, &query);
    }
    let (interaction, phase) = answered(&core, &token)?;
    let message = named(&core, &interaction, phase, &name)?;
    Ok(answer(&core, interaction.place, &message))
}

pub(super) async fn edit(
    State(core): App,
    Ids((app, token, name)): Named,
    Query(query): Query<Execute>,
    Form { body, files }: Form,
) -> Result<Response, ApiError> {
    if app != core.config.bot {
        return hooks::edit(&core, app, &token, &name, &query, (body, files));
    }
    let (interaction, phase) = answered(&core, &token)?;
    let message = named(&core, &interaction, phase, &name)?;
    let change = read::<MessageBody>(body)?.change(files)?;
    let edited = core.edit(message.channel, message.id, core.config.bot, change)?;
    Ok(answer(&core, interaction.place, &edited))
}

pub(super) async fn delete(
    State(core): App,
    Ids((app, token, name)): Named,
    Query(query): Query<Execute>,
) -> Result<StatusCode, ApiError> {
    if app != core.config.bot {
        return hooks::delete(&core, app, &token, &name, &query);
    }
    let (interaction, phase) = answered(&core, &token)?;
    let message = named(&core, &interaction, phase, &name)?;
    core.delete(message.channel, message.id, core.config.bot)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A follow-up message; right after a deferral it takes the place of the loading message.
pub(super) async fn follow_up(
    State(core): App,
    Ids((app, token)): Ids<(UserId, String)>,
    Query(query): Query<Execute>,
    Form { body, files }: Form,
) -> Result<Response, ApiError> {
    if app != core.config.bot {
        return hooks::execute(&core, app, &token, &query, (body, files));
    }
    let (interaction, phase) = answered(&core, &token)?;
    let Phase::Answered { callback, original, .. } = phase else { return Err(ApiError::unknown_webhook()) };
    if let (DEFERRED, Some(original)) = (callback, original)
        && core.find(interaction.channel, original).is_some_and(|message| message.has(flag::LOADING))
    {
        let change = read::<MessageBody>(body)?.change(files)?;
        let edited = core.edit(interaction.channel, original, core.config.bot, change)?;
        return Ok(answer(&core, interaction.place, &edited));
    }
    let draft = read::<MessageBody>(body)?.draft(files)?;
    let origin = origin(&core, &interaction, Some(original.unwrap_or(MessageId(interaction.id.get()))));
    let message = core.post(&origin, plain(draft))?;
    Ok(answer(&core, interaction.place, &message))
}
