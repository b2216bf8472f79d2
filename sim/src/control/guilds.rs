//! Changing servers by order, as [`servers`](crate::servers) does it.

use super::{App, Input, Refused, Routes};
use crate::ids::{ChannelId, GuildId, RoleId, UserId};
use crate::permissions::{Permissions, Target};
use crate::servers::ChannelKind;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

type Answer = Result<Json<Value>, Refused>;

pub(super) fn add(routes: Routes) -> Routes {
    let role = "/guilds/{guild}/roles/{role}";
    let member = "/guilds/{guild}/members/{user}";
    let members_role = "/guilds/{guild}/members/{user}/roles/{role}";
    let overwrites = "role or member, allow?, deny?";
    routes
        .get("/guilds/{guild}", "", "a server with members, channels, open threads, bot_in, available", state)
        .post("/guilds/{guild}/remove_bot", "", "the bot is removed from a server", remove_bot)
        .post("/guilds/{guild}/add_bot", "", "the bot is added to a server again", add_bot)
        .post(
            "/guilds/{guild}/unavailable",
            "unavailable",
            "an outage of a server begins or ends",
            unavailable,
        )
        .put(member, "", "somebody joins a server", join)
        .delete(member, "", "a member leaves or is removed", leave)
        .post(
            "/guilds/{guild}/members/{user}/timeout",
            "seconds?",
            "times a member out, or ends it",
            time_out,
        )
        .put(members_role, "", "gives a member a role", give_role)
        .delete(members_role, "", "takes a role from a member", take_role)
        .post("/guilds/{guild}/roles", "name?, permissions?, mentionable?", "makes a role", create_role)
        .patch(role, "name?, permissions?, mentionable?, position?", "changes a role", edit_role)
        .delete(role, "", "deletes a role", delete_role)
        .post("/guilds/{guild}/channels", "kind, name, parent?", "makes a channel", create_channel)
        .delete("/channels/{channel}", "", "deletes a channel", delete_channel)
        .put("/channels/{channel}/overwrites", overwrites, "sets or, with neither, removes it", overwrite)
        .get("/channels/{channel}/permissions/{user}", "", "what somebody may do there", permissions)
}

async fn state(State(core): App, Path(guild): Path<GuildId>) -> Answer {
    Ok(Json(core.server_state(guild)?))
}

async fn remove_bot(State(core): App, Path(guild): Path<GuildId>) -> Answer {
    Ok(Json(json!({"changed": core.remove_bot(guild)?})))
}

async fn add_bot(State(core): App, Path(guild): Path<GuildId>) -> Answer {
    Ok(Json(json!({"changed": core.add_bot(guild)?})))
}

#[derive(Deserialize)]
struct Outage {
    unavailable: bool,
}

async fn unavailable(State(core): App, Path(guild): Path<GuildId>, Input(outage): Input<Outage>) -> Answer {
    Ok(Json(json!({"changed": core.set_unavailable(guild, outage.unavailable)?})))
}

async fn join(State(core): App, Path((guild, user)): Path<(GuildId, UserId)>) -> Answer {
    core.member_joins(guild, user)?;
    Ok(Json(json!({})))
}

async fn leave(State(core): App, Path((guild, user)): Path<(GuildId, UserId)>) -> Answer {
    core.member_leaves(guild, user)?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Timeout {
    seconds: Option<u64>,
}

async fn time_out(
    State(core): App,
    Path((guild, user)): Path<(GuildId, UserId)>,
    Input(timeout): Input<Timeout>,
) -> Answer {
    core.time_out(guild, user, timeout.seconds.map(Duration::from_secs))?;
    Ok(Json(json!({})))
}

async fn give_role(State(core): App, Path((guild, user, role)): Path<(GuildId, UserId, RoleId)>) -> Answer {
    core.set_role(guild, user, role, true)?;
    Ok(Json(json!({})))
}

async fn take_role(State(core): App, Path((guild, user, role)): Path<(GuildId, UserId, RoleId)>) -> Answer {
    core.set_role(guild, user, role, false)?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct RoleBody {
    name: Option<String>,
    permissions: Option<Permissions>,
    mentionable: Option<bool>,
    position: Option<u32>,
}

impl RoleBody {
    fn apply(self, role: &mut crate::guild::Role) {
        role.name = self.name.unwrap_or_else(|| std::mem::take(&mut role.name));
        role.permissions = self.permissions.unwrap_or(role.permissions);
        role.mentionable = self.mentionable.unwrap_or(role.mentionable);
        role.position = self.position.unwrap_or(role.position);
    }
}

async fn create_role(State(core): App, Path(guild): Path<GuildId>, Input(body): Input<RoleBody>) -> Answer {
    let name = body.name.clone().unwrap_or_else(|| "new role".to_owned());
    let role = core.create_role(guild, &name, body.permissions.unwrap_or_default())?;
    if body.mentionable.is_some() || body.position.is_some() {
        core.edit_role(guild, role, |role| body.apply(role))?;
    }
    Ok(Json(json!({"role": role})))
}

async fn edit_role(
    State(core): App,
    Path((guild, role)): Path<(GuildId, RoleId)>,
    Input(body): Input<RoleBody>,
) -> Answer {
    core.edit_role(guild, role, |role| body.apply(role))?;
    Ok(Json(json!({})))
}

async fn delete_role(State(core): App, Path((guild, role)): Path<(GuildId, RoleId)>) -> Answer {
    core.drop_role(guild, role)?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct NewChannel {
    kind: ChannelKind,
    name: String,
    parent: Option<ChannelId>,
}

async fn create_channel(
    State(core): App,
    Path(guild): Path<GuildId>,
    Input(new): Input<NewChannel>,
) -> Answer {
    let channel = core.create_channel(guild, new.kind, &new.name, new.parent)?;
    Ok(Json(json!({"channel": channel})))
}

async fn delete_channel(State(core): App, Path(channel): Path<ChannelId>) -> Answer {
    core.delete_channel(channel)?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct OverwriteBody {
    role: Option<RoleId>,
    member: Option<UserId>,
    allow: Option<Permissions>,
    deny: Option<Permissions>,
}

async fn overwrite(
    State(core): App,
    Path(channel): Path<ChannelId>,
    Input(body): Input<OverwriteBody>,
) -> Answer {
    let target = match (body.role, body.member) {
        (Some(role), None) => Target::Role(role),
        (None, Some(member)) => Target::Member(member),
        _ => {
            let wanted = "say whom the overwrite is about: a role or a member".to_owned();
            return Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, wanted));
        }
    };
    let given = body.allow.is_some() || body.deny.is_some();
    let overwrite = given.then(|| (body.allow.unwrap_or_default(), body.deny.unwrap_or_default()));
    core.set_overwrite(channel, target, overwrite)?;
    Ok(Json(json!({})))
}

async fn permissions(State(core): App, Path((channel, user)): Path<(ChannelId, UserId)>) -> Answer {
    let place = core.store.place(&core.world, channel);
    let may = place.and_then(|place| core.permissions_in(&core.store.lock(place), channel, user));
    let may = may.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("there is no {channel}")))?;
    Ok(Json(json!({"permissions": may, "names": may.names()})))
}
