//! Threads over REST: starting them, who is in them, and the lists of open and archived ones.
//! <https://discord.com/developers/docs/resources/channel#start-thread-from-message>

use super::App;
use super::body::{Body, Form, Ids, MessageBody, read};
use super::channels::{check_name, check_slowmode};
use super::error::ApiError;
use super::messages::rendered;
use crate::core::Core;
use crate::guild::channel_kind;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::message::{flag, kind};
use crate::permissions::Permissions;
use crate::render::MemberJson;
use crate::store::Stripe;
use crate::thread::Thread;
use crate::threads::{NewThread, System};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const AUTO_ARCHIVE_MINUTES: [u64; 4] = [60, 1_440, 4_320, 10_080];
const DEFAULT_PAGE: usize = 50;
const MAX_PAGE: usize = 100;
/// The GUILD_MEMBERS intent, as switched on in the developer portal.
const GUILD_MEMBERS: u64 = 1 << 1;

#[derive(Debug, Deserialize)]
pub(super) struct Start {
    name: Option<String>,
    auto_archive_duration: Option<u64>,
    rate_limit_per_user: Option<u32>,
    #[serde(rename = "type")]
    kind: Option<u8>,
    invitable: Option<bool>,
    #[serde(default)]
    applied_tags: Vec<Snowflake>,
    message: Option<Value>,
}

/// A number as ids travel.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Snowflake(ChannelId);

impl Snowflake {
    pub(super) const fn get(self) -> u64 {
        self.0.get()
    }
}

impl Start {
    fn checked(&self, core: &Core) -> Result<NewThread, ApiError> {
        let name = self.name.clone().ok_or_else(|| ApiError::required("name"))?;
        check_name(&name)?;
        check_auto_archive(self.auto_archive_duration)?;
        check_slowmode(self.rate_limit_per_user)?;
        Ok(NewThread {
            auto_archive: self.auto_archive_duration,
            slowmode_s: self.rate_limit_per_user,
            invitable: self.invitable,
            tags: self.applied_tags.iter().map(|tag| tag.get()).collect(),
            ..NewThread::named(name, core.config.bot)
        })
    }
}

pub(super) fn check_auto_archive(minutes: Option<u64>) -> Result<(), ApiError> {
    if minutes.is_some_and(|minutes| !AUTO_ARCHIVE_MINUTES.contains(&minutes)) {
        let message = "Value must be one of (60, 1440, 4320, 10080).";
        return Err(ApiError::invalid("auto_archive_duration", "BASE_TYPE_CHOICES", message));
    }
    Ok(())
}

pub(super) async fn start_from_message(
    State(core): App,
    Ids((channel, message)): Ids<(ChannelId, MessageId)>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let new = read::<Start>(body)?.checked(&core)?;
    let json = core.start_thread(channel, message, new)?;
    Ok((StatusCode::CREATED, Json(json!(json))))
}

/// A thread without a message, private unless it says otherwise; in a forum, a post.
pub(super) async fn start(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Form { body, files }: Form,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let start: Start = read(body)?;
    let place = core.place(channel)?;
    let parent = core.store.lock(place).guild_channel(&core.world, channel).map(|channel| channel.kind);
    let new = start.checked(&core)?;
    if !parent.is_some_and(channel_kind::is_thread_only) {
        let kind = start.kind.unwrap_or(channel_kind::PRIVATE_THREAD);
        let json = core.start_bare_thread(channel, kind, new)?;
        return Ok((StatusCode::CREATED, Json(json!(json))));
    }
    let message = start.message.ok_or_else(|| ApiError::required("message"))?;
    let mut draft = read::<MessageBody>(message)?.draft(files)?;
    draft.flags &= !flag::EPHEMERAL;
    let (thread, message) = core.start_post(channel, new, draft)?;
    let mut json = json!(thread);
    json["message"] = serde_json::from_str(&rendered(&core, place, &message)).unwrap_or_default();
    Ok((StatusCode::CREATED, Json(json)))
}

