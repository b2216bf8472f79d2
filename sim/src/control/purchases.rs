//! Entitlements and subscriptions, by order.

use super::{App, Input, Refused, Routes};
use crate::entitlements::{Holder, SkuKind, SubscriptionChange, kind};
use crate::ids::{EntitlementId, GuildId, SubscriptionId, UserId};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .post(
            "/entitlements",
            "guild or user, sku, lasts_ms?",
            "grants an entitlement; sku is durable, consumable, guild_subscription or user_subscription",
            grant,
        )
        .post("/entitlements/end", "entitlement", "an entitlement ends now", end)
        .post("/entitlements/delete", "entitlement", "an entitlement is deleted, as by a refund", delete)
        .post("/subscriptions", "user, guild?", "a user subscribes, for a server or for himself", subscribe)
        .post(
            "/subscriptions/change",
            "subscription, change",
            "change is cancel, renew, end or delete",
            change,
        )
}

#[derive(Deserialize)]
struct Grant {
    guild: Option<GuildId>,
    user: Option<UserId>,
    sku: SkuKind,
    lasts_ms: Option<u64>,
}

async fn grant(State(core): App, Input(grant): Input<Grant>) -> Result<Json<Value>, Refused> {
    let holder = match (grant.guild, grant.user) {
        (Some(guild), None) => Holder::Guild(guild),
        (None, Some(user)) => Holder::User(user),
        _ => return Err(Refused::wrong("say which guild or which user, and not both")),
    };
    let lasts = grant.lasts_ms.map(Duration::from_millis);
    let granted = core.grant(holder, core.sku(grant.sku), kind::PURCHASE, lasts, None);
    Ok(Json(json!({"entitlement": granted.id})))
}

#[derive(Deserialize)]
struct Which {
    entitlement: EntitlementId,
}

async fn end(State(core): App, Input(which): Input<Which>) -> Json<Value> {
    Json(json!({"known": core.end_entitlement(which.entitlement)}))
}

async fn delete(State(core): App, Input(which): Input<Which>) -> Json<Value> {
    Json(json!({"known": core.delete_entitlement(which.entitlement).is_some()}))
}

#[derive(Deserialize)]
struct Subscriber {
    user: UserId,
    guild: Option<GuildId>,
}

async fn subscribe(State(core): App, Input(who): Input<Subscriber>) -> Json<Value> {
    Json(json!({"subscription": core.subscribe_to(who.user, who.guild)}))
}

#[derive(Deserialize)]
struct Change {
    subscription: SubscriptionId,
    change: SubscriptionChange,
}

async fn change(State(core): App, Input(change): Input<Change>) -> Json<Value> {
    Json(json!({"known": core.change_subscription(change.subscription, change.change)}))
}
