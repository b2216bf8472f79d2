//! What has been bought: SKUs, entitlements and subscriptions, and their events.
//!
//! The events carry no server for the sake of routing and go to gateway shard 0, also for entitlements of a
//! server. An entitlement that ends is updated, not deleted.
//! <https://discord.com/developers/docs/resources/entitlement>,
//! <https://discord.com/developers/docs/resources/subscription>,
//! <https://discord.com/developers/docs/events/gateway#sharding>

mod actions;

pub use actions::SubscriptionChange;

use crate::clock::timestamp;
use crate::core::Core;
use crate::gateway::Event;
use crate::ids::{EntitlementId, GuildId, SkuId, SubscriptionId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Who is entitled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// Everybody in a server.
    Guild(GuildId),
    /// One user, everywhere.
    User(UserId),
}

/// What is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkuKind {
    /// One-time, kept.
    Durable,
    /// One-time, used up.
    Consumable,
    /// A subscription of a server.
    GuildSubscription,
    /// A subscription of a user.
    UserSubscription,
}

impl SkuKind {
    const ALL: [Self; 4] = [Self::Durable, Self::Consumable, Self::GuildSubscription, Self::UserSubscription];

    /// SKU type and flags; AVAILABLE is set for all.
    const fn type_and_flags(self) -> (u8, u64) {
        match self {
            Self::Durable => (2, 1 << 2),
            Self::Consumable => (3, 1 << 2),
            Self::GuildSubscription => (5, 1 << 2 | 1 << 7),
            Self::UserSubscription => (5, 1 << 2 | 1 << 8),
        }
    }

    const fn slug(self) -> &'static str {
        match self {
            Self::Durable => "badge",
            Self::Consumable => "extra-answers",
            Self::GuildSubscription => "premium-server",
            Self::UserSubscription => "premium-user",
        }
    }
}

/// Type of an entitlement.
pub(crate) mod kind {
    pub(crate) const PURCHASE: u8 = 1;
    pub(crate) const TEST_MODE_PURCHASE: u8 = 4;
    pub(crate) const APPLICATION_SUBSCRIPTION: u8 = 8;
}

#[derive(Clone, Debug)]
pub(crate) struct Entitlement {
    pub(crate) id: EntitlementId,
    pub(crate) sku: SkuId,
    pub(crate) guild: Option<GuildId>,
    pub(crate) user: Option<UserId>,
    pub(crate) kind: u8,
    pub(crate) deleted: bool,
    pub(crate) consumed: bool,
    pub(crate) starts_at_ms: Option<u64>,
    pub(crate) ends_at_ms: Option<u64>,
    pub(crate) subscription: Option<SubscriptionId>,
}

impl Entitlement {
    pub(crate) fn json(&self, application: UserId) -> Value {
        let mut json = json!({
            "id": self.id, "sku_id": self.sku, "application_id": application, "promotion_id": null,
            "type": self.kind, "deleted": self.deleted, "gift_code_flags": 0, "consumed": self.consumed,
            "starts_at": self.starts_at_ms.map(timestamp), "ends_at": self.ends_at_ms.map(timestamp),
        });
        if let Some(user) = self.user {
            json["user_id"] = json!(user);
        }
        if let Some(guild) = self.guild {
            json["guild_id"] = json!(guild);
        }
        if let Some(subscription) = self.subscription {
            json["subscription_id"] = json!(subscription);
        }
        json
    }

    pub(crate) fn has_ended(&self, now_ms: u64) -> bool {
        self.ends_at_ms.is_some_and(|at| at <= now_ms)
    }
}

/// Status of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Active = 0,
    Inactive = 1,
    Ending = 2,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) user: UserId,
    pub(crate) sku: SkuId,
    pub(crate) entitlement: EntitlementId,
    pub(crate) period_ms: (u64, u64),
    pub(crate) standing: Standing,
    pub(crate) canceled_at_ms: Option<u64>,
}

impl Subscription {
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id, "user_id": self.user, "sku_ids": [self.sku], "entitlement_ids": [self.entitlement],
            "renewal_sku_ids": null, "current_period_start": timestamp(self.period_ms.0),
            "current_period_end": timestamp(self.period_ms.1), "status": self.standing as u8,
            "canceled_at": self.canceled_at_ms.map(timestamp),
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Bought {
    pub(crate) entitlements: BTreeMap<EntitlementId, Entitlement>,
    pub(crate) subscriptions: BTreeMap<SubscriptionId, Subscription>,
}

/// Everything bought. Its lock is held until an event is sent, so that events agree with the order of changes.
#[derive(Debug, Default)]
pub(crate) struct Entitlements {
    pub(crate) bought: Mutex<Bought>,
}

impl Core {
    /// The number of a SKU follows from the application's.
    pub(crate) fn sku(&self, sku: SkuKind) -> SkuId {
        SkuId(self.config.bot.get() + 1 + sku as u64)
    }

    pub(crate) fn sku_kind(&self, id: SkuId) -> Option<SkuKind> {
        SkuKind::ALL.into_iter().find(|sku| self.sku(*sku) == id)
    }

    /// What `GET /applications/{id}/skus` gives: each SKU, and the group Discord makes for each subscription.
    pub(crate) fn skus(&self) -> Value {
        let one = |id: SkuId, kind: u8, slug: &str, flags: u64| {
            json!({
                "id": id, "type": kind, "application_id": self.config.bot, "name": slug.replace('-', " "),
                "slug": slug, "flags": flags, "dependent_sku_id": null, "access_type": 1, "features": [],
                "manifest_labels": null, "release_date": null, "premium": false, "show_age_gate": false,
            })
        };
        let mut skus = Vec::new();
        for sku in SkuKind::ALL {
            let (kind, flags) = sku.type_and_flags();
            if kind == 5 {
                let group = SkuId(self.sku(sku).get() + SkuKind::ALL.len() as u64);
                skus.push(one(group, 6, sku.slug(), flags));
            }
            skus.push(one(self.sku(sku), kind, sku.slug(), flags));
        }
        Value::Array(skus)
    }

    /// What an interaction tells about the entitlements of its user and its server.
    pub(crate) fn entitlements_for(&self, guild: Option<GuildId>, user: UserId) -> Value {
        let now = self.clock.unix_ms();
        let bought = crate::lock(&self.entitlements.bought);
        let fits = |one: &&Entitlement| {
            let holds = one.guild.map_or(one.user == Some(user), |of| Some(of) == guild);
            holds && !one.deleted && !one.has_ended(now)
        };
        bought.entitlements.values().filter(fits).map(|one| one.json(self.config.bot)).collect()
    }

    fn tell_entitlement(&self, name: &'static str, entitlement: &Entitlement) {
        self.tell_purchase(name, &entitlement.json(self.config.bot));
    }

    fn tell_purchase(&self, name: &'static str, d: &Value) {
        let event = Event { name, intents: 0, data: d.to_string().into(), stripped: None };
        self.hub.dispatch(&self.counters, None, &event);
    }
}
