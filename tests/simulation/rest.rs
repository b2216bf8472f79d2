//! Effects carried out through a proxy's REST side, after `src/deliver/client.rs`, `src/proxy/egress.rs` and `epochs.rs`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use helpline::deliver::Effect;
use helpline::deliver::client::Outcome;
use helpline::discord::{ChannelId, MessageId};
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{Epoch, ShardId};

use crate::discord::{Reply, Request};
use crate::engine::Host;
use crate::node::Node;
use crate::store::Fail;

/// The highest epoch of each shard that a proxy has seen.
pub type Known = BTreeMap<(Host, ShardId), i64>;

const PATIENCE: Duration = Duration::from_secs(8);

/// How long Redis may take: the request holds a place in Discord's limits.
const ASK_REDIS: Duration = Duration::from_millis(250);

enum Sent {
    Reply(Reply),
    Again,
    /// 409: this epoch stands.
    Superseded(i64),
}

/// Carries one effect out. `thread` is the conversation's thread as known now.
///
/// # Errors
/// None at present; the callers' other steps fail alike.
pub async fn carry_out(
    node: &Node,
    fence: &Fence,
    effect: &Effect,
    nonce: &str,
    thread: Option<ChannelId>,
) -> Result<Outcome, Fail> {
    let post = |channel: ChannelId, content: &str| Request::Post {
        channel,
        content: content.to_owned(),
        nonce: nonce.to_owned(),
    };
    match effect {
        Effect::StartThread { message, .. } => start_thread(node, fence, *message).await,
        Effect::Post { channel, content, fallback, .. } => {
            match (plain(node, fence, post(*channel, content)).await?, fallback) {
                (Outcome::GiveUp { .. }, Some((other, _))) if other != channel => {
                    plain(node, fence, post(*other, content)).await
                }
                (outcome, _) => Ok(outcome),
            }
        }
        Effect::Defer { interaction, .. } | Effect::Respond { interaction, .. } => {
            plain(node, fence, Request::Callback { interaction: interaction.0 }).await
        }
        Effect::EditOriginal { token, content, channel, .. } => {
            let edit = Request::PatchOriginal { token: token.clone(), content: content.clone() };
            match plain(node, fence, edit).await? {
                Outcome::GiveUp { .. } => plain(node, fence, post(*channel, content)).await,
                done => Ok(done),
            }
        }
        Effect::StartThreadOnOriginal { token, .. } => {
            match plain(node, fence, Request::GetOriginal { token: token.clone() }).await? {
                Outcome::Done { message: Some(message), .. } => start_thread(node, fence, message).await,
                Outcome::Done { message: None, .. } => give_up("the reply has no id"),
                other => Ok(other),
            }
        }
        Effect::PostInThread { content, channel, .. } => {
            plain(node, fence, post(thread.unwrap_or(*channel), content)).await
        }
    }
}

async fn start_thread(node: &Node, fence: &Fence, message: MessageId) -> Result<Outcome, Fail> {
    match plain(node, fence, Request::StartThread { message }).await? {
        Outcome::Done { .. } => Ok(Outcome::Done { message: None, thread: Some(message.thread()) }),
        other => Ok(other),
    }
}

async fn plain(node: &Node, fence: &Fence, request: Request) -> Result<Outcome, Fail> {
    match send(node, fence, request).await {
        Sent::Reply(Reply::Ok(message)) => Ok(Outcome::Done { message, thread: None }),
        Sent::Reply(Reply::Already) => Ok(Outcome::Done { message: None, thread: None }),
        Sent::Reply(Reply::Refused) => give_up("Discord refused it"),
        Sent::Again => Ok(Outcome::Again { after: None, reason: String::new() }),
        Sent::Superseded(stands) => Ok(Outcome::Superseded { stands: Epoch(stands) }),
    }
}

fn give_up(reason: &str) -> Result<Outcome, Fail> {
    Ok(Outcome::GiveUp { reason: reason.to_owned() })
}

/// Through any of the proxies, as their service address leads.
async fn send(node: &Node, fence: &Fence, request: Request) -> Sent {
    let world = &node.world;
    let chosen = u8::try_from(world.engine.below(u64::from(world.proxies))).expect("few proxies");
    let proxy = Host::Proxy(chosen);
    let (at_proxy, shard, epoch) = (Rc::clone(world), fence.shard, fence.epoch.0);
    let serving = async move {
        let asked = Rc::clone(&at_proxy.redis);
        let asking = at_proxy.network.call(proxy, Host::Redis, ASK_REDIS, move || asked.shard_epoch(shard));
        // Redis away, or without it: what is remembered decides.
        let in_redis = asking.await.ok().flatten().unwrap_or(epoch);
        let known = {
            let mut known = at_proxy.egress.borrow_mut();
            let known = known.entry((proxy, shard)).or_insert(epoch);
            *known = in_redis.max(epoch).max(*known);
            *known
        };
        if known > epoch {
            return Sent::Superseded(known);
        }
        let discord = Rc::clone(&at_proxy.discord);
        let asking = at_proxy.network.call(proxy, Host::Discord, PATIENCE, move || discord.request(request));
        match asking.await {
            Ok(reply) => Sent::Reply(reply),
            Err(_) => Sent::Again,
        }
    };
    world
        .network
        .call_async(node.host(), proxy, PATIENCE + PATIENCE / 4, serving)
        .await
        .unwrap_or(Sent::Again)
}
