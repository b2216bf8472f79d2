//! Direct messages of members whose server is not known: the owner of shard 0 finds out which servers they share with the
//! bot, and asks where there are several.
//!
//! Discord tells a bot of no member but by asking for him in one server, so those are asked for in which he has used the bot,
//! and all where the bot serves few. Promises: whoever writes hears of it, once, over whatever takeovers, by the same means as
//! the effects of servers ([`resend`]); what he wrote goes to his server with the choice, in one fenced transaction. ADR 35.

mod effects;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use helpline_cluster::claims::Claims;
use helpline_cluster::database::Database;
use helpline_cluster::fence::{Fence, FencedTx};
use helpline_cluster::ids::{ServerId, ShardId};
use tokio_util::sync::CancellationToken;

use super::apply::Error;
use super::{Shared, moving};
use crate::deliver::client::list_of_servers;
use crate::deliver::panel::ReplyTo;
use crate::deliver::{Controls, Effect};
use crate::discord::{ChannelId, MessageId, UserId};
use crate::texts::{Lang, say};
pub use effects::add;

/// Its owner keeps the reception: Discord's events without a server go to it.
const HERE: ShardId = ShardId(0);
/// What is to be done is noticed at once where it came from, and everywhere else so late at the most.
const EVERY: Duration = Duration::from_secs(1);
/// Members that are looked up side by side, and servers that one of them is asked for in.
const AT_ONCE: usize = 8;
/// What one list holds: Discord takes no more options.
const SERVERS_AT_MOST: i64 = 25;
/// How long one member may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(15);

/// A member whose server is to be found out.
struct Due {
    user: UserId,
    channel: ChannelId,
    /// Because of which message or interaction.
    event: MessageId,
    lang: Lang,
    reply_to: Option<ReplyTo>,
}

/// A server, and what it is called.
type Named = (ServerId, String);

/// What was found out.
enum Found {
    /// He has chosen it before, or there is no other.
    One(Named),
    Several(Vec<Named>),
    None,
}

/// Receives members, and carries out what is for them, until cancelled.
pub async fn run(shared: Arc<Shared>, claims: Claims, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = shared.reception.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        let Some(fence) = claims.running().into_iter().find(|fence| fence.shard == HERE) else { continue };
        let work = async {
            look(&shared, &fence).await?;
            effects::carry_out(&shared, &fence).await
        };
        match cancel.run_until_cancelled(work).await {
            Some(Err(error)) if !error.is_superseded() && !error.is_unknown() => {
                tracing::warn!(%error, "receiving direct messages; tried again");
            }
            Some(_) => {}
            None => return,
        }
    }
}

