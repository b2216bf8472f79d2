//! What members do, by order: write, use commands, press, type; and how an interaction stands.

use super::{App, Input, Refused, Routes};
use crate::actions::ActionError;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .post("/say", "channel, member, text, reply_to?", "a member writes; gives the message", say)
        .post(
            "/slash",
            "channel, member, command, options?",
            "a member uses a command; gives the interaction",
            slash,
        )
        .post(
            "/press",
            "channel, message, custom_id, member",
            "a member presses a button; gives the interaction",
            press,
        )
        .post("/type", "channel, member", "a member starts typing", type_in)
        .get("/interactions/{id}", "", "how an interaction stands", interaction)
}

#[derive(Deserialize)]
struct Say {
    channel: ChannelId,
    member: UserId,
    text: String,
    reply_to: Option<MessageId>,
}

async fn say(State(core): App, Input(say): Input<Say>) -> Result<Json<Value>, Refused> {
    let message = core.say(say.channel, say.member, &say.text, say.reply_to)?;
    Ok(Json(json!({"message": message})))
}

#[derive(Deserialize)]
struct Slash {
    channel: ChannelId,
    member: UserId,
    command: String,
    #[serde(default)]
    options: Map<String, Value>,
}

async fn slash(State(core): App, Input(slash): Input<Slash>) -> Result<Json<Value>, Refused> {
    let options: Vec<(&str, Value)> =
        slash.options.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let interaction = core.slash(slash.channel, slash.member, &slash.command, &options)?;
    Ok(Json(json!({"interaction": interaction})))
}

#[derive(Deserialize)]
struct Press {
    channel: ChannelId,
    message: MessageId,
    custom_id: String,
    member: UserId,
}

async fn press(State(core): App, Input(press): Input<Press>) -> Result<Json<Value>, Refused> {
    let interaction = core.press(press.channel, press.message, &press.custom_id, press.member)?;
    Ok(Json(json!({"interaction": interaction})))
}

#[derive(Deserialize)]
struct Typing {
    channel: ChannelId,
    member: UserId,
}

async fn type_in(State(core): App, Input(typing): Input<Typing>) -> Result<Json<Value>, Refused> {
    let unknown = |_| Refused::from(ActionError::UnknownChannel(typing.channel));
    core.type_in(typing.channel, typing.member).map_err(unknown)?;
    Ok(Json(json!({})))
}

async fn interaction(State(core): App, Path(id): Path<InteractionId>) -> Result<Json<Value>, Refused> {
    let interaction = core.interactions.by_id(id);
    let interaction =
        interaction.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("there is no {id}")))?;
    let phase = *interaction.phase();
    Ok(Json(json!(phase)))
}
