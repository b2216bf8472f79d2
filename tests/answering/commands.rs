//! `/config`, used by admins of the simulated Discord: who may, what each subcommand changes and says, and what happens
//! when it comes twice, at the same time, broken, or from elsewhere.

use std::time::Duration;

use helpline_sim::ids::{InteractionId, UserId};
use helpline_sim::matching::QuestionId;
use helpline_sim::{Config, Permissions, Phase, Target};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::harness::Town;
use crate::support::{eventually, run};

/// The simulator waits longer for the first reply than Discord, so that a slow machine fails nothing.
async fn town() -> Town {
    let config = Config { servers: 2, interaction_deadline: Duration::from_secs(60), ..Config::default() };
    let town = Town::with(config).await;
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"config".to_owned()).then_some(())
    })
    .await;
    town
}

fn admin(town: &Town) -> UserId {
    town.server(0).staff[0]
}

/// An admin of the first server uses `/config`, in the support channel.
fn begin(town: &Town, subcommand: &str, options: &[(&str, Value)]) -> InteractionId {
    let channel = town.server(0).support_channel;
    let used = town.sim.slash(channel, admin(town), &format!("config {subcommand}"), options);
    used.expect("the command is offered")
}

/// What is said, to whoever used the command alone.
async fn reply(town: &Town, interaction: InteractionId) -> String {
    let answer = town.answer(QuestionId::Interaction(interaction)).await;
    assert!(answer.ephemeral, "everybody reads {}", answer.content);
    assert!(answer.pinged.roles.is_empty() && answer.pinged.users.is_empty(), "{}", answer.content);
    answer.content
}

async fn config(town: &Town, subcommand: &str, options: &[(&str, Value)]) -> String {
    reply(town, begin(town, subcommand, options)).await
}

/// What is stored for the first server, as Postgres writes it.
async fn stored(town: &Town) -> String {
    sqlx::query_scalar("select config::text from servers where id = $1")
        .bind(town.server(0).id.get().cast_signed())
        .fetch_one(&town.db.pool)
        .await
        .expect("the server is there")
}

async fn value(town: &Town, key: &str) -> Value {
    serde_json::from_str::<Value>(&stored(town).await).expect("it can be read")[key].clone()
}

async fn version(town: &Town) -> i64 {
    sqlx::query_scalar("select config_version from servers where id = $1")
        .bind(town.server(0).id.get().cast_signed())
        .fetch_one(&town.db.pool)
        .await
        .expect("the server is there")
}

