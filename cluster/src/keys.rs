//! Every Redis key name of the cluster, in one place.
//!
//! A key that one script touches together with others carries the hash tag of its slot group, so that on
//! a Redis Cluster the script and the XREAD of a group stay within one slot. The group of a shard is
//! `shard % GROUPS` and never changes; keys of no group carry their own id as the tag.

use crate::ids::{GatewayShard, ServerId, ShardId, WorkerId};

/// Slot groups of the event log.
pub const GROUPS: u32 = 8;

/// Makes key names under one prefix: `hl` in production, a random one in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self::new("hl")
    }
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The slot group of a shard.
    pub const fn group(shard: ShardId) -> u32 {
        shard.0 % GROUPS
    }

    /// The event log of a shard (stream): `hl:{g3}:shard:11`.
    pub fn stream(&self, shard: ShardId) -> String {
        format!("{}:{{g{}}}:shard:{}", self.prefix, Self::group(shard), shard.0)
    }

    /// The incarnation of a shard's stream (integer): `hl:{g3}:inc:11`. Absent = Redis lost the stream.
    pub fn incarnation(&self, shard: ShardId) -> String {
        format!("{}:{{g{}}}:inc:{}", self.prefix, Self::group(shard), shard.0)
    }

    /// The epoch of a shard's owner as Redis knows it (integer, only ever raised): `hl:{g3}:epoch:11`.
    pub fn shard_epoch(&self, shard: ShardId) -> String {
        format!("{}:{{g{}}}:epoch:{}", self.prefix, Self::group(shard), shard.0)
    }

    /// The server's replication id under which the incarnation of a shard's stream was begun (string):
    /// `hl:{g3}:hist:11`. Another one serves now = the end of the stream may be lost.
    pub fn history(&self, shard: ShardId) -> String {
        format!("{}:{{g{}}}:hist:{}", self.prefix, Self::group(shard), shard.0)
    }

    /// The epoch of a gateway shard as one slot group knows it (`<epoch>@<era>`): `hl:{g3}:gwepoch:0:2`.
    pub fn gateway_epoch(&self, group: u32, gateway: GatewayShard) -> String {
        format!("{}:{{g{}}}:gwepoch:{}:{}", self.prefix, group, gateway.id, gateway.total)
    }

    /// Since when Redis has forgotten nothing of a slot group (string, `<µs since 1970>-<replication id>`): `hl:{g3}:era`.
    pub fn era(&self, group: u32) -> String {
        format!("{}:{{g{}}}:era", self.prefix, group)
    }

    /// The resumable session of a gateway shard (hash): `hl:{gw:0:2}:session`.
    pub fn gateway_session(&self, gateway: GatewayShard) -> String {
        format!("{}:{{gw:{}:{}}}:session", self.prefix, gateway.id, gateway.total)
    }

    /// Held while an identify bucket rests (string with a TTL): `hl:{identify}:bucket:0`.
    pub fn identify_bucket(&self, bucket: u32) -> String {
        format!("{}:{{identify}}:bucket:{bucket}", self.prefix)
    }

    /// What is left of the day's sessions (hash): `hl:{identify}:budget`.
    pub fn identify_budget(&self) -> String {
        format!("{}:{{identify}}:budget", self.prefix)
    }

    /// How often a gateway shard has identified lately (hash with a TTL): `hl:{identify}:starts:0:2`.
    pub fn identify_starts(&self, gateway: GatewayShard) -> String {
        format!("{}:{{identify}}:starts:{}:{}", self.prefix, gateway.id, gateway.total)
    }

    /// What a server's admins set, and its version (hash with a TTL): `hl:{cfg:81}`.
    pub fn server_config(&self, server: ServerId) -> String {
        format!("{}:{{cfg:{}}}", self.prefix, server.get())
    }

    /// User id of the bot, which workers cannot ask Discord for (integer): `hl:{bot}:user`.
    pub fn bot_user(&self) -> String {
        format!("{}:{{bot}}:user", self.prefix)
    }

    /// Which roles read the content of messages, and when they said so (hash with a TTL): `hl:{bot}:content`.
    pub fn message_content(&self) -> String {
        format!("{}:{{bot}}:content", self.prefix)
    }

    /// What Discord said last of the bot and its gateway (string, JSON, with a TTL of a day): `hl:{bot}:gateway`.
    pub fn gateway_facts(&self) -> String {
        format!("{}:{{bot}}:gateway", self.prefix)
    }

    /// Held by the proxy that asks Discord for it (string with a TTL): `hl:{bot}:asking`.
    pub fn gateway_turn(&self) -> String {
        format!("{}:{{bot}}:asking", self.prefix)
    }

    /// What the script of the shared REST limits keeps beside the buckets, in its order: slots of the global limit,
    /// those of one proxy, proxies by last sight, proxies that wait (sorted sets), shortest round trips, state,
    /// routes (hashes): `hl:{rest}:slots` and so on.
    pub fn rest(&self, proxy: &str) -> [String; 7] {
        let own = format!("slots:{proxy}");
        ["slots", own.as_str(), "proxies", "waiting", "trips", "state", "routes"]
            .map(|name| self.rest_key(name))
    }

    /// What is known of Discord's routes (hash of template to bucket): `hl:{rest}:routes`.
    pub fn rest_routes(&self) -> String {
        self.rest_key("routes")
    }

    /// A bucket of the REST limits (hash): `hl:{rest}:bucket:<hash of bucket and major parameter>`.
    pub fn rest_bucket(&self, name: &str) -> String {
        self.rest_key(&format!("bucket:{name}"))
    }

    /// Refused requests of the last ten minutes by step, and the breaker's state (hashes): `hl:{invalid}:steps`.
    pub fn invalid_requests(&self) -> [String; 2] {
        ["steps", "breaker"].map(|name| format!("{}:{{invalid}}:{name}", self.prefix))
    }

    fn rest_key(&self, name: &str) -> String {
        format!("{}:{{rest}}:{name}", self.prefix)
    }

    /// The liveness lease of a worker (string with a TTL): `hl:{lease}:<worker>`.
    pub fn lease(&self, worker: WorkerId) -> String {
        format!("{}:{{lease}}:{}", self.prefix, worker.0)
    }

    /// Since when Redis has forgotten no lease (as [`Keys::era`]): `hl:{lease}:era`.
    pub fn lease_era(&self) -> String {
        format!("{}:{{lease}}:era", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str) -> &str {
        let (_, rest) = key.split_once('{').expect("the key has a tag");
        rest.split_once('}').expect("the tag is closed").0
    }

    #[test]
    fn the_keys_that_a_publish_script_touches_share_their_tag() {
        let keys = Keys::default();
        let gateway = GatewayShard::new(1, 4);
        for shard in (0..40).map(ShardId) {
            let stream = keys.stream(shard);
            assert_eq!(tag(&stream), tag(&keys.incarnation(shard)));
            assert_eq!(tag(&stream), tag(&keys.history(shard)));
            assert_eq!(tag(&stream), tag(&keys.shard_epoch(shard)));
            assert_eq!(tag(&stream), tag(&keys.gateway_epoch(Keys::group(shard), gateway)));
            assert_eq!(tag(&stream), tag(&keys.era(Keys::group(shard))));
        }
        assert_eq!(keys.stream(ShardId(11)), "hl:{g3}:shard:11");
    }

    #[test]
    fn the_keys_of_the_rest_limits_share_their_tag() {
        let keys = Keys::default();
        let all = keys.rest("p1").into_iter().chain([keys.rest_routes(), keys.rest_bucket("b")]);
        assert!(all.into_iter().all(|key| tag(&key) == "rest"));
        assert!(keys.invalid_requests().iter().all(|key| tag(key) == "invalid"));
    }
}
