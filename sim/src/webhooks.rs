//! Webhooks of channels: which there are, and under which name their messages stand.
//! <https://discord.com/developers/docs/resources/webhook>

use crate::ids::{ChannelId, GuildId, UserId};
use crate::lock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Webhooks of one channel.
const MAX_PER_CHANNEL: usize = 15;

/// Who a webhook message seems to be from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) name: String,
    pub(crate) avatar: Option<String>,
    /// The application that owns the webhook.
    pub(crate) application: Option<UserId>,
}

/// The author of a webhook message: a user object without a user.
#[derive(Serialize)]
pub(crate) struct FaceJson<'a> {
    id: UserId,
    username: &'a str,
    avatar: Option<&'a str>,
    discriminator: &'static str,
    global_name: Option<()>,
    bot: bool,
    public_flags: u64,
}

impl<'a> FaceJson<'a> {
    pub(crate) fn new(id: UserId, face: &'a Face) -> Self {
        Self {
            id,
            username: &face.name,
            avatar: face.avatar.as_deref(),
            discriminator: "0000",
            global_name: None,
            bot: true,
            public_flags: 0,
        }
    }
}

/// A webhook. Its messages have its id as their author's.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) id: UserId,
    pub(crate) token: String,
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) name: String,
    pub(crate) avatar: Option<String>,
    pub(crate) application: Option<UserId>,
    pub(crate) creator: UserId,
}

#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    by_id: Mutex<BTreeMap<UserId, Arc<Webhook>>>,
}

impl Webhooks {
    /// Forgets all.
    pub(crate) fn clear(&self) {
        lock(&self.by_id).clear();
    }

    /// Adds one; `false` when the channel has as many as it may.
    pub(crate) fn add(&self, webhook: Webhook) -> bool {
        let mut by_id = lock(&self.by_id);
        if by_id.values().filter(|known| known.channel == webhook.channel).count() >= MAX_PER_CHANNEL {
            return false;
        }
        by_id.insert(webhook.id, Arc::new(webhook));
        true
    }

    pub(crate) fn get(&self, id: UserId) -> Option<Arc<Webhook>> {
        lock(&self.by_id).get(&id).cloned()
    }

    /// Those that fit, oldest first.
    pub(crate) fn list(&self, fits: impl Fn(&Webhook) -> bool) -> Vec<Arc<Webhook>> {
        lock(&self.by_id).values().filter(|webhook| fits(webhook)).cloned().collect()
    }

    pub(crate) fn replace(&self, webhook: Webhook) -> Arc<Webhook> {
        let webhook = Arc::new(webhook);
        lock(&self.by_id).insert(webhook.id, webhook.clone());
        webhook
    }

    pub(crate) fn remove(&self, id: UserId) {
        lock(&self.by_id).remove(&id);
    }
}
