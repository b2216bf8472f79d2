//! From events to commands: what an event means, and T1, the fenced transaction that stores what follows from a batch
//! of them together with the cursor.

mod about;
mod commands;
pub mod direct;
mod edits;
mod events;
mod knowledge;
mod late;
pub mod limits;
mod notes;
mod presses;
mod privacy;
mod replays;
mod setup;
mod staff;
mod threads;
mod tickets;

use std::collections::{BTreeSet, HashMap, HashSet};

use helpline_cluster::consumer::{self, Item, Place, Step};
use helpline_cluster::fence::{self, Fence, FencedTx};
use helpline_cluster::ids::ServerId;
use uuid::Uuid;

pub use events::{Event, Relevant, parse};
pub use replays::replay;

use super::counts::Counts;
use super::marks::Marks;
use super::{Repair, Shared, moving};
use crate::commands::{is_about_a_message, used};
use crate::conversation::command::{Action, Command, Origin, Question};
use crate::conversation::state::{Conversation, Status};
use crate::conversation::store;
use crate::deliver::outbox::{self, Lane};
use crate::deliver::{Effect, OutboxKey};
use crate::discord::{Guild, Interaction, Message, RoleId, UserId};
use crate::first_reply::{COMPONENT, FORGET};
use crate::server_config::ServerConfig;
use crate::texts::Lang;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Fence(#[from] fence::Error),
    #[error(transparent)]
    Conversation(#[from] store::Error),
    #[error(transparent)]
    Outbox(#[from] outbox::Error),
    #[error("apply an event: {0}")]
    Database(#[from] sqlx::Error),
    /// Between two statements of the transaction: it is to be tried again.
    #[error("{0} has moved meanwhile")]
    MovedMeanwhile(ServerId),
    /// The shard waits until some of them could be applied.
    #[error("too many events of {0} are held until it has left its old shard")]
    HeldFull(ServerId),
    #[error("applying it panicked")]
    Panicked,
}

impl Error {
    /// The event itself cannot be applied, however often it is tried: everything that is not the store's state.
    pub fn is_about_the_event(&self) -> bool {
        let database = match self {
            Self::Fence(fence::Error::Superseded { .. } | fence::Error::Unknown { .. }) => return false,
            Self::MovedMeanwhile(_) | Self::HeldFull(_) => return false,
            Self::Fence(fence::Error::ServerElsewhere { .. }) | Self::Panicked => return true,
            Self::Conversation(store::Error::Malformed { .. } | store::Error::Job { .. }) => return true,
            Self::Fence(fence::Error::Database(error))
            | Self::Conversation(store::Error::Database(error))
            | Self::Outbox(outbox::Error::Database(error))
            | Self::Database(error) => error,
        };
        // Classes 22 and 23: data exceptions and integrity violations; HL: our triggers. The rest (connections,
        // locks, shutdowns) passes.
        database
            .as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| ["22", "23", "HL"].iter().any(|class| code.starts_with(class)))
    }

    /// Whether a commit took effect is not known: the shard is to be acquired anew before anything of it is read.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Fence(fence::Error::Unknown { .. }))
    }

    pub fn is_superseded(&self) -> bool {
        matches!(self, Self::Fence(fence::Error::Superseded { .. }))
    }
}

/// What became of a batch.
#[derive(Debug)]
pub enum Applied {
    /// The lanes that have work now.
    Now(HashSet<Lane>),
    /// The cursor stands there or beyond already: an earlier attempt, whose outcome was unknown, took effect.
    Before,
}

/// Applies a batch in one transaction and moves the cursor to its end.
pub async fn apply(
    shared: &Shared,
    fence: &Fence,
    batch: &[Relevant],
    cursor: helpline_cluster::ids::StreamId,
) -> Result<Applied, Error> {
    // Read before the transaction begins: it would otherwise hold its fence while it waits for a second connection.
    let mut configs = Vec::with_capacity(batch.len());
    for event in batch {
        configs.push(event.config(shared).await?);
    }
    let mut servers: Vec<ServerId> = batch.iter().filter_map(Relevant::of_server).collect();
    servers.sort_unstable();
    servers.dedup();
    let (mut t1, places) = T1::begin(shared, fence, &servers).await?;
    for (event, config) in batch.iter().zip(&configs) {
        if event.of_server().is_none() {
            t1.apply(event, config).await?;
            continue;
        }
        let unknown = Place { lives_on: None, moving: None, waiting: false };
        let place = places.get(&event.server).unwrap_or(&unknown);
        match consumer::step(fence.shard, Item::Event, place) {
            Step::Hold => moving::hold(&mut t1.tx, fence.shard, event.server, &event.entry).await?,
            Step::HandOn(to) => moving::hold(&mut t1.tx, to, event.server, &event.entry).await?,
            Step::Refuse => {
                let (server, shard) = (event.server, fence.shard);
                return Err(fence::Error::ServerElsewhere { server, shard }.into());
            }
            _ => t1.apply(event, config).await?,
        }
    }
    t1.settle().await?;
    if !t1.tx.move_cursor(cursor).await? {
        t1.tx.rollback().await?;
        return Ok(Applied::Before);
    }
    t1.tx.commit().await?;
    t1.configured.into_iter().for_each(|server| shared.configs.forget(server));
    if t1.at_the_desk {
        shared.reception.notify_one();
    }
    Ok(Applied::Now(t1.lanes))
}

/// The transaction of one batch.
pub(super) struct T1 {
    pub(super) tx: FencedTx,
    bot: Option<UserId>,
    locked: HashSet<ServerId>,
    pub(super) lanes: HashSet<Lane>,
    repair: Repair,
    message_content: bool,
    marks: Marks,
    counts: Counts,
    /// Servers whose config it changes.
    configured: Vec<ServerId>,
    /// Who used the bot where.
    seen: BTreeSet<(i64, i64)>,
    /// There is something to do for direct messages of no server.
    at_the_desk: bool,
}

impl T1 {
    /// Begins, and says where the servers stand. Those that live on the shard are locked.
    pub(super) async fn begin(
        shared: &Shared,
        fence: &Fence,
        servers: &[ServerId],
    ) -> Result<(Self, HashMap<ServerId, Place>), Error> {
        let mut tx = FencedTx::begin(&shared.first, fence).await?;
        let places = moving::places(&mut tx, servers).await?;
        let here = places.iter().filter(|(_, place)| place.lives_on == Some(fence.shard));
        let locked = here.map(|(server, _)| *server).collect();
        let t1 = Self {
            tx,
            bot: *shared.identity.borrow(),
            locked,
            lanes: HashSet::new(),
            repair: shared.repair,
            message_content: shared.message_content,
            marks: Marks::default(),
            counts: Counts::default(),
            configured: Vec::new(),
            seen: BTreeSet::new(),
            at_the_desk: false,
        };
        Ok((t1, places))
    }

    /// Writes what was noted of all events; nothing but the cursor comes behind it.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        self.marks.store(&mut self.tx).await?;
        self.store_seen().await?;
        Ok(self.counts.store(&mut self.tx).await?)
    }

    pub(super) async fn apply(&mut self, relevant: &Relevant, config: &ServerConfig) -> Result<(), Error> {
        match &relevant.event {
            Event::Direct(what) => self.arrived(relevant, what).await,
            Event::Message(message) if relevant.direct => {
                self.direct_message(relevant, message, config).await
            }
            Event::Message(message) => self.message(relevant, message, config).await,
            Event::Interaction(interaction) => self.interaction(relevant, interaction, config).await,
            Event::GuildSeen(guild) if guild.unavailable == Some(true) => Ok(()),
            Event::GuildSeen(guild) => self.guild_seen(relevant.server, guild).await,
            Event::GuildGone(guild) if guild.unavailable == Some(true) => Ok(()),
            Event::GuildGone(_) => self.guild_gone(relevant.server).await,
            Event::ThreadOpened(thread) => self.thread_opened(relevant, thread, config).await,
            Event::Edit(message) => self.edited(relevant.server, message, config).await,
            Event::Deleted(messages) => self.deleted(relevant.server, messages, config).await,
        }
    }

    async fn message(
        &mut self,
        relevant: &Relevant,
        message: &Message,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        if !config.enabled {
            return Ok(());
        }
        let server = relevant.server;
        let mentioned = self.bot.is_some_and(|bot| message.mentions.iter().any(|mention| mention.id == bot));
        let known = store::load_by_thread(&mut self.tx, server, message.channel_id).await?;
        let in_support_channel = config.channels.contains(&message.channel_id.0);
        if let Some(known) = known.as_ref().filter(|known| known.direct) {
            return match known.thread == Some(message.channel_id) {
                // It was read again, which tells nothing of its channel.
                true => self.direct_message(relevant, message, config).await,
                false => self.staff_wrote(relevant, message, known.clone(), config).await,
            };
        }
        if known.is_none() && !mentioned && !in_support_channel {
            return Ok(());
        }
        self.marks.note(server, message.channel_id, message.id);
        if !self.is_new(relevant, &format!("message:{}", message.id.0)).await? {
            return Ok(());
        }
        if !relevant.replayed && !self.is_in_time(relevant, message, config).await? {
            return Ok(());
        }
        let text = without_mention(&message.content, self.bot);
        if text.is_empty() {
            return self.hint(server, message, config).await;
        }
        let mut question = Question {
            origin: Origin::Message {
                channel: message.channel_id,
                message: message.id,
                in_thread: known.is_some() || message.position.is_some(),
            },
            author: message.author.id,
            lang: Lang::of_text(&text, config),
            text,
            asked_at: relevant.received_at,
        };
        let conversation = known.unwrap_or_else(|| Conversation::begin(Uuid::new_v4(), &question));
        let own = conversation.user == message.author.id;
        let asked = mentioned || own && !conversation.is_quiet_at(question.asked_at);
        let by_staff = !asked && !own && is_by_staff(message, &conversation, config);
        if let Some(title) = conversation.open_title().filter(|_| asked) {
            question.text = format!("{title}\n{}", question.text);
        }
        // What a human is to answer costs nothing.
        if asked
            && conversation.status != Status::Forwarded
            && !self.may_ask(server, &question, config, false).await?
        {
            return Ok(());
        }
        if asked {
            self.seen(server, message.author.id);
        }
        let command = match asked {
            true => Command::Ask(question),
            false => Command::Overhear { question, by_staff },
        };
        self.run(server, conversation, command, &message.author.username, config).await
    }

    async fn interaction(
        &mut self,
        relevant: &Relevant,
        interaction: &Interaction,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let server = relevant.server;
        if !self.is_new(relevant, &format!("interaction:{}", interaction.id.0)).await? {
            return Ok(());
        }
        if let Some(member) = &interaction.member {
            self.seen(server, member.user.id);
        }
        if is_about_a_message(interaction) {
            return self.ask_about(relevant, interaction, config).await;
        }
        if let Some(command) = used(interaction) {
            return self.command(relevant, interaction, command, config).await;
        }
        let custom_id = interaction.data.as_ref().and_then(|data| data.custom_id.as_deref());
        if interaction.kind == COMPONENT && custom_id.is_some_and(|id| id.starts_with(FORGET)) {
            return self.forget(server, interaction, Lang::of_member(interaction, config)).await;
        }
        if let Some(on) = custom_id.and_then(|id| tickets::read(interaction.kind, id)) {
            return self.on_ticket(relevant, interaction, &on, config).await;
        }
        if let Some(on) = custom_id.and_then(|id| staff::read(interaction.kind, id)) {
            return self.by_staff(relevant, interaction, on, config).await;
        }
        if let Some(on) = custom_id.and_then(|id| knowledge::read(interaction.kind, id)) {
            return self.on_knowledge(relevant, interaction, &on, config).await;
        }
        match (interaction.kind, custom_id.and_then(presses::read)) {
            (COMPONENT, Some(pressed)) => self.pressed(relevant, interaction, &pressed, config).await,
            _ => self.unknown(server, interaction, Lang::of_member(interaction, config)).await,
        }
    }

    async fn run(
        &mut self,
        server: ServerId,
        conversation: Conversation,
        command: Command,
        username: &str,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        self.lock(server).await?;
        let at = command.at();
        let (conversation, actions) = conversation.apply(command);
        let lane = Lane { server, conversation: Some(conversation.id) };
        store::save(&mut self.tx, server, &conversation, username, config.patience()).await?;
        if let Some(at) = at {
            self.counts.note(server, &actions, at);
        }
        self.lanes.extend(store_actions(&mut self.tx, lane, actions).await?);
        Ok(())
    }

    /// Both keys are remembered, so that neither a replay of the session nor a second way in applies it again.
    async fn is_new(&mut self, relevant: &Relevant, key: &str) -> Result<bool, Error> {
        let new = self.tx.remember_events(&[&relevant.entry.origin, key]).await?;
        Ok(new.into_iter().all(|new| new))
    }

    async fn lock(&mut self, server: ServerId) -> Result<(), Error> {
        if self.locked.insert(server) {
            self.tx.lock_server(server).await?;
        }
        Ok(())
    }

    async fn respond(
        &mut self,
        server: ServerId,
        interaction: &Interaction,
        text: String,
    ) -> Result<(), Error> {
        let effect = Effect::Respond {
            interaction: interaction.id,
            token: interaction.token.clone(),
            content: text,
            application: Some(interaction.application_id),
        };
        self.deliver_alone(server, interaction.id.0.to_string(), "respond", effect).await
    }

    /// An effect that belongs to no conversation.
    async fn deliver_alone(
        &mut self,
        server: ServerId,
        event_id: String,
        effect: &'static str,
        request: Effect,
    ) -> Result<(), Error> {
        self.lock(server).await?;
        let lane = Lane { server, conversation: None };
        outbox::add(&mut self.tx, lane, &OutboxKey { event_id, effect, part: 0 }, &request).await?;
        self.lanes.insert(lane);
        Ok(())
    }

    async fn guild_seen(&mut self, server: ServerId, guild: &Guild) -> Result<(), Error> {
        self.lock(server).await?;
        sqlx::query_file!("src/worker/sql/guild_seen.sql", server.db(), guild.name, guild.icon_url())
            .execute(self.tx.conn())
            .await?;
        Ok(())
    }

    async fn guild_gone(&mut self, server: ServerId) -> Result<(), Error> {
        self.lock(server).await?;
        sqlx::query!("update public.servers set active = false where id = $1 and active", server.db())
            .execute(self.tx.conn())
            .await?;
        Ok(())
    }
}