fn set_to(key: &str, value: &str) -> [(&'static str, Value); 2] {
    [("key", json!(key)), ("value", json!(value))]
}

/// A statement on the first server's row, past the product.
async fn change(town: &Town, set: &str) {
    let id = town.server(0).id.get();
    run(&town.db.pool, format!("update servers set config = {set} where id = {id}")).await;
}

/// The server's admins offer the command to everybody, as they can in its settings.
async fn offer_to_everybody(town: &Town) {
    let http = reqwest::Client::new();
    let request = |method: reqwest::Method, path: &str| {
        http.request(method, format!("{}/api/v10{path}", town.sim.rest_base()))
            .header("authorization", format!("Bot {}", town.sim.token()))
            .header("user-agent", "DiscordBot (https://helpline.example, 1)")
    };
    let path = format!("/applications/{}/commands", town.sim.config().bot.get());
    let listed = request(reqwest::Method::GET, &path).send().await.expect("the simulator answers");
    let listed: Vec<Value> = listed.json().await.expect("a list");
    let mut command = listed.into_iter().find(|command| command["name"] == "config").expect("it is there");
    command["default_member_permissions"] = Value::Null;
    let changed = request(reqwest::Method::POST, &path).json(&command).send().await.expect("an answer");
    assert!(changed.status().is_success(), "{}", changed.text().await.unwrap_or_default());
}

async fn choices(town: &Town, interaction: InteractionId) -> Value {
    eventually("choices are offered", async || town.sim.choices(interaction)).await
}

#[tokio::test]
async fn whoever_does_not_manage_the_server_is_told_privately_what_he_lacks() {
    let town = town().await;
    let _worker = town.worker();
    let before = stored(&town).await;
    let (channel, member) = (town.server(0).support_channel, town.member(0));
    let off = set_to("enabled", "false");
    town.sim.slash(channel, member, "config set", &off).expect_err("it is not offered to members");
    offer_to_everybody(&town).await;
    let used = town.sim.slash(channel, member, "config set", &off).expect("it is offered now");
    let told = reply(&town, used).await;
    assert!(told.contains("**Manage Server**"), "{told}");
    let typing = town.sim.autocomplete(channel, member, "config set", &off, "value").expect("he may type");
    assert_eq!(choices(&town, typing).await, json!([]), "they would tell what is set");
    let shown = town.sim.slash(channel, member, "config show", &[]).expect("it is offered");
    assert!(reply(&town, shown).await.contains("Manage Server"));
    assert_eq!(stored(&town).await, before);
}

#[tokio::test]
async fn every_subcommand_changes_what_it_names_and_says_what_follows() {
    let town = town().await;
    let _worker = town.worker();
    let server = town.server(0);
    let shown = config(&town, "show", &[]).await;
    for part in
        ["`enabled`: `true`", &format!("<#{}>", server.support_channel.get()), "`max_text_length`: `2000`"]
    {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let said = config(&town, "set", &set_to("max_text_length", "500")).await;
    assert!(said.contains("`2000` (default) → `500`\nI read questions of up to 500 characters."), "{said}");
    assert_eq!(value(&town, "max_text_length").await, 500);
    let said = config(&town, "set", &set_to("max_text_length", "very")).await;
    assert!(said.contains("a whole number of at least 1"), "{said}");
    let said = config(&town, "reset", &[("key", json!("max_text_length"))]).await;
    assert!(said.contains("`500` → `2000`"), "{said}");
    assert_eq!(value(&town, "max_text_length").await, 2_000);

    // In the very next question: what was cached of the server is forgotten.
    let general = [("channel", json!(server.general_channel))];
    let said = config(&town, "channels add", &general).await;
    assert!(said.contains(&format!("<#{}>", server.general_channel.get())), "{said}");
    let asked = town.say(server.general_channel, town.member(0), "how do I restore a backup?");
    assert!(town.answer(asked).await.content.contains("Backups"));
    config(&town, "channels remove", &general).await;
    assert_eq!(value(&town, "channels").await, json!([server.support_channel]));
    let said = config(&town, "channels remove", &general).await;
    assert!(said.contains("is no support channel"), "{said}");

    let role = town.sim.create_role(server.id, "night shift", Permissions::NONE).expect("a role");
    let said = config(&town, "support-role", &[("role", json!(role))]).await;
    assert!(said.contains(&format!("<@&{}>", role.get())), "{said}");
    assert_eq!(value(&town, "support_role_id").await, json!(role));
    let everyone = json!(server.id);
    let said = config(&town, "support-role", &[("role", everyone)]).await;
    assert!(said.contains("everyone"), "{said}");
    assert_eq!(value(&town, "support_role_id").await, json!(role));
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

#[tokio::test]
async fn support_is_switched_on_from_within_discord() {
    let town = town().await;
    let _worker = town.worker();
    change(&town, r#"config || '{"enabled": false}'"#).await;
    eventually("support is off", async || {
        config(&town, "show", &[]).await.contains("`enabled`: `false`").then_some(())
    })
    .await;
    let said = config(&town, "set", &set_to("enabled", "true")).await;
    assert!(said.contains("`false` → `true`") && said.contains("Support is on"), "{said}");
    // The proxy passes messages of such a server on from within a second.
    eventually("a question is answered", async || {
        let asked = town.ask(0, "how do I restore a backup?");
        tokio::time::timeout(Duration::from_secs(2), town.answer(asked)).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_change_that_comes_twice_is_made_once() {
    let town = town().await;
    let _worker = town.worker();
    let first = begin(&town, "set", &set_to("language", "de"));
    reply(&town, first).await;
    config(&town, "set", &set_to("language", "fr")).await;
    let before = version(&town).await;
    let (origin, payload) = entry_of_interaction(&town, first).await;
    // A replay has the same origin; an overlap of two sessions has the same interaction under another origin.
    town.append(0, &origin, "INTERACTION_CREATE", &payload).await;
    town.append(0, "another-session:1", "INTERACTION_CREATE", &payload).await;
    // What comes behind them shows that they have been passed.
    assert!(config(&town, "show", &[]).await.contains("`language`: `fr`"));
    assert_eq!(version(&town).await, before, "workers and proxies were told of no change");
    assert_eq!(town.answers(QuestionId::Interaction(first)).len(), 1);
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

/// The entry of the log that holds an interaction: its origin and its payload.
async fn entry_of_interaction(town: &Town, interaction: InteractionId) -> (String, String) {
    crate::faults::entry_of(town, 0, interaction.get(), "INTERACTION_CREATE").await
}

#[tokio::test]
async fn two_admins_and_a_dashboard_at_once_lose_nothing_of_each_other() {
    let town = town().await;
    let _worker = town.worker();
    let server = town.server(0);
    let new = |name: &str| {
        town.sim.create_channel(server.id, helpline_sim::ChannelKind::Text, name, None).expect("a channel")
    };
    let (one, other, third) = (new("one"), new("other"), new("third"));
    // The dashboard has changed the list, and not committed yet.
    let mut dashboard = PgConnection::connect(&town.db.url).await.expect("a connection");
    let id = server.id.get();
    let change = format!(
        "begin; update servers set config = jsonb_set(config, '{{channels}}', config -> 'channels' || '\"{third}\"')
         where id = {id}",
        third = third.get()
    );
    dashboard.execute(AssertSqlSafe(change)).await.expect("it is changed");
    let add = |admin: usize, channel: helpline_sim::ids::ChannelId| {
        let options = [("channel", json!(channel))];
        town.sim
            .slash(server.support_channel, server.staff[admin], "config channels add", &options)
            .expect("it is offered")
    };
    let both = [add(0, one), add(1, other)];
    eventually("an admin's change waits for the dashboard's", async || {
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'
                       and datname = current_database() and query like '%servers%'";
        (town.count(waiting).await > 0).then_some(())
    })
    .await;
    dashboard.execute("commit").await.expect("it is committed");
    for interaction in both {
        reply(&town, interaction).await;
    }
    let Value::Array(channels) = value(&town, "channels").await else { panic!("a list") };
    for channel in [server.support_channel, third, one, other] {
        assert!(channels.contains(&json!(channel)), "{channel} is not in {channels:?}");
    }
}

#[tokio::test]
async fn keys_of_others_survive_to_the_last_digit() {
    let town = town().await;
    let _worker = town.worker();
    let theirs = r#"{"theirs": {"deep": [12345678901234567890123.10, null], "": "x"}}"#;
    change(&town, &format!("config || '{theirs}'")).await;
    config(&town, "set", &set_to("language", "de")).await;
    config(&town, "reset", &[("key", json!("everything"))]).await;
    let shown = config(&town, "show", &[]).await;
    assert!(shown.contains("Kept, because I do not know it: `theirs`"), "{shown}");
    let kept = "select count(*) from servers where config -> 'theirs' @> '{\"\": \"x\"}'
                and (config #>> '{theirs,deep,0}') = '12345678901234567890123.10'";
    assert_eq!(town.count(kept).await, 1, "{}", stored(&town).await);
    assert_eq!(value(&town, "enabled").await, false);
}

#[tokio::test]
async fn values_are_offered_while_an_admin_types() {
    let town = town().await;
    let worker = town.worker();
    let channel = town.server(0).support_channel;
    let typing = |key: &str, typed: &str| {
        let typed = set_to(key, typed);
        town.sim
            .autocomplete(channel, admin(&town), "config set", &typed, "value")
            .expect("it offers choices")
    };
    let offered = choices(&town, typing("enabled", "t")).await;
    assert_eq!(offered, json!([{ "name": "true: support is on (now)", "value": "true" }]));
    let offered = choices(&town, typing("language", "deut")).await;
    assert_eq!(offered, json!([{ "name": "de: Deutsch", "value": "de" }]));
    town.at_rest().await;
    worker.kill();
    // Nobody knows any: the proxy says so in time, and whoever comes back late disturbs nobody.
    let nobody = typing("language", "deut");
    assert_eq!(choices(&town, nobody).await, json!([]));
    let _next = town.worker();
    // Its first reply, however late, shows that the next worker has the shard.
    config(&town, "show", &[]).await;
    assert_eq!(choices(&town, typing("enabled", "f")).await[0]["value"], "false");
    town.at_rest().await;
    assert!(matches!(town.sim.interaction(nobody), Some(Phase::Answered { callback: 8, .. })));
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}

#[tokio::test]
async fn a_channel_in_which_the_bot_cannot_answer_is_refused_with_what_it_lacks() {
    let town = town().await;
    let _worker = town.worker();
    let (server, before) = (town.server(0), stored(&town).await);
    let bot = Target::Member(town.sim.config().bot);
    let lacks = Permissions::CREATE_PUBLIC_THREADS | Permissions::SEND_MESSAGES_IN_THREADS;
    let overwrite = Some((Permissions::NONE, lacks));
    town.sim.set_overwrite(server.general_channel, bot, overwrite).expect("it is set");
    let said = config(&town, "channels add", &[("channel", json!(server.general_channel))]).await;
    assert!(said.contains("**Create Public Threads**, **Send Messages in Threads**"), "{said}");
    assert_eq!(stored(&town).await, before);
}

#[tokio::test]
async fn ids_of_another_server_are_refused_whoever_made_the_request() {
    let town = town().await;
    let _worker = town.worker();
    let before = stored(&town).await;
    let (here, elsewhere) = (town.server(0), town.server(1));
    let asked = begin(&town, "show", &[]);
    reply(&town, asked).await;
    let (_, payload) = entry_of_interaction(&town, asked).await;
    // No client of Discord's sends these.
    let channel = json!({ "name": "channels", "type": 2, "options": [{ "name": "add", "type": 1, "options": [
        { "name": "channel", "type": 7, "value": elsewhere.support_channel }] }] });
    let role = json!({ "name": "support-role", "type": 1, "options": [
        { "name": "role", "type": 8, "value": elsewhere.support_role }] });
    let ids = json!({ "name": "set", "type": 1, "options": [
        { "name": "key", "type": 3, "value": "channels" },
        { "name": "value", "type": 3, "value": elsewhere.support_channel }] });
    let mut forged = Vec::new();
    for (n, options) in [channel, role, ids].into_iter().enumerate() {
        let mut payload: Value = serde_json::from_str(&payload).expect("JSON");
        let id = (asked.get() + 1 + n as u64).to_string();
        payload["id"] = json!(id);
        payload["data"]["options"] = json!([options]);
        town.append(0, &format!("forged:{n}"), "INTERACTION_CREATE", &payload.to_string()).await;
        forged.push(id);
    }
    eventually("each is answered", async || {
        let told: Vec<String> = sqlx::query_scalar(
            "select request ->> 'content' from helpline.outbox where event_id = any ($1) and server_id = $2",
        )
        .bind(&forged)
        .bind(here.id.get().cast_signed())
        .fetch_all(&town.db.pool)
        .await
        .expect("the outbox is read");
        let refused =
            |text: &String| text.contains("not on this server") || text.contains("/config channels add");
        (told.iter().filter(|text| refused(text)).count() == 3).then_some(())
    })
    .await;
    assert_eq!(stored(&town).await, before);
}

#[tokio::test]
async fn a_broken_config_is_shown_with_its_problems_and_mended() {
    let town = town().await;
    let _worker = town.worker();
    change(&town, r#"config || '{"max_text_length": "very", "channels": 7}'"#).await;
    let shown = config(&town, "show", &[]).await;
    assert!(shown.contains("`max_text_length` should be a whole number of at least 1"), "{shown}");
    assert!(shown.contains("Mend it: `/config reset key:channels`"), "{shown}");
    let said = config(&town, "reset", &[("key", json!("max_text_length"))]).await;
    assert!(said.contains("`channels` should be"), "it says what is left: {said}");
    let said = config(&town, "reset", &[("key", json!("channels"))]).await;
    assert!(!said.contains("Mend"), "{said}");
    let support = [("channel", json!(town.server(0).support_channel))];
    config(&town, "channels add", &support).await;
    assert!(town.answer(town.ask(0, "how do I restore a backup?")).await.content.contains("Backups"));
}

#[tokio::test]
async fn what_the_database_refuses_is_told_and_ends_nothing() {
    let town = town().await;
    let _worker = town.worker();
    change(&town, "config || jsonb_build_object('theirs', repeat('x', 261000))").await;
    let said = config(&town, "set", &set_to("system_prompt", &"long ".repeat(700))).await;
    assert!(said.contains("could not be stored") && said.contains("262144"), "{said}");
    assert_eq!(value(&town, "system_prompt").await, Value::Null);
    config(&town, "set", &set_to("language", "de")).await;
    assert_eq!(value(&town, "language").await, "de");
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}
