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
use crate::engine::{Host, Micros, SECOND};
use crate::node::Node;
use crate::proxy;

/// The highest epoch of each shard that a proxy has seen.
pub type Known = BTreeMap<(Host, ShardId), i64>;

/// How long the worker waits for the proxy, and the proxy for Discord.
const PATIENCE: Duration = Duration::from_secs(8);
/// No request reaches Discord later than this after it was made: the proxy drops what its client has given up, and the
/// network may hold the rest up for some seconds more.
pub const LONGEST_ATTEMPT: Micros = 14 * SECOND;
/// How long Redis may take: the request holds a place in Discord's limits.
const ASK_REDIS: Duration = Duration::from_millis(250);

enum Sent {
    Reply(Reply),
    Again,
    /// 409: this epoch stands.
    Superseded(i64),
}

/// Who asks, and what makes a repetition harmless.
#[derive(Clone, Copy)]
pub struct To<'a> {
    pub node: &'a Node,
    pub fence: &'a Fence,
    pub nonce: &'a str,
    pub mark: &'a str,
}

/// Carries one effect out. `thread` is the conversation's thread as noted now.
pub async fn carry_out(to: To<'_>, effect: &Effect, thread: Option<ChannelId>) -> Outcome {
    let post = |channel: ChannelId, content: &str| Request::Post {
        channel,
        content: content.to_owned(),
        nonce: to.nonce.to_owned(),
        mark: to.mark.to_owned(),
    };
    match effect {
        Effect::StartThread { message, .. } => start_thread(to, *message).await,
        Effect::Post { channel, content, fallback, .. } => {
            match (plain(to, post(*channel, content)).await, fallback) {
                (Outcome::GiveUp { .. }, Some((other, _))) if other != channel => {
                    plain(to, post(*other, content)).await
                }
                (outcome, _) => outcome,
            }
        }
        Effect::Defer { interaction, .. }
        | Effect::Respond { interaction, .. }
        | Effect::AskNotes { interaction, .. }
        | Effect::OpenForm { interaction, .. }
        | Effect::Panel { interaction, .. }
        | Effect::FillForm { interaction, .. }
        | Effect::SuggestAnswer { interaction, .. }
        | Effect::Transcript { interaction, .. }
        | Effect::Suggest { interaction, .. } => {
            plain(to, Request::Callback { interaction: interaction.0 }).await
        }
        Effect::ShowPanel { to: reply, .. } => {
            plain(to, Request::Callback { interaction: reply.interaction.0 }).await
        }
        Effect::Knowledge { .. } => give_up("nobody brings documents here"),
        Effect::ShowTicket { .. } | Effect::Edit { .. } | Effect::SendData { .. } => {
            give_up("nobody works on tickets here")
        }
        Effect::Notice { .. } | Effect::Archive { .. } | Effect::TellServer { .. } => {
            give_up("nobody falls silent here")
        }
        Effect::OpenStaffThread {}
        | Effect::PostToStaff { .. }
        | Effect::Relay { .. }
        | Effect::ChooseServer { .. } => give_up("nobody writes directly here"),
        Effect::Whisper { .. } | Effect::Replace { .. } => give_up("nobody asks too much, or edits, here"),
        Effect::EditOriginal { token, content, channel, .. } => {
            let edit = Request::PatchOriginal {
                token: token.clone(),
                content: content.clone(),
                channel: *channel,
                mark: to.mark.to_owned(),
            };
            match plain(to, edit).await {
                Outcome::GiveUp { .. } => plain(to, post(*channel, content)).await,
                done => done,
            }
        }
        Effect::StartThreadOnOriginal { .. } => match thread {
            Some(thread) => start_thread(to, thread.starter()).await,
            None => give_up("the message of the thread is not known"),
        },
        Effect::PostInThread { content, channel, .. } => {
            let first = thread.unwrap_or(*channel);
            match plain(to, post(first, content)).await {
                Outcome::GiveUp { .. } if first != *channel => plain(to, post(*channel, content)).await,
                outcome => outcome,
            }
        }
    }
}

/// Looks wherever an earlier attempt may have said it.
pub async fn look(to: To<'_>, effect: &Effect, thread: Option<ChannelId>) -> Outcome {
    let places: Vec<ChannelId> = match effect {
        Effect::Post { channel, fallback, .. } => {
            [Some(*channel), fallback.map(|(channel, _)| channel)].into_iter().flatten().collect()
        }
        Effect::PostInThread { channel, .. } => thread.into_iter().chain([*channel]).collect(),
        Effect::EditOriginal { channel, .. } => vec![*channel],
        _ => Vec::new(),
    };
    to.node.world.checker.count("looks before resending");
    for channel in places {
        match plain(to, Request::Look { channel, mark: to.mark.to_owned() }).await {
            Outcome::Done { message: None, .. } => {}
            other => return other,
        }
    }
    Outcome::NotThere
}

/// The reply to an interaction.
pub async fn reply_to(to: To<'_>, token: &str) -> Outcome {
    match plain(to, Request::GetOriginal { token: token.to_owned() }).await {
        Outcome::Done { message: None } => give_up("the reply has no id"),
        other => other,
    }
}

async fn start_thread(to: To<'_>, message: MessageId) -> Outcome {
    match plain(to, Request::StartThread { message }).await {
        Outcome::Done { .. } => Outcome::Done { message: None },
        other => other,
    }
}

async fn plain(to: To<'_>, request: Request) -> Outcome {
    match send(to.node, to.fence, request).await {
        Sent::Reply(Reply::Ok(message)) => Outcome::Done { message },
        Sent::Reply(Reply::Already) => Outcome::Done { message: None },
        Sent::Reply(Reply::Refused) => give_up("Discord refused it"),
        Sent::Again => Outcome::Again { after: None, reason: String::new() },
        Sent::Superseded(stands) => Outcome::Superseded { stands: Epoch(stands) },
    }
}

fn give_up(reason: &str) -> Outcome {
    Outcome::GiveUp { reason: reason.to_owned() }
}

/// Through any of the proxies, as their service address leads.
async fn send(node: &Node, fence: &Fence, request: Request) -> Sent {
    let world = &node.world;
    let chosen = u8::try_from(world.engine.below(u64::from(world.proxies))).expect("few proxies");
    let proxy = Host::Proxy(chosen);
    let (at_proxy, shard, epoch) = (Rc::clone(world), fence.shard, fence.epoch.0);
    let given_up_at = world.engine.now() + 8 * SECOND;
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
        if at_proxy.engine.now() > given_up_at {
            // Its client has closed the connection.
            return Sent::Again;
        }
        let acknowledges =
            if let Request::Callback { interaction } = request { Some(interaction) } else { None };
        let discord = Rc::clone(&at_proxy.discord);
        let asking = at_proxy.network.call(proxy, Host::Discord, PATIENCE, move || discord.request(request));
        match asking.await {
            Ok(reply) => {
                if let Some(interaction) = acknowledges.filter(|_| reply != Reply::Refused) {
                    proxy::defer::acknowledged(&at_proxy, proxy, interaction);
                }
                Sent::Reply(reply)
            }
            Err(_) => Sent::Again,
        }
    };
    world.network.call_async(node.host(), proxy, PATIENCE, serving).await.unwrap_or(Sent::Again)
}
