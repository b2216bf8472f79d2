//! Granting, ending and deleting entitlements, and the life of subscriptions.

use super::{Entitlement, Holder, SkuKind, Standing, Subscription, kind};
use crate::core::Core;
use crate::ids::{EntitlementId, GuildId, SkuId, SubscriptionId, UserId};
use crate::lock;
use crate::simulator::Simulator;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Length of a subscription's period.
const PERIOD_MS: u64 = 30 * 86_400_000;

/// What happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionChange {
    /// The user cancels: it ends with its period.
    Cancel,
    /// A new period begins.
    Renew,
    /// It is over, and its entitlement with it.
    End,
    /// It is gone, as after a refund: its entitlement is deleted.
    Delete,
}

impl Simulator {
    /// Grants an entitlement; `lasts` is for ever when left out. ENTITLEMENT_CREATE goes to gateway shard 0.
    pub fn grant_entitlement(&self, holder: Holder, sku: SkuKind, lasts: Option<Duration>) -> EntitlementId {
        self.core.grant(holder, self.core.sku(sku), kind::PURCHASE, lasts, None).id
    }

    /// Ends an entitlement now, which updates it. `false` when there is none, or none any more.
    pub fn end_entitlement(&self, id: EntitlementId) -> bool {
        self.core.end_entitlement(id)
    }

    /// Deletes an entitlement, as a refund does. `false` when there is none, or none any more.
    pub fn delete_entitlement(&self, id: EntitlementId) -> bool {
        self.core.delete_entitlement(id).is_some()
    }

    /// A user subscribes, for a server or for himself: a subscription and its entitlement.
    pub fn subscribe_to(&self, user: UserId, guild: Option<GuildId>) -> SubscriptionId {
        self.core.subscribe_to(user, guild)
    }

    /// Changes a subscription. `false` when there is none.
    pub fn change_subscription(&self, id: SubscriptionId, change: SubscriptionChange) -> bool {
        self.core.change_subscription(id, change)
    }
}

impl Core {
    pub(crate) fn grant(
        &self,
        holder: Holder,
        sku: SkuId,
        kind: u8,
        lasts: Option<Duration>,
        subscription: Option<(SubscriptionId, UserId)>,
    ) -> Entitlement {
        let now = self.clock.unix_ms();
        let (guild, user) = match holder {
            Holder::Guild(guild) => (Some(guild), subscription.map(|(_, user)| user)),
            Holder::User(user) => (None, Some(user)),
        };
        let lasts = lasts.map(|lasts| now + u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX / 2));
        let entitlement = Entitlement {
            id: EntitlementId(self.next_id()),
            sku,
            guild,
            user,
            kind,
            deleted: false,
            consumed: false,
            // A test entitlement is valid without end and says no times.
            starts_at_ms: (kind != kind::TEST_MODE_PURCHASE).then_some(now),
            ends_at_ms: lasts,
            subscription: subscription.map(|(id, _)| id),
        };
        let mut bought = lock(&self.entitlements.bought);
        bought.entitlements.insert(entitlement.id, entitlement.clone());
        self.tell_entitlement("ENTITLEMENT_CREATE", &entitlement);
        entitlement
    }

    pub(crate) fn end_entitlement(&self, id: EntitlementId) -> bool {
        let now = self.clock.unix_ms();
        let mut bought = lock(&self.entitlements.bought);
        match bought.entitlements.get_mut(&id).filter(|one| !one.deleted && !one.has_ended(now)) {
            Some(entitlement) => {
                entitlement.ends_at_ms = Some(now);
                self.tell_entitlement("ENTITLEMENT_UPDATE", entitlement);
                true
            }
            None => false,
        }
    }

    pub(crate) fn delete_entitlement(&self, id: EntitlementId) -> Option<()> {
        let mut bought = lock(&self.entitlements.bought);
        let entitlement = bought.entitlements.get_mut(&id).filter(|one| !one.deleted)?;
        entitlement.deleted = true;
        self.tell_entitlement("ENTITLEMENT_DELETE", entitlement);
        Some(())
    }

    pub(crate) fn subscribe_to(&self, user: UserId, guild: Option<GuildId>) -> SubscriptionId {
        let sku = if guild.is_some() { SkuKind::GuildSubscription } else { SkuKind::UserSubscription };
        let (sku, now) = (self.sku(sku), self.clock.unix_ms());
        let id = SubscriptionId(self.next_id());
        let holder = guild.map_or(Holder::User(user), Holder::Guild);
        let granted = self.grant(holder, sku, kind::APPLICATION_SUBSCRIPTION, None, Some((id, user)));
        let subscription = Subscription {
            id,
            user,
            sku,
            entitlement: granted.id,
            period_ms: (now, now + PERIOD_MS),
            standing: Standing::Active,
            canceled_at_ms: None,
        };
        let mut bought = lock(&self.entitlements.bought);
        self.tell_purchase("SUBSCRIPTION_CREATE", &subscription.json());
        bought.subscriptions.insert(id, subscription);
        id
    }

    pub(crate) fn change_subscription(&self, id: SubscriptionId, change: SubscriptionChange) -> bool {
        let now = self.clock.unix_ms();
        let mut bought = lock(&self.entitlements.bought);
        let Some(subscription) = bought.subscriptions.get_mut(&id) else { return false };
        let entitlement = subscription.entitlement;
        match change {
            SubscriptionChange::Cancel => {
                subscription.standing = Standing::Ending;
                subscription.canceled_at_ms = Some(now);
            }
            SubscriptionChange::Renew => {
                let (_, end) = subscription.period_ms;
                subscription.period_ms = (end, end + PERIOD_MS);
                subscription.standing = Standing::Active;
                subscription.canceled_at_ms = None;
            }
            SubscriptionChange::End | SubscriptionChange::Delete => {
                subscription.standing = Standing::Inactive;
                subscription.period_ms.1 = subscription.period_ms.1.min(now);
            }
        }
        let deleted = change == SubscriptionChange::Delete;
        let name = if deleted { "SUBSCRIPTION_DELETE" } else { "SUBSCRIPTION_UPDATE" };
        self.tell_purchase(name, &subscription.json());
        if deleted {
            bought.subscriptions.remove(&id);
        }
        drop(bought);
        match change {
            SubscriptionChange::End => drop(self.end_entitlement(entitlement)),
            SubscriptionChange::Delete => drop(self.delete_entitlement(entitlement)),
            SubscriptionChange::Cancel | SubscriptionChange::Renew => {}
        }
        true
    }
}
