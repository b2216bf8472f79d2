//! The generated world: servers with a support and a general channel, a support role, members and staff.
//!
//! Every id follows from the seed and the position, so that a world of any size is found by arithmetic
//! instead of by tables. Consecutive servers have consecutive time stamps in their ids, so every gateway
//! shard gets its share whatever the total.

use crate::config::Config;
use crate::guild::channel_kind;
use crate::ids::{ChannelId, GuildId, RoleId, UserId};
use crate::permissions::Permissions;
use fastrand::Rng;
use serde::Serialize;

const GUILD_BASE: u64 = 150_000_000_000;
const CHANNEL_BASE: u64 = 200_000_000_000;
const FORUM_BASE: u64 = 220_000_000_000;
const ROLE_BASE: u64 = 250_000_000_000;
const USER_BASE: u64 = 50_000_000_000;

const NAMES: [&str; 24] = [
    "ada", "ben", "cleo", "dan", "eva", "finn", "gwen", "hugo", "ivy", "jan", "kira", "leo", "mia", "nils",
    "olga", "paul", "quinn", "rosa", "sam", "tess", "uma", "vik", "wren", "yuri",
];
const TOPICS: [&str; 12] = [
    "Orchard", "Beacon", "Cobalt", "Drift", "Ember", "Falcon", "Granite", "Harbour", "Indigo", "Juniper",
    "Kestrel", "Lantern",
];

/// What a fixed channel of a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelUse {
    /// Members ask here; every message is a question.
    Support,
    /// Members chat here.
    General,
    /// Holds the forum.
    Category,
    /// Members ask here by starting a post.
    Forum,
}

impl ChannelUse {
    /// Name, channel type and position.
    pub(crate) const fn described(self) -> (&'static str, u8, u32) {
        match self {
            Self::Support => ("support", channel_kind::TEXT, 0),
            Self::General => ("general", channel_kind::TEXT, 1),
            Self::Category => ("Help", channel_kind::CATEGORY, 2),
            Self::Forum => ("questions", channel_kind::FORUM, 3),
        }
    }
}

/// One generated server.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Position in the world, 0-based.
    pub index: usize,
    /// The guild id.
    pub id: GuildId,
    /// A readable name, such as "Orchard 7".
    pub name: String,
    /// The text channel members ask in.
    pub support_channel: ChannelId,
    /// The text channel members chat in.
    pub general_channel: ChannelId,
    /// The category that holds the forum, where servers are generated with one.
    pub category: Option<ChannelId>,
    /// The forum members ask in, where servers are generated with one.
    pub forum: Option<ChannelId>,
    /// The role that staff have; anyone may mention it.
    pub support_role: RoleId,
    /// The bot's managed role.
    pub bot_role: RoleId,
    /// Ordinary members.
    pub members: Box<[UserId]>,
    /// Members with the support role. The first one owns the server.
    pub staff: Box<[UserId]>,
}

impl Server {
    /// The gateway shard that receives this server's events.
    /// <https://discord.com/developers/docs/events/gateway#sharding-sharding-formula>
    pub fn gateway_shard(&self, total: u32) -> u32 {
        gateway_shard(self.id, total)
    }

    pub(crate) fn is_staff(&self, user: UserId) -> bool {
        self.staff.contains(&user)
    }

    /// The channels it was generated with.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (ChannelId, ChannelUse)> {
        let forum = self.category.map(|id| (id, ChannelUse::Category)).into_iter();
        let forum = forum.chain(self.forum.map(|id| (id, ChannelUse::Forum)));
        let texts =
            [(self.support_channel, ChannelUse::Support), (self.general_channel, ChannelUse::General)];
        texts.into_iter().chain(forum)
    }

    pub(crate) fn owner(&self) -> UserId {
        self.staff.first().or(self.members.first()).copied().unwrap_or(UserId(USER_BASE << 22))
    }
}

pub(crate) fn gateway_shard(guild: GuildId, total: u32) -> u32 {
    u32::try_from((guild.get() >> 22) % u64::from(total.max(1))).expect("a remainder of a u32")
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) servers: Vec<Server>,
    people: u64,
    salt: u64,
    bot: UserId,
    bot_name: String,
    bot_permissions: Permissions,
}

impl World {
    pub(crate) fn generate(config: &Config) -> Self {
        let mut rng = Rng::with_seed(config.seed);
        let people = (config.members_per_server + config.staff_per_server) as u64;
        let salt = rng.u64(..1 << 20);
        let shift = rng.u64(..1 << 20);
        let servers = (0..config.servers)
            .map(|index| {
                let at = index as u64;
                let low = |rng: &mut Rng| rng.u64(..1 << 20);
                let forum = |n: u64| {
                    config
                        .forums
                        .then_some(ChannelId((FORUM_BASE + at * 2 + n) << 22 | (salt ^ at & 0xfffff)))
                };
                let person = |n: u64| UserId((USER_BASE + at * people + n) << 22 | salt);
                let staff = config.staff_per_server as u64;
                Server {
                    index,
                    id: GuildId((GUILD_BASE + shift + at) << 22 | low(&mut rng)),
                    name: format!("{} {}", TOPICS[index % TOPICS.len()], index + 1),
                    support_channel: ChannelId((CHANNEL_BASE + at * 2) << 22 | low(&mut rng)),
                    general_channel: ChannelId((CHANNEL_BASE + at * 2 + 1) << 22 | low(&mut rng)),
                    category: forum(0),
                    forum: forum(1),
                    support_role: RoleId((ROLE_BASE + at * 2) << 22 | low(&mut rng)),
                    bot_role: RoleId((ROLE_BASE + at * 2 + 1) << 22 | low(&mut rng)),
                    members: (staff..people).map(person).collect(),
                    staff: (0..staff).map(person).collect(),
                }
            })
            .collect();
        let mut bot_permissions = config.bot_permissions;
        if config.bot_may_mention_everyone {
            bot_permissions |= Permissions::MENTION_EVERYONE;
        }
        let bot_name = config.bot_name.clone();
        Self { servers, people, salt, bot: config.bot, bot_name, bot_permissions }
    }

