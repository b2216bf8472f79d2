//! What admins may set for a server, and what is said when they set something else.

mod caching;
#[path = "../support/mod.rs"]
mod support;

use helpline::server_config::{self, ServerConfig, SetError, describe, parse, set_key};
use helpline_cluster::ids::ServerId;
use serde_json::{Value, json};
use support::TestDb;

const SERVER: ServerId = ServerId(811_000_000_000_000_001);

async fn with_server(config: &Value) -> TestDb {
    let db = TestDb::new().await;
    sqlx::query("insert into public.servers (id, name, config) values ($1, 'Test', $2)")
        .bind(SERVER.db())
        .bind(config)
        .execute(&db.pool)
        .await
        .expect("the server is added");
    db
}

async fn config_of(db: &TestDb) -> Value {
    sqlx::query_scalar("select config from public.servers where id = $1")
        .bind(SERVER.db())
        .fetch_one(&db.pool)
        .await
        .expect("the server is there")
}

#[tokio::test]
async fn the_defaults_of_the_column_are_ours() {
    let db = TestDb::new().await;
    sqlx::query("insert into public.servers (id, name) values ($1, 'Test')")
        .bind(SERVER.db())
        .execute(&db.pool)
        .await
        .expect("the server is added");
    assert_eq!(parse(&config_of(&db).await), Ok(ServerConfig::default()));
    assert_eq!(parse(&json!({})), Ok(ServerConfig::default()));
}

#[test]
fn ids_are_read_from_strings_and_whole_numbers_but_never_through_a_float() {
    let config = parse(
        &json!({"channels": ["811000000000000003", 811_000_000_000_000_001u64], "support_role_id": "7"}),
    );
    let config = config.expect("it is valid");
    assert_eq!(config.channels, [811_000_000_000_000_003, 811_000_000_000_000_001]);
    assert_eq!(config.support_role_id, Some(7));
    let float: Value = serde_json::from_str(r#"{"channels": [8.11e17]}"#).expect("it is JSON");
    assert_eq!(parse(&float).expect_err("a float has lost digits")[0].key, "channels");
}

#[test]
fn every_problem_is_listed_with_its_key_and_what_is_expected() {
    let problems = parse(&json!({
        "enabled": "yes", "language": 3, "system_prompt": [], "channels": ["x"],
        "support_role_id": "0", "max_messages_per_user": 0, "max_text_length": 2.5, "theirs": {}
    }))
    .expect_err("nothing of it is valid");
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "enabled",
            "language",
            "system_prompt",
            "channels",
            "support_role_id",
            "max_messages_per_user",
            "max_text_length"
        ]
    );
    assert_eq!(problems[0].to_string(), "enabled: expected true or false, found \"yes\"");
    assert_eq!(
        parse(&json!(3)).expect_err("no object")[0].to_string(),
        "config: expected a JSON object, found 3"
    );
}

#[test]
fn setting_writes_ids_as_strings_and_leaves_unknown_keys_alone() {
    let mut config = json!({"theirs": {"deep": [1, 2]}, "channels": [5]});
    for pair in
        ["enabled=true", "channels = 8, 9,8", "support_role_id=811000000000000003", "max_text_length=500"]
    {
        set_key(&mut config, pair).expect(pair);
    }
    set_key(&mut config, "system_prompt=a=b").expect("the value may hold an equals sign");
    assert_eq!(
        config,
        json!({
            "theirs": {"deep": [1, 2]}, "enabled": true, "channels": ["8", "9"],
            "support_role_id": "811000000000000003", "max_text_length": 500, "system_prompt": "a=b"
        })
    );
    set_key(&mut config, "channels=").expect("nothing clears a list");
    set_key(&mut config, "support_role_id=null").expect("null clears a role");
    assert_eq!((&config["channels"], &config["support_role_id"]), (&json!([]), &Value::Null));
}

#[test]
fn what_cannot_be_set_is_refused_with_what_can_and_changes_nothing() {
    let mut config = json!({"channels": ["5"]});
    let before = config.clone();
    for pair in
        ["channels=5,x", "enabled=maybe", "language=", "max_messages_per_user=-1", "support_role_id=1.0"]
    {
        assert!(matches!(set_key(&mut config, pair), Err(SetError::BadValue(_))), "{pair}");
    }
    let unknown = set_key(&mut config, "chanels=5").expect_err("there is no such key").to_string();
    assert!(unknown.contains("chanels") && unknown.contains("channels = a list of channel ids"), "{unknown}");
    assert!(matches!(set_key(&mut config, "enabled"), Err(SetError::NoEquals(_))));
    assert_eq!(config, before);
}

#[tokio::test]
async fn one_bad_pair_keeps_all_of_them_out() {
    let db = with_server(&json!({"enabled": false, "theirs": 1})).await;
    let pairs = ["enabled=true".to_owned(), "max_text_length=none".to_owned()];
    let error = server_config::set(&db.pool, SERVER, &pairs).await.expect_err("one is bad").to_string();
    assert!(error.contains("nothing was changed") && error.contains("max_text_length"), "{error}");
    assert_eq!(config_of(&db).await, json!({"enabled": false, "theirs": 1}));
    server_config::set(&db.pool, SERVER, &pairs[..1]).await.expect("the good one is set");
    assert_eq!(config_of(&db).await, json!({"enabled": true, "theirs": 1}));
}

#[tokio::test]
async fn a_server_that_the_bot_has_not_seen_is_named_in_the_error() {
    let db = TestDb::new().await;
    for result in [
        server_config::show(&db.pool, SERVER).await,
        server_config::set(&db.pool, SERVER, &["enabled=true".to_owned()]).await,
    ] {
        let error = result.expect_err("the server is unknown").to_string();
        assert!(error.contains("811000000000000001") && error.contains("not seen it"), "{error}");
    }
}

#[test]
fn a_configuration_is_shown_with_defaults_unknown_keys_and_problems() {
    let text =
        describe(SERVER, "Test", false, &json!({"enabled": 1, "channels": ["5", "6"], "theirs": true}));
    for line in [
        "the bot is not in this server",
        "channels = 5, 6\n",
        "language = en  (default)",
        "theirs = true  (not known to this release, kept)",
        "problem: enabled: expected true or false, found 1",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}
