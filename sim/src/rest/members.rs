//! Members and bans over REST. The bot kicks, bans, renames and times out only who stands below it.
//! <https://discord.com/developers/docs/resources/guild#modify-guild-member>,
//! <https://discord.com/developers/docs/topics/permissions#permission-hierarchy>

use super::App;
use super::body::{Body, Ids, present, read};
use super::error::ApiError;
use super::roles::is_below;
use crate::core::Core;
use crate::guild::{Guild, Member};
use crate::ids::{GuildId, RoleId, UserId};
use crate::permissions::Permissions;
use crate::render::{MemberJson, UserJson};
use crate::store::Stripe;
use crate::world::Server;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const MAX_PAGE: usize = 1_000;
const MAX_NICK: usize = 32;
const MAX_TIMEOUT_MS: u64 = 28 * 86_400_000;
/// The GUILD_MEMBERS intent, as switched on in the developer portal.
const GUILD_MEMBERS: u64 = 1 << 1;

fn described(core: &Core, server: &Server, guild: &Guild, user: UserId) -> Value {
    json!(MemberJson::full(&core.world, server, Some(guild), user))
}

pub(super) async fn get(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let guild = stripe.guild(&core.world, server);
    if !guild.has(user) {
        return Err(ApiError::unknown_member());
    }
    Ok(Json(described(&core, server, &guild, user)))
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
    after: Option<UserId>,
    before: Option<UserId>,
    query: Option<String>,
}

impl Page {
    fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let limit = self.limit.unwrap_or(default);
        if limit == 0 || limit > MAX_PAGE {
            let message = "int value should be between 1 and 1000.";
            return Err(ApiError::invalid("limit", "NUMBER_TYPE_MAX", message));
        }
        Ok(limit)
    }
}

/// By user id. Needs GUILD_MEMBERS switched on in the portal.
pub(super) async fn list(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    if core.config.privileged_intents & GUILD_MEMBERS == 0 {
        return Err(ApiError::missing_access());
    }
    let limit = page.limit(1)?;
    let guild = stripe.guild(&core.world, server);
    let users = guild.members.keys().filter(|user| page.after.is_none_or(|after| **user > after));
    Ok(Json(users.take(limit).map(|user| described(&core, server, &guild, *user)).collect()))
}

/// Those whose user name or nickname begins with `query`.
pub(super) async fn search(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let limit = page.limit(1)?;
    let query = page.query.as_deref().map(str::to_lowercase).ok_or_else(|| ApiError::required("query"))?;
    let guild = stripe.guild(&core.world, server);
    let begins = |name: &str| name.to_lowercase().starts_with(&query);
    let fits = |(user, member): &(&UserId, &Member)| {
        begins(&core.world.user_name(**user)) || member.nick.as_deref().is_some_and(begins)
    };
    let found = guild.members.iter().filter(fits).take(limit);
    Ok(Json(found.map(|(user, _)| described(&core, server, &guild, *user)).collect()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    #[serde(deserialize_with = "present")]
    nick: Option<Option<String>>,
    roles: Option<Vec<RoleId>>,
    #[serde(deserialize_with = "present")]
    communication_disabled_until: Option<Option<String>>,
    mute: Option<bool>,
    deaf: Option<bool>,
    channel_id: Option<Value>,
}

/// The end of a timeout in Unix milliseconds.
fn timeout_end(core: &Core, until: Option<&str>) -> Result<Option<u64>, ApiError> {
    let Some(text) = until else { return Ok(None) };
    let field = "communication_disabled_until";
    let wrong = || ApiError::invalid(field, "DATE_TIME_TYPE_PARSE", "Could not parse. Should be ISO8601.");
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    let end = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())?;
    if end > core.clock.unix_ms() + MAX_TIMEOUT_MS {
        let message = "Timeouts end at most 28 days from now.";
        return Err(ApiError::invalid(field, "DATE_TIME_TYPE_MAX", message));
    }
    Ok(Some(end))
}

/// What of the fields the bot may not do to this member.
fn check(
    core: &Core,
    guild: &Guild,
    user: UserId,
    may: Permissions,
    fields: &Fields,
) -> Result<(), ApiError> {
    let member = guild.members.get(&user).ok_or_else(ApiError::unknown_member)?;
    let below = guild.rank(user) < guild.rank(core.config.bot);
    let require = |wanted, also: bool| {
        if may.has(wanted) && also { Ok(()) } else { Err(ApiError::missing_permissions()) }
    };
    if fields.mute.is_some() || fields.deaf.is_some() || fields.channel_id.is_some() {
        return Err(ApiError::not_in_voice());
    }
    if let Some(nick) = &fields.nick {
        require(Permissions::MANAGE_NICKNAMES, below)?;
        check_nick(nick.as_deref())?;
    }
    if let Some(roles) = &fields.roles {
        let touched = roles.iter().filter(|role| !member.roles.contains(role));
        for id in touched.chain(member.roles.iter().filter(|role| !roles.contains(role))) {
            let role = guild.role(*id).ok_or_else(ApiError::unknown_role)?;
            require(Permissions::MANAGE_ROLES, is_below(core, guild, role) && role.of_bot.is_none())?;
        }
        require(Permissions::MANAGE_ROLES, true)?;
    }
    if fields.communication_disabled_until.is_some() {
        let exempt = guild.permissions(user, u64::MAX).has(Permissions::ADMINISTRATOR);
        require(Permissions::MODERATE_MEMBERS, below && !exempt)?;
    }
    Ok(())
}

fn check_nick(nick: Option<&str>) -> Result<(), ApiError> {
    if nick.is_some_and(|nick| nick.chars().count() > MAX_NICK) {
        return Err(ApiError::too_long("nick", MAX_NICK));
    }
    Ok(())
}

pub(super) async fn modify(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    let fields: Fields = read(body)?;
    let may = core.require_in_guild(&stripe, server, core.config.bot, Permissions::NONE)?;
    check(&core, &stripe.guild(&core.world, server), user, may, &fields)?;
    let until = fields.communication_disabled_until.as_ref();
    let until = until.map(|until| timeout_end(&core, until.as_deref())).transpose()?;
    let json = core.update_member(&mut stripe, server, user, |member| {
        if let Some(nick) = fields.nick {
            member.nick = nick.filter(|nick| !nick.is_empty());
        }
        member.roles = fields.roles.unwrap_or_else(|| std::mem::take(&mut member.roles));
        member.timed_out_until_ms = until.unwrap_or(member.timed_out_until_ms);
    });
    json.map(Json).ok_or_else(ApiError::unknown_member)
}

pub(super) async fn modify_own(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    let fields: Fields = read(body)?;
    if let Some(nick) = &fields.nick {
        core.require_in_guild(&stripe, server, core.config.bot, Permissions::CHANGE_NICKNAME)?;
        check_nick(nick.as_deref())?;
    }
    let json = core.update_member(&mut stripe, server, core.config.bot, |member| {
        if let Some(nick) = fields.nick {
            member.nick = nick.filter(|nick| !nick.is_empty());
        }
    });
    json.map(Json).ok_or_else(ApiError::unknown_member)
}

/// Gives or takes one role.
fn set_role(
    core: &Core,
    guild: GuildId,
    user: UserId,
    role: RoleId,
    has: bool,
) -> Result<StatusCode, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    core.require_in_guild(&stripe, server, core.config.bot, Permissions::MANAGE_ROLES)?;
    let guild = stripe.guild(&core.world, server);
    let member = guild.members.get(&user).ok_or_else(ApiError::unknown_member)?;
    let had = member.roles.contains(&role);
    let known = guild.role(role).ok_or_else(ApiError::unknown_role)?;
    if known.of_bot.is_some() || known.position == 0 || !is_below(core, &guild, known) {
        return Err(ApiError::missing_permissions());
    }
    drop(guild);
    if had != has {
        core.update_member(&mut stripe, server, user, |member| {
            member.roles.retain(|known| *known != role);
            member.roles.extend(has.then_some(role));
        });
    }
    Ok(StatusCode::NO_CONTENT)
}