    pub(crate) fn bot(&self) -> UserId {
        self.bot
    }

    /// What the bot's own role gives it in a generated server.
    pub(crate) fn bot_permissions(&self) -> Permissions {
        self.bot_permissions
    }

    /// What a user may do in the channels of a generated server; nothing where he is no member.
    pub(crate) fn generated_permissions(&self, server: &Server, user: UserId) -> Permissions {
        if user == self.bot {
            return Permissions::MEMBER | self.bot_permissions;
        }
        if self.home(user).is_none_or(|home| home.index != server.index) {
            return Permissions::NONE;
        }
        match server.is_staff(user) {
            _ if user == server.owner() => Permissions::ALL,
            true => Permissions::STAFF,
            false => Permissions::MEMBER,
        }
    }

    pub(crate) fn channel(&self, id: ChannelId) -> Option<(&Server, ChannelUse)> {
        let at = id.get() >> 22;
        let at = at.checked_sub(FORUM_BASE).or_else(|| at.checked_sub(CHANNEL_BASE))?;
        let server = self.servers.get(usize::try_from(at / 2).ok()?)?;
        server.channels().find(|(known, _)| *known == id).map(|(_, purpose)| (server, purpose))
    }

    pub(crate) fn guild(&self, id: GuildId) -> Option<&Server> {
        let first = self.servers.first()?.id.get() >> 22;
        let at = (id.get() >> 22).checked_sub(first)?;
        self.servers.get(usize::try_from(at).ok()?).filter(|server| server.id == id)
    }

    /// The server a member lives in; the bot lives in all of them and so in none here.
    pub(crate) fn home(&self, user: UserId) -> Option<&Server> {
        let at = (user.get() >> 22).checked_sub(USER_BASE)?;
        let server = self.servers.get(usize::try_from(at / self.people).ok()?)?;
        (user.get() & ((1 << 22) - 1) == self.salt).then_some(server)
    }

    /// Whether this is one of the simulated people: a member of a server, or somebody who is in none yet.
    pub(crate) fn is_person(&self, user: UserId) -> bool {
        user.get() >> 22 >= USER_BASE && user.get() & ((1 << 22) - 1) == self.salt && !self.is_bot(user)
    }

    /// Somebody who was generated into no server.
    pub(crate) fn stranger(&self, n: u32) -> UserId {
        let people = USER_BASE + self.people * self.servers.len() as u64;
        UserId((people + u64::from(n)) << 22 | self.salt)
    }

    pub(crate) fn is_bot(&self, user: UserId) -> bool {
        user == self.bot
    }

    pub(crate) fn user_name(&self, user: UserId) -> String {
        if self.is_bot(user) {
            return self.bot_name.clone();
        }
        let at = usize::try_from((user.get() >> 22).saturating_sub(USER_BASE)).unwrap_or(0);
        format!("{}_{}", NAMES[at % NAMES.len()], at / NAMES.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(servers: usize, seed: u64) -> World {
        World::generate(&Config { servers, seed, ..Config::default() })
    }

    #[test]
    fn the_same_seed_makes_the_same_world_and_another_seed_another_one() {
        let ids =
            |seed| world(50, seed).servers.iter().map(|s| (s.id, s.support_channel)).collect::<Vec<_>>();
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
    }

    #[test]
    fn every_gateway_shard_gets_its_share_of_the_servers() {
        let world = world(64, 3);
        for total in [2_u32, 3, 16] {
            let mut counts = vec![0_usize; total as usize];
            for server in &world.servers {
                counts[server.gateway_shard(total) as usize] += 1;
            }
            assert!(counts.iter().all(|n| *n >= 64 / total as usize), "{counts:?}");
        }
    }

    #[test]
    fn everything_is_found_again_by_its_id() {
        let world = world(100, 5);
        for server in &world.servers {
            assert_eq!(world.guild(server.id).unwrap().index, server.index);
            assert_eq!(world.channel(server.support_channel).unwrap().1, ChannelUse::Support);
            assert_eq!(world.channel(server.general_channel).unwrap().0.index, server.index);
            assert!(world.channel(ChannelId(server.support_channel.get() + 1)).is_none());
            for user in server.members.iter().chain(&server.staff) {
                assert_eq!(world.home(*user).unwrap().index, server.index);
            }
        }
        assert!(world.home(Config::default().bot).is_none());
    }
}