/// Refuses what cannot be done in a thread that is archived, or that the bot cannot view.
fn open(core: &Core, stripe: &Stripe, id: ChannelId) -> Result<Permissions, ApiError> {
    let may = core.require(stripe, id, core.config.bot, Permissions::VIEW_CHANNEL)?;
    if stripe.thread(id).is_some_and(|thread| thread.archived) { Err(ApiError::archived()) } else { Ok(may) }
}

fn person(core: &Core, text: &str) -> Result<UserId, ApiError> {
    let wrong = || ApiError::invalid("user_id", "NUMBER_TYPE_COERCE", "Value is not snowflake.");
    if text == "@me" { Ok(core.config.bot) } else { text.parse().map(UserId).map_err(|_| wrong()) }
}

/// Joins, or adds another member, which is also said in the thread.
pub(super) async fn add_member(
    State(core): App,
    Ids((id, user)): Ids<(ChannelId, String)>,
) -> Result<StatusCode, ApiError> {
    let mut stripe = core.thread_stripe(id)?;
    let may = open(&core, &stripe, id)?;
    let user = person(&core, &user)?;
    let thread = stripe.thread(id).ok_or_else(ApiError::unknown_channel)?;
    let present = thread.members.contains_key(&user);
    if user != core.config.bot {
        let moderator = may.has(Permissions::MANAGE_THREADS);
        let invites = thread.invitable || thread.owner == core.config.bot || moderator;
        if !may.has(Permissions::SEND_MESSAGES) || !invites {
            return Err(ApiError::missing_permissions());
        }
        let server = stripe.server_of(&core.world, id).ok_or_else(ApiError::unknown_channel)?;
        if !stripe.guild(&core.world, server).has(user) {
            return Err(ApiError::unknown_member());
        }
    }
    core.join_thread(&mut stripe, id, user)?;
    if user != core.config.bot && !present {
        tell_of_member(&core, &mut stripe, id, user, kind::RECIPIENT_ADD);
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove_member(
    State(core): App,
    Ids((id, user)): Ids<(ChannelId, String)>,
) -> Result<StatusCode, ApiError> {
    let mut stripe = core.thread_stripe(id)?;
    let may = open(&core, &stripe, id)?;
    let user = person(&core, &user)?;
    let thread = stripe.thread(id).ok_or_else(ApiError::unknown_channel)?;
    let owns = thread.is_private() && thread.owner == core.config.bot;
    let present = thread.members.contains_key(&user);
    if user != core.config.bot && !owns && !may.has(Permissions::MANAGE_THREADS) {
        return Err(ApiError::missing_permissions());
    }
    if user != core.config.bot && present {
        tell_of_member(&core, &mut stripe, id, user, kind::RECIPIENT_REMOVE);
    }
    core.leave_thread(&mut stripe, id, user);
    Ok(StatusCode::NO_CONTENT)
}

fn tell_of_member(core: &Core, stripe: &mut Stripe, id: ChannelId, user: UserId, kind: u8) {
    let system = System { kind, by: core.config.bot, content: String::new(), mentions: vec![user] };
    core.post_system(stripe, id, system, None);
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    with_member: Option<String>,
    after: Option<UserId>,
    limit: Option<usize>,
    before: Option<String>,
}

impl Page {
    fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let limit = self.limit.unwrap_or(default);
        if limit == 0 || limit > MAX_PAGE {
            let message = "int value should be between 1 and 100.";
            return Err(ApiError::invalid("limit", "NUMBER_TYPE_MAX", message));
        }
        Ok(limit)
    }

    fn with_member(&self) -> bool {
        self.with_member.as_deref().is_some_and(|flag| matches!(flag, "true" | "True" | "1"))
    }
}

fn member_json(
    core: &Core,
    stripe: &Stripe,
    thread: &Thread,
    id: ChannelId,
    user: UserId,
    whole: bool,
) -> Value {
    let mut json = json!(thread.member(id, user));
    if let Some(server) = core.world.guild(thread.guild).filter(|_| whole) {
        json["member"] = json!(MemberJson::full(&core.world, server, stripe.changed(server.id), user));
    }
    json
}

pub(super) async fn member(
    State(core): App,
    Ids((id, user)): Ids<(ChannelId, String)>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let stripe = core.thread_stripe(id)?;
    core.require(&stripe, id, core.config.bot, Permissions::VIEW_CHANNEL)?;
    let user = person(&core, &user)?;
    let thread = stripe.thread(id).filter(|thread| thread.members.contains_key(&user));
    let thread = thread.ok_or_else(ApiError::unknown_member)?;
    Ok(Json(member_json(&core, &stripe, thread, id, user, page.with_member())))
}

/// Needs GUILD_MEMBERS switched on in the portal; in pages only where members are asked for whole.
pub(super) async fn members(
    State(core): App,
    Ids(id): Ids<ChannelId>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let stripe = core.thread_stripe(id)?;
    core.require(&stripe, id, core.config.bot, Permissions::VIEW_CHANNEL)?;
    if core.config.privileged_intents & GUILD_MEMBERS == 0 {
        return Err(ApiError::missing_access());
    }
    let thread = stripe.thread(id).ok_or_else(ApiError::unknown_channel)?;
    let whole = page.with_member();
    let limit = if whole { page.limit(MAX_PAGE)? } else { usize::MAX };
    let after = page.after.filter(|_| whole);
    let users = thread.members.keys().copied().filter(|user| after.is_none_or(|after| *user > after));
    let users = users.take(limit);
    Ok(Json(users.map(|user| member_json(&core, &stripe, thread, id, user, whole)).collect()))
}

/// The archived threads of a channel that fit, newest first by `key`, from `before` on.
fn archived(
    core: &Core,
    channel: ChannelId,
    page: &Page,
    wanted: Permissions,
    fits: impl Fn(&Thread) -> bool,
    key: impl Fn(ChannelId, &Thread) -> u64,
    before: Option<u64>,
) -> Result<Json<Value>, ApiError> {
    let limit = page.limit(DEFAULT_PAGE)?;
    let stripe = core.store.lock(core.place(channel)?);
    core.require(&stripe, channel, core.config.bot, wanted)?;
    let of_channel = |(_, thread): &(ChannelId, &Thread)| thread.parent == channel && thread.archived;
    let mut found: Vec<(u64, ChannelId)> = stripe
        .threads()
        .filter(of_channel)
        .filter(|(_, thread)| fits(thread))
        .map(|(id, thread)| (key(id, thread), id))
        .filter(|(key, _)| before.is_none_or(|before| *key < before))
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    let has_more = found.len() > limit;
    found.truncate(limit);
    let threads: Vec<_> = found.iter().filter_map(|(_, id)| stripe.thread_json(*id)).collect();
    let members: Vec<_> = threads.iter().filter_map(|thread| thread.member.clone()).collect();
    Ok(Json(json!({"threads": threads, "members": members, "has_more": has_more})))
}

/// A timestamp of the query; a plus sign that was not escaped arrives as a blank.
fn moment(text: Option<&str>) -> Result<Option<u64>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || ApiError::invalid("before", "DATE_TIME_TYPE_PARSE", "Could not parse. Should be ISO8601.");
    let time = OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339).map_err(|_| wrong())?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map(Some).map_err(|_| wrong())
}

pub(super) async fn archived_public(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let before = moment(page.before.as_deref())?;
    let wanted = Permissions::READ_MESSAGE_HISTORY;
    archived(
        &core,
        channel,
        &page,
        wanted,
        |thread| !thread.is_private(),
        |_, thread| thread.archive_ms,
        before,
    )
}

pub(super) async fn archived_private(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let before = moment(page.before.as_deref())?;
    let wanted = Permissions::READ_MESSAGE_HISTORY | Permissions::MANAGE_THREADS;
    archived(&core, channel, &page, wanted, Thread::is_private, |_, thread| thread.archive_ms, before)
}

pub(super) async fn archived_joined(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let wrong = || ApiError::invalid("before", "NUMBER_TYPE_COERCE", "Value is not snowflake.");
    let before = page.before.as_deref().map(|text| text.parse().map_err(|_| wrong())).transpose()?;
    let bot = core.config.bot;
    let joined = |thread: &Thread| thread.is_private() && thread.members.contains_key(&bot);
    archived(&core, channel, &page, Permissions::READ_MESSAGE_HISTORY, joined, |id, _| id.get(), before)
}
