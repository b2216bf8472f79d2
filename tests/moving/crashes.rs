//! Moves while somebody dies, at every point that matters.

use helpline_cluster::ids::ShardId;
use helpline_sim::matching::QuestionId;
use helpline_sim::{Config, RouteLimits};

use crate::harness::{Process, Town};
use crate::record::{
    assert_answered_once, begin, keep_from_leaving, let_go, moved_in_is_written, moved_out_is_written,
    number, owner, plan, something_is_held, until,
};
use crate::support::eventually;

const QUESTION: &str = "how do I restore a backup?";

/// Two workers, and server 0 on a shard of the first; where it is to go belongs to the second.
pub struct Scene {
    pub town: Town,
    pub old: Option<Process>,
    pub new: Option<Process>,
    pub from: ShardId,
    pub to: ShardId,
    asked: Vec<QuestionId>,
}

impl Scene {
    pub async fn new() -> Self {
        let town = Town::with(Config {
            servers: 1,
            rest_global_per_s: None,
            route_limits: RouteLimits::off(),
            ..Config::default()
        })
        .await;
        begin(&town).await;
        let (first, second) = (town.worker_named("first"), town.worker_named("second"));
        eventually("the shards are shared out", async || {
            let shares = "select count(distinct owner) from helpline.shard_fences where owner is not null";
            (town.count(shares).await == 2).then_some(())
        })
        .await;
        let from = town.shard_of(0).await;
        let of_from = owner(&town, from).await;
        let mut to = ShardId(1);
        while owner(&town, to).await == of_from {
            to = ShardId(to.0 + 1);
        }
        let (old, new) = if of_from == "first" { (first, second) } else { (second, first) };
        let asked = vec![town.ask(0, QUESTION)];
        town.answer(asked[0]).await;
        Self { town, old: Some(old), new: Some(new), from, to, asked }
    }

    fn ask(&mut self) {
        self.asked.push(self.town.ask(0, QUESTION));
    }

    async fn assert_well(&self, id: i64) {
        until(&self.town, id, "done").await;
        assert_eq!(self.town.shard_of(0).await, self.to);
        assert_answered_once(&self.town, 0, &self.asked).await;
    }
}

#[tokio::test]
async fn the_old_owner_dies_before_it_has_applied_moved_out() {
    let mut scene = Scene::new().await;
    let holder = keep_from_leaving(&scene.town, 0).await;
    let id = plan(&scene.town, 0, scene.to).await;
    scene.ask();
    moved_out_is_written(&scene.town, scene.from).await;
    scene.ask();
    something_is_held(&scene.town).await;
    drop(scene.old.take());
    assert_eq!(crate::record::state(&scene.town, id).await, "planned");
    let_go(holder).await;
    scene.old = Some(scene.town.worker_named("next"));
    scene.ask();
    scene.assert_well(id).await;
}

#[tokio::test]
async fn the_old_owner_dies_after_it_has_applied_moved_out() {
    let mut scene = Scene::new().await;
    scene.ask();
    let id = plan(&scene.town, 0, scene.to).await;
    scene.ask();
    until_left(&scene.town, id).await;
    drop(scene.old.take());
    scene.ask();
    scene.old = Some(scene.town.worker_named("next"));
    scene.assert_well(id).await;
}

async fn until_left(town: &Town, id: i64) {
    eventually("the server has left", async || {
        (crate::record::state(town, id).await != "planned").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_new_owner_dies_while_it_holds_events() {
    let mut scene = Scene::new().await;
    let holder = keep_from_leaving(&scene.town, 0).await;
    let id = plan(&scene.town, 0, scene.to).await;
    moved_out_is_written(&scene.town, scene.from).await;
    for _ in 0..3 {
        scene.ask();
    }
    something_is_held(&scene.town).await;
    drop(scene.new.take());
    scene.ask();
    scene.new = Some(scene.town.worker_named("next"));
    let_go(holder).await;
    scene.ask();
    scene.assert_well(id).await;
}

#[tokio::test]
async fn the_proxy_dies_between_the_two_markers() {
    for _ in 0..5 {
        let mut scene = Scene::new().await;
        // The new stream takes nothing: the proxy cannot get to the second marker.
        let mut redis = scene.town.redis.connection().await;
        let _: i64 = redis::cmd("DEL")
            .arg(scene.town.keys.incarnation(scene.to))
            .query_async(&mut redis)
            .await
            .expect("del");
        let id = plan(&scene.town, 0, scene.to).await;
        scene.ask();
        moved_out_is_written(&scene.town, scene.from).await;
        let proxy = scene.town.proxy.take();
        drop(proxy);
        // The new stream's owner has begun it anew meanwhile: this was not the moment.
        let between =
            crate::record::entries(&scene.town, scene.to, helpline_cluster::consumer::MOVED_IN).await == 0;
        scene.ask();
        scene.town.replace_proxy().await;
        // They find the new proxy at its own address.
        let (old, new) = (scene.town.worker_named("third"), scene.town.worker_named("fourth"));
        drop((scene.old.replace(old), scene.new.replace(new)));
        scene.ask();
        scene.assert_well(id).await;
        if between {
            return;
        }
    }
    panic!("the proxy never died between the markers");
}

#[tokio::test]
async fn redis_loses_everything_while_a_server_moves() {
    let mut scene = Scene::new().await;
    let holder = keep_from_leaving(&scene.town, 0).await;
    let id = plan(&scene.town, 0, scene.to).await;
    moved_in_is_written(&scene.town, scene.to).await;
    scene.ask();
    something_is_held(&scene.town).await;
    // Of what is lost with Redis the marker is looked at here: the events before it are applied already.
    wipe(&scene.town).await;
    drop(scene.old.take());
    let_go(holder).await;
    scene.old = Some(scene.town.worker_named("next"));
    until(&scene.town, id, "done").await;
    scene.ask();
    scene.assert_well(id).await;
}

async fn wipe(town: &Town) {
    let mut redis = town.redis.connection().await;
    let pattern = format!("{}*", town.redis.prefix);
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut redis).await.expect("keys");
    let _: i64 = redis::cmd("DEL").arg(keys).query_async(&mut redis).await.expect("del");
}

#[tokio::test]
async fn an_answer_under_way_at_the_move_is_given_once_by_the_new_shard() {
    let mut scene = Scene::new().await;
    // Discord is slow: the answer of this question is on its way when the server leaves.
    scene.town.sim.fail_next(None, 3, helpline_sim::Fault::Status(503));
    scene.ask();
    eventually("the question is applied", async || {
        (crate::record::applied(&scene.town, 0).await.last() == scene.asked.last().map(number).as_ref())
            .then_some(())
    })
    .await;
    let id = plan(&scene.town, 0, scene.to).await;
    scene.assert_well(id).await;
}