/// Stores what follows from a command. Returns the lanes that have something to do.
pub async fn store_actions(
    tx: &mut FencedTx,
    lane: Lane,
    actions: Vec<Action>,
) -> Result<HashSet<Lane>, Error> {
    let conversation = lane.conversation.expect("actions come from a conversation");
    let mut lanes = HashSet::new();
    for action in actions {
        match action {
            Action::Answer(job) => store::add_job(tx, lane.server, conversation, &job).await?,
            Action::Deliver(key, effect) => {
                let lane = lane_of(lane, &effect);
                outbox::add(tx, lane, &key, &effect).await?;
                lanes.insert(lane);
            }
            Action::OpenTicket(id) => store::tickets::open(tx, lane.server, conversation, id).await?,
            Action::ChangeTicket(ticket) => store::tickets::change(tx, lane.server, &ticket).await?,
            Action::Vote(vote) => store::vote(tx, lane.server, conversation, &vote).await?,
            // Counted at the end of the transaction.
            Action::Resolved { .. } | Action::Unresolved { .. } => {}
        }
        lanes.insert(lane);
    }
    Ok(lanes)
}

/// A private reply is due within 3 s and follows upon nothing: it must not wait behind a message of the conversation
/// that Discord's limits hold back.
fn lane_of(lane: Lane, effect: &Effect) -> Lane {
    match effect {
        Effect::Respond { .. }
        | Effect::AskNotes { .. }
        | Effect::OpenForm { .. }
        | Effect::Panel { .. }
        | Effect::SendData { .. } => Lane { conversation: None, ..lane },
        _ => lane,
    }
}

/// Whether somebody who helps here wrote a message. What was read over REST does not say it, and no message tells what
/// its author may do in the server.
fn is_by_staff(message: &Message, conversation: &Conversation, config: &ServerConfig) -> bool {
    let has_role = config.support_role_id.zip(message.member.as_ref());
    has_role.is_some_and(|(role, member)| member.roles.contains(&RoleId(role)))
        || conversation.has_been_handled_by(message.author.id)
}

/// The text without the mention that addressed the bot.
fn without_mention(text: &str, bot: Option<UserId>) -> String {
    let Some(UserId(bot)) = bot else { return text.trim().to_owned() };
    text.replace(&format!("<@{bot}>"), " ").replace(&format!("<@!{bot}>"), " ").trim().to_owned()
}