type OfRole = Ids<(GuildId, UserId, RoleId)>;

pub(super) async fn give_role(
    State(core): App,
    Ids((guild, user, role)): OfRole,
) -> Result<StatusCode, ApiError> {
    set_role(&core, guild, user, role, true)
}

pub(super) async fn take_role(
    State(core): App,
    Ids((guild, user, role)): OfRole,
) -> Result<StatusCode, ApiError> {
    set_role(&core, guild, user, role, false)
}

/// Whether the bot may send this user away.
fn may_remove(
    core: &Core,
    stripe: &Stripe,
    server: &Server,
    user: UserId,
    wanted: Permissions,
) -> Result<(), ApiError> {
    core.require_in_guild(stripe, server, core.config.bot, wanted)?;
    let guild = stripe.guild(&core.world, server);
    let below = guild.rank(user) < guild.rank(core.config.bot);
    if guild.has(user) && !below { Err(ApiError::missing_permissions()) } else { Ok(()) }
}

pub(super) async fn kick(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
) -> Result<StatusCode, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    may_remove(&core, &stripe, server, user, Permissions::KICK_MEMBERS)?;
    if !stripe.guild(&core.world, server).has(user) {
        return Err(ApiError::unknown_member());
    }
    core.remove_member(&mut stripe, server, user);
    Ok(StatusCode::NO_CONTENT)
}

fn ban_json(core: &Core, user: UserId, reason: Option<&String>) -> Value {
    json!({"reason": reason, "user": UserJson::new(&core.world, user)})
}

pub(super) async fn bans(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    core.require_in_guild(&stripe, server, core.config.bot, Permissions::BAN_MEMBERS)?;
    let limit = page.limit(MAX_PAGE)?;
    let guild = stripe.guild(&core.world, server);
    let fits = |user: &UserId| match (page.before, page.after) {
        (Some(before), _) => *user < before,
        (None, after) => after.is_none_or(|after| *user > after),
    };
    let found = guild.bans.iter().filter(|(user, _)| fits(user)).take(limit);
    Ok(Json(found.map(|(user, reason)| ban_json(&core, *user, reason.as_ref())).collect()))
}

pub(super) async fn get_ban(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    core.require_in_guild(&stripe, server, core.config.bot, Permissions::BAN_MEMBERS)?;
    let guild = stripe.guild(&core.world, server);
    let reason = guild.bans.get(&user).ok_or_else(ApiError::unknown_ban)?;
    Ok(Json(ban_json(&core, user, reason.as_ref())))
}

pub(super) async fn ban(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
    headers: axum::http::HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    may_remove(&core, &stripe, server, user, Permissions::BAN_MEMBERS)?;
    if !core.world.is_person(user) {
        return Err(ApiError::unknown_user());
    }
    let reason = headers.get("x-audit-log-reason").and_then(|reason| reason.to_str().ok());
    if stripe.guild(&core.world, server).has(user) {
        core.remove_member(&mut stripe, server, user);
    }
    core.set_ban(&mut stripe, server, user, Some(reason.map(str::to_owned)));
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unban(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
) -> Result<StatusCode, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    core.require_in_guild(&stripe, server, core.config.bot, Permissions::BAN_MEMBERS)?;
    if !stripe.guild(&core.world, server).bans.contains_key(&user) {
        return Err(ApiError::unknown_ban());
    }
    core.set_ban(&mut stripe, server, user, None);
    Ok(StatusCode::NO_CONTENT)
}
