//! SKUs, entitlements and subscriptions.
//! <https://discord.com/developers/docs/resources/entitlement>, `…/sku`, `…/subscription`

use super::App;
use super::body::{Body, Ids, read};
use super::error::ApiError;
use crate::core::Core;
use crate::entitlements::{Entitlement, Holder, SkuKind, Subscription, kind};
use crate::ids::{EntitlementId, GuildId, SkuId, SubscriptionId, UserId};
use crate::lock;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

const MAX_PAGE: usize = 100;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/applications/{application}/skus", get(skus))
        .route("/applications/{application}/entitlements", get(list).post(create_test))
        .route("/applications/{application}/entitlements/{entitlement}", get(one).delete(delete_test))
        .route("/applications/{application}/entitlements/{entitlement}/consume", post(consume))
        .route("/skus/{sku}/subscriptions", get(subscriptions))
        .route("/skus/{sku}/subscriptions/{subscription}", get(subscription))
}

fn own(core: &Core, application: UserId) -> Result<(), ApiError> {
    if application == core.config.bot { Ok(()) } else { Err(ApiError::missing_access()) }
}

async fn skus(State(core): App, Ids(application): Ids<UserId>) -> Result<Json<Value>, ApiError> {
    own(&core, application)?;
    Ok(Json(core.skus()))
}

/// Query of the list. Snowflakes and flags come as text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    user_id: Option<UserId>,
    sku_ids: Option<String>,
    before: Option<EntitlementId>,
    after: Option<EntitlementId>,
    limit: Option<usize>,
    guild_id: Option<GuildId>,
    exclude_ended: Option<String>,
    exclude_deleted: Option<String>,
}

/// A boolean of a query string: `true`, `True` and `1`, or `false`, `False` and `0`.
/// <https://discord.com/developers/docs/reference#boolean-query-strings>
fn flag(given: Option<&str>, default: bool) -> Result<bool, ApiError> {
    match given {
        None => Ok(default),
        Some("true" | "True" | "1") => Ok(true),
        Some("false" | "False" | "0") => Ok(false),
        Some(_) => Err(ApiError::invalid("_misc", "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")),
    }
}

fn page(limit: Option<usize>, default: usize) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(default);
    let wrong = || ApiError::invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.");
    if (1..=MAX_PAGE).contains(&limit) { Ok(limit) } else { Err(wrong()) }
}

