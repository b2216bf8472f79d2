//! First replies that no worker has given in time, after `src/proxy/defer.rs`. Who waits, when each is due and how old it
//! is says the product's `defer::waiting`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use helpline::first_reply::FirstReply;
use helpline::proxy::defer::waiting::{Ages, DEADLINE, Pending, Waiting};
use helpline_cluster::clock::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::discord::{Event, Reply, Request, snowflake};
use crate::engine::{Host, race};
use crate::mutation::Mutation;
use crate::node::{Node, World};

const ATTEMPT: Duration = Duration::from_millis(900);
const RETRY_AFTER: Duration = Duration::from_millis(50);
const AT_ONCE: usize = 256;

/// The interactions of one proxy that wait for their first reply.
pub struct Deferrals {
    state: RefCell<(Waiting, Ages)>,
    news: Notify,
}

/// Begins with a process.
pub fn start(node: &Node) {
    let state = RefCell::new((Waiting::new(1_000), Ages::default()));
    let deferrals = Rc::new(Deferrals { state, news: Notify::new() });
    node.world.deferrals.borrow_mut().insert(node.host(), Rc::clone(&deferrals));
    if !node.world.is(Mutation::NoDeferral) {
        node.spawn(run(node.clone(), deferrals));
    }
}

fn now(node: &Node) -> Instant {
    node.world.engine.clock(node.host()).now()
}

/// Notes an interaction. `replayed`: a resume brought it again.
pub fn arrived(node: &Node, event: &Event, replayed: bool) {
    let Some(deferrals) = node.world.deferrals.borrow().get(&node.host()).cloned() else { return };
    let now = now(node);
    let (waiting, ages) = &mut *deferrals.state.borrow_mut();
    let age = ages.of(snowflake(event), replayed, node.world.engine.clock(node.host()).unix_ms());
    let since = now.checked_sub(age).unwrap_or(now);
    let (id, token) = (event.id, format!("token-{}", event.id));
    waiting.arrived(Pending { id, token, reply: FirstReply::Public, since }, now);
    deferrals.news.notify_one();
}

/// A worker's callback was taken by Discord, or an earlier one had been.
pub fn acknowledged(world: &World, proxy: Host, interaction: u64) {
    if let Some(deferrals) = world.deferrals.borrow().get(&proxy) {
        deferrals.state.borrow_mut().0.ended(interaction);
    }
}

async fn run(node: Node, deferrals: Rc<Deferrals>) {
    loop {
        let (due, next) = {
            let waiting = &mut deferrals.state.borrow_mut().0;
            (waiting.due(now(&node), AT_ONCE), waiting.next_due())
        };
        for pending in due {
            node.spawn(defer(node.clone(), Rc::clone(&deferrals), pending));
        }
        let until = next.map_or(Duration::from_secs(10), |at| at.saturating_duration_since(now(&node)));
        // A moment more, so that it is due then whatever is lost in rounding.
        race(deferrals.news.notified(), node.sleep(until + Duration::from_micros(10))).await;
    }
}

/// Repeated while there is time: an attempt that took effect unseen answers that it had been acknowledged.
async fn defer(node: Node, deferrals: Rc<Deferrals>, pending: Pending) {
    loop {
        let left = (pending.since + DEADLINE).saturating_duration_since(now(&node));
        if left.is_zero() || !deferrals.state.borrow().0.contains(pending.id) {
            break;
        }
        let discord = Rc::clone(&node.world.discord);
        let asked = Request::Callback { interaction: pending.id };
        let calling = node
            .world
            .network
            .call(node.host(), Host::Discord, ATTEMPT.min(left), move || discord.request(asked));
        match calling.await {
            Ok(Reply::Ok(_)) => {
                node.world.checker.count("interactions deferred by a proxy");
                break;
            }
            Ok(Reply::Already | Reply::Refused) => break,
            Err(_) => node.sleep(RETRY_AFTER).await,
        }
    }
    deferrals.state.borrow_mut().0.ended(pending.id);
}
