//! What members do, by order: write, use commands, press, choose, fill in, type; and how an interaction stands.

use super::{App, Input, Refused, Routes};
use crate::actions::{ActionError, Writing};
use crate::attachments::File;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) fn add(routes: Routes) -> Routes {
    let routes = routes
        .post(
            "/say",
            "channel, member, text?, reply_to?, files? ([{filename, text or base64, content_type?}])",
            "a member writes; gives the message",
            say,
        )
        .post("/edit", "channel, message, member, text", "a member changes a message of his", edit)
        .post("/delete", "channel, message, member", "a member deletes a message, staff any", delete)
        .post(
            "/react",
            "channel, message, member, emoji, off?",
            "a member puts an emoji on, or takes it off",
            react,
        )
        .post("/pin", "channel, message, member, off?", "a member with the permission pins or unpins", pin)
        .post("/type", "channel, member", "a member starts typing", type_in)
        .post("/dm", "member, takes_dms?", "gives the member's direct messages with the bot", dm);
    routes
        .post(
            "/slash",
            "channel, member, command (with group and sub-command), options?",
            "a member uses a command; gives the interaction",
            slash,
        )
        .post(
            "/autocomplete",
            "channel, member, command, options, focused",
            "a member types into an option; gives the interaction",
            autocomplete,
        )
        .post(
            "/menu",
            "channel, member, command, message or user",
            "a member uses a command from a menu; gives the interaction",
            menu,
        )
        .post(
            "/press",
            "channel, message, custom_id, member",
            "a member presses a button; gives the interaction",
            press,
        )
        .post(
            "/select",
            "channel, message, custom_id, member, values",
            "a member chooses in a select menu; gives the interaction",
            select,
        )
        .post(
            "/submit",
            "interaction (that was answered with the modal), member, fields",
            "a member submits a modal; gives the interaction",
            submit,
        )
        .get(
            "/interactions/{id}",
            "",
            "how an interaction stands, its open modal and its choices",
            interaction,
        )
}

#[derive(Deserialize)]
struct Say {
    channel: ChannelId,
    member: UserId,
    #[serde(default)]
    text: String,
    reply_to: Option<MessageId>,
    #[serde(default)]
    files: Vec<Value>,
}

async fn say(State(core): App, Input(say): Input<Say>) -> Result<Json<Value>, Refused> {
    let file = |value| {
        File::from_json(value).ok_or_else(|| Refused::wrong("a file has a filename and text or base64"))
    };
    let files = say.files.iter().map(file).collect::<Result<Vec<File>, Refused>>()?;
    let writing = Writing { text: say.text, reply_to: say.reply_to, files };
    let message = core.say(say.channel, say.member, writing)?;
    Ok(Json(json!({"message": message})))
}

/// What a member does to a message; each route uses its part.
#[derive(Deserialize)]
struct About {
    channel: ChannelId,
    message: MessageId,
    member: UserId,
    #[serde(default)]
    text: String,
    #[serde(default)]
    emoji: String,
    #[serde(default)]
    custom_id: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    off: bool,
}

async fn edit(State(core): App, Input(about): Input<About>) -> Result<Json<Value>, Refused> {
    core.edit_by(about.channel, about.message, about.member, &about.text)?;
    Ok(Json(json!({})))
}

async fn delete(State(core): App, Input(about): Input<About>) -> Result<Json<Value>, Refused> {
    core.delete_by(about.channel, about.message, about.member)?;
    Ok(Json(json!({})))
}

async fn react(State(core): App, Input(about): Input<About>) -> Result<Json<Value>, Refused> {
    core.react_by(about.channel, about.message, about.member, &about.emoji, !about.off)?;
    Ok(Json(json!({})))
}

async fn pin(State(core): App, Input(about): Input<About>) -> Result<Json<Value>, Refused> {
    core.pin_by(about.channel, about.message, about.member, !about.off)?;
    Ok(Json(json!({})))
}

async fn press(State(core): App, Input(about): Input<About>) -> Result<Json<Value>, Refused> {
    opened(core.press(about.channel, about.message, &about.custom_id, about.member))
}

async fn select(State(core): App, Input(about): Input<About>) -> Result<Json<Value>, Refused> {
    opened(core.select(about.channel, about.message, &about.custom_id, about.member, &about.values))
}

fn opened(interaction: Result<InteractionId, ActionError>) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({"interaction": interaction?})))
}

/// A use of a command; each route uses its part.
#[derive(Deserialize)]
struct Use {
    channel: ChannelId,
    member: UserId,
    command: String,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    focused: String,
    message: Option<MessageId>,
    user: Option<UserId>,
}

fn pairs(map: &Map<String, Value>) -> Vec<(&str, Value)> {
    map.iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
}

async fn slash(State(core): App, Input(used): Input<Use>) -> Result<Json<Value>, Refused> {
    opened(core.slash(used.channel, used.member, &used.command, &pairs(&used.options)))
}

async fn autocomplete(State(core): App, Input(used): Input<Use>) -> Result<Json<Value>, Refused> {
    let options = pairs(&used.options);
    opened(core.autocomplete(used.channel, used.member, &used.command, &options, &used.focused))
}

async fn menu(State(core): App, Input(used): Input<Use>) -> Result<Json<Value>, Refused> {
    match (used.message, used.user) {
        (Some(message), None) => {
            opened(core.use_on_message(used.channel, used.member, &used.command, message))
        }
        (None, Some(user)) => opened(core.use_on_user(used.channel, used.member, &used.command, user)),
        _ => Err(Refused::wrong("a menu is that of either a message or a user")),
    }
}

#[derive(Deserialize)]
struct Submit {
    interaction: InteractionId,
    member: UserId,
    #[serde(default)]
    fields: Map<String, Value>,
}

async fn submit(State(core): App, Input(submit): Input<Submit>) -> Result<Json<Value>, Refused> {
    opened(core.submit(submit.interaction, submit.member, &pairs(&submit.fields)))
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

#[derive(Deserialize)]
struct Dm {
    member: UserId,
    takes_dms: Option<bool>,
}

async fn dm(State(core): App, Input(dm): Input<Dm>) -> Result<Json<Value>, Refused> {
    let channel = core.dm_channel(dm.member).ok_or(ActionError::UnknownMember(dm.member))?;
    if let Some(takes) = dm.takes_dms {
        core.set_takes_dms(dm.member, takes);
    }
    Ok(Json(json!({"channel": channel})))
}

async fn interaction(State(core): App, Path(id): Path<InteractionId>) -> Result<Json<Value>, Refused> {
    let interaction = core.interactions.by_id(id);
    let interaction =
        interaction.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("there is no {id}")))?;
    let mut json = json!(*interaction.phase());
    let shown = interaction.shown();
    for (field, value) in [("modal", &shown.modal), ("choices", &shown.choices)] {
        if let Some(value) = value {
            json[field] = Value::clone(value);
        }
    }
    Ok(Json(json))
}