async fn list(
    State(core): App,
    Ids(application): Ids<UserId>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, ApiError> {
    own(&core, application)?;
    let limit = page(wanted.limit, MAX_PAGE)?;
    let without_ended = flag(wanted.exclude_ended.as_deref(), false)?;
    let without_deleted = flag(wanted.exclude_deleted.as_deref(), true)?;
    let skus = wanted
        .sku_ids
        .as_ref()
        .map(|ids| ids.split(',').filter_map(|id| id.trim().parse().ok().map(SkuId)).collect::<Vec<_>>());
    let now = core.clock.unix_ms();
    let fits = |one: &&Entitlement| {
        wanted.user_id.is_none_or(|user| one.user == Some(user))
            && wanted.guild_id.is_none_or(|guild| one.guild == Some(guild))
            && skus.as_ref().is_none_or(|skus| skus.contains(&one.sku))
            && wanted.before.is_none_or(|before| one.id < before)
            && wanted.after.is_none_or(|after| one.id > after)
            && !(without_ended && one.has_ended(now))
            && !(without_deleted && one.deleted)
    };
    let bought = lock(&core.entitlements.bought);
    let mut found: Vec<&Entitlement> = bought.entitlements.values().filter(fits).collect();
    // The page next to the bound; otherwise the newest.
    if wanted.after.is_none() {
        found.drain(..found.len().saturating_sub(limit));
    }
    found.truncate(limit);
    Ok(Json(found.into_iter().map(|one| one.json(application)).collect()))
}

type Named = Ids<(UserId, EntitlementId)>;

async fn one(State(core): App, Ids((application, id)): Named) -> Result<Json<Value>, ApiError> {
    own(&core, application)?;
    let bought = lock(&core.entitlements.bought);
    let one = bought.entitlements.get(&id).ok_or_else(ApiError::unknown_entitlement)?;
    Ok(Json(one.json(application)))
}

#[derive(Deserialize)]
struct Test {
    sku_id: SkuId,
    owner_id: EntitlementId,
    owner_type: u8,
}

async fn create_test(
    State(core): App,
    Ids(application): Ids<UserId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    own(&core, application)?;
    let test: Test = read(body)?;
    core.sku_kind(test.sku_id).ok_or_else(ApiError::unknown_sku)?;
    let holder = match test.owner_type {
        1 => Holder::Guild(GuildId(test.owner_id.get())),
        2 => Holder::User(UserId(test.owner_id.get())),
        _ => {
            let message = "Value must be one of {1, 2}.";
            return Err(ApiError::invalid("owner_type", "BASE_TYPE_CHOICES", message));
        }
    };
    match holder {
        Holder::Guild(guild) if core.world.guild(guild).is_none() => return Err(ApiError::unknown_guild()),
        Holder::User(user) if core.world.home(user).is_none() => return Err(ApiError::unknown_user()),
        _ => {}
    }
    let granted = core.grant(holder, test.sku_id, kind::TEST_MODE_PURCHASE, None, None);
    let mut json = granted.json(application);
    for absent in ["starts_at", "ends_at", "subscription_id"] {
        json.as_object_mut().map(|fields| fields.remove(absent));
    }
    Ok(Json(json))
}

async fn delete_test(State(core): App, Ids((application, id)): Named) -> Result<StatusCode, ApiError> {
    own(&core, application)?;
    let kind = lock(&core.entitlements.bought).entitlements.get(&id).map(|one| one.kind);
    match kind {
        None => Err(ApiError::unknown_entitlement()),
        Some(kind::TEST_MODE_PURCHASE) => {
            core.delete_entitlement(id).ok_or_else(ApiError::unknown_entitlement)?;
            Ok(StatusCode::NO_CONTENT)
        }
        Some(_) => Err(ApiError::not_a_test_entitlement()),
    }
}

async fn consume(State(core): App, Ids((application, id)): Named) -> Result<StatusCode, ApiError> {
    own(&core, application)?;
    let mut bought = lock(&core.entitlements.bought);
    let one = bought.entitlements.get_mut(&id).filter(|one| !one.deleted);
    let one = one.ok_or_else(ApiError::unknown_entitlement)?;
    if core.sku_kind(one.sku) != Some(SkuKind::Consumable) {
        return Err(ApiError::not_consumable());
    }
    one.consumed = true;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WantedSubscriptions {
    before: Option<SubscriptionId>,
    after: Option<SubscriptionId>,
    limit: Option<usize>,
    user_id: Option<UserId>,
}

async fn subscriptions(
    State(core): App,
    Ids(sku): Ids<SkuId>,
    Query(wanted): Query<WantedSubscriptions>,
) -> Result<Json<Value>, ApiError> {
    core.sku_kind(sku).ok_or_else(ApiError::unknown_sku)?;
    let limit = page(wanted.limit, MAX_PAGE / 2)?;
    let user = wanted.user_id.ok_or_else(|| ApiError::required("user_id"))?;
    let fits = |one: &&Subscription| {
        one.sku == sku
            && one.user == user
            && wanted.before.is_none_or(|before| one.id < before)
            && wanted.after.is_none_or(|after| one.id > after)
    };
    let bought = lock(&core.entitlements.bought);
    Ok(Json(bought.subscriptions.values().filter(fits).take(limit).map(Subscription::json).collect()))
}

async fn subscription(
    State(core): App,
    Ids((sku, id)): Ids<(SkuId, SubscriptionId)>,
) -> Result<Json<Value>, ApiError> {
    let bought = lock(&core.entitlements.bought);
    let found = bought.subscriptions.get(&id).filter(|one| one.sku == sku);
    Ok(Json(found.ok_or_else(ApiError::not_found)?.json()))
}