async fn look(shared: &Shared, fence: &Fence) -> Result<(), Error> {
    let found = futures_util::stream::iter(due(&shared.pool).await?).map(|due| async move {
        match tokio::time::timeout(PATIENCE, receive(shared, fence, &due)).await {
            Ok(done) => done,
            Err(_) => Ok(()),
        }
    });
    let done: Vec<Result<(), Error>> = found.buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

async fn due(database: &Database) -> Result<Vec<Due>, Error> {
    let rows =
        sqlx::query_file!("src/worker/sql/dm_due.sql").fetch_all(database.read().await?.conn()).await?;
    let due = rows.into_iter().map(|row| Due {
        user: UserId(row.user_id.cast_unsigned()),
        channel: ChannelId(row.channel_id.cast_unsigned()),
        event: MessageId(row.event_id.cast_unsigned()),
        lang: Lang::of_tag(&row.lang).unwrap_or_default(),
        reply_to: row.reply_to.and_then(|json| serde_json::from_value(json).ok()),
    });
    Ok(due.collect())
}

async fn receive(shared: &Shared, fence: &Fence, due: &Due) -> Result<(), Error> {
    let found = match find(shared, fence, due).await? {
        Ok(found) => found,
        // He stays where he is.
        Err(reason) => {
            tracing::debug!(reason, "asking in which servers a member is");
            return Ok(());
        }
    };
    let mut tx = FencedTx::begin(&shared.pool, fence).await?;
    let (user, event) = (due.user.0.cast_signed(), due.event.0.cast_signed());
    let still =
        sqlx::query_file!("src/worker/sql/dm_still_due.sql", user, event).fetch_optional(tx.conn()).await?;
    if still.is_none() {
        return Ok(tx.rollback().await?);
    }
    if let Some((name, effect)) = due.told_of(&found) {
        add(&mut tx, due.user, &due.event.0.to_string(), name, &effect).await?;
    }
    match found {
        Found::One((server, _)) => {
            let shard = sqlx::query_scalar!(
                "select shard_id from public.server_shards where server_id = $1 for share",
                server.db()
            )
            .fetch_one(tx.conn())
            .await?;
            choose(&mut tx, due.user, due.channel, (server, ShardId::from_db(shard))).await?;
            settle(&mut tx, due.user, "chosen", Some(&[server])).await?;
        }
        Found::Several(servers) => {
            let offered: Vec<ServerId> = servers.into_iter().map(|(server, _)| server).collect();
            settle(&mut tx, due.user, "asked", Some(&offered)).await?;
        }
        Found::None => {
            sqlx::query!("delete from helpline.dm_waiting where user_id = $1", user)
                .execute(tx.conn())
                .await?;
            settle(&mut tx, due.user, "told", Some(&[])).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// The inner error: Discord does not say it now.
async fn find(shared: &Shared, fence: &Fence, due: &Due) -> Result<Result<Found, String>, Error> {
    let user = due.user.0.cast_signed();
    let mut read = shared.pool.read().await?;
    let chosen =
        sqlx::query_file!("src/worker/sql/dm_of_route.sql", user).fetch_optional(read.conn()).await?;
    let rows = sqlx::query_file!("src/worker/sql/dm_candidates.sql", user, SERVERS_AT_MOST)
        .fetch_all(read.conn())
        .await?;
    drop(read);
    let client = &shared.client;
    // Whoever has left the server, or was sent away, chooses anew.
    if let Some(row) = chosen.filter(|_| due.reply_to.is_none()) {
        let server = ServerId::from_db(row.server_id);
        match client.is_member(fence, server, due.user).await {
            Ok(true) => return Ok(Ok(Found::One((server, row.name)))),
            Ok(false) => {}
            Err(reason) => return Ok(Err(reason)),
        }
    }
    let asked = futures_util::stream::iter(rows).map(|row| async move {
        let server = ServerId::from_db(row.server_id);
        client.is_member(fence, server, due.user).await.map(|is| is.then_some((server, row.name)))
    });
    let answers: Vec<Result<Option<Named>, String>> = asked.buffered(AT_ONCE).collect().await;
    let mut servers = Vec::new();
    for answer in answers {
        match answer {
            Ok(server) => servers.extend(server),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(match servers.len() {
        0 => Found::None,
        1 => Found::One(servers.remove(0)),
        _ => Found::Several(servers),
    }))
}

impl Due {
    /// What he is told, and what it is called.
    fn told_of(&self, found: &Found) -> Option<(&'static str, Effect)> {
        let lang = self.lang;
        let content = match found {
            Found::One((_, name)) => say!(lang, "dm-only", server = shown(name)),
            Found::Several(_) => say!(lang, "dm-choose"),
            Found::None => say!(lang, "dm-no-server"),
        };
        let listed = |servers: &[Named]| -> Vec<(String, String)> {
            servers.iter().map(|(server, name)| (server.get().to_string(), name.clone())).collect()
        };
        if let Some(to) = &self.reply_to {
            let components = match found {
                Found::Several(servers) => list_of_servers(&listed(servers), lang, "list"),
                Found::One(_) | Found::None => serde_json::json!([]),
            };
            let (interaction, token) = (to.interaction, to.token.clone());
            let (application, on_message) = (to.application, to.update);
            let panel = Effect::Panel { interaction, token, application, on_message, content, components };
            return Some(("respond", panel));
        }
        let (channel, reply_to) = (self.channel, self.event);
        match found {
            // His question is answered, and that says it all.
            Found::One(_) => None,
            Found::Several(servers) => {
                Some(("choose", Effect::ChooseServer { channel, servers: listed(servers), reply_to, lang }))
            }
            Found::None => Some((
                "no_server",
                Effect::Post {
                    channel,
                    content,
                    reply_to: Some(reply_to),
                    controls: Controls::None,
                    ping_role: None,
                    ping_user: None,
                    fallback: None,
                    asked_at_ms: None,
                    lang,
                },
            )),
        }
    }
}

/// A server's name within a sentence.
pub fn shown(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !c.is_control() && !"*_`~|<>@[]()".contains(*c)).collect();
    plain.trim().chars().take(100).collect()
}

/// A member's direct messages go to this server from now on, and first what has waited. Its row in `server_shards` is locked.
pub async fn choose(
    tx: &mut FencedTx,
    user: UserId,
    channel: ChannelId,
    (server, shard): (ServerId, ShardId),
) -> Result<(), Error> {
    let user = user.0.cast_signed();
    sqlx::query_file!("src/worker/sql/dm_choose.sql", user, server.db(), channel.0.cast_signed())
        .execute(tx.conn())
        .await?;
    let released = sqlx::query_file!("src/worker/sql/dm_release.sql", user, shard.db(), server.db())
        .execute(tx.conn())
        .await?;
    if released.rows_affected() > 0 {
        moving::notify(tx, Some(shard)).await?;
    }
    Ok(())
}

/// Notes how it stands with a member. `offered` none: as it was.
pub async fn settle(
    tx: &mut FencedTx,
    user: UserId,
    state: &str,
    offered: Option<&[ServerId]>,
) -> Result<(), Error> {
    let offered: Option<Vec<i64>> = offered.map(|servers| servers.iter().map(|it| it.db()).collect());
    sqlx::query_file!("src/worker/sql/dm_settled.sql", user.0.cast_signed(), state, offered.as_deref())
        .execute(tx.conn())
        .await?;
    Ok(())
}
