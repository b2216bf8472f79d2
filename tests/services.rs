//! The private Postgres and Redis of `helpline up`.

use std::os::unix::fs::PermissionsExt;

use helpline::up::services::{Lifetime, Services};
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn data_that_is_kept_is_found_again_and_a_second_start_is_refused() {
    let dir = open_dir();
    let first = Services::start(dir.path(), Lifetime::Kept).await.expect("first start");
    let mut database = PgConnection::connect(&first.database_url()).await.expect("connect");
    sqlx::query("create table kept (n integer)").execute(&mut database).await.expect("create table");
    let mut redis = redis_connection(&first.redis_url()).await;
    let pong: String = redis::cmd("PING").query_async(&mut redis).await.expect("ping");
    assert_eq!(pong, "PONG");

    let refused = Services::start(dir.path(), Lifetime::Kept).await.expect_err("second start");
    assert!(refused.to_string().contains("in use by another helpline"), "{refused}");

    first.stop().await.expect("stop");
    database.ping().await.expect_err("postgres is gone");

    let again = Services::start(dir.path(), Lifetime::Kept).await.expect("start again");
    let mut database = PgConnection::connect(&again.database_url()).await.expect("connect");
    sqlx::query("insert into kept values (1)").execute(&mut database).await.expect("the table is there");
    again.stop().await.expect("stop again");
}

#[tokio::test]
async fn the_database_folds_the_case_of_words_outside_ascii() {
    let dir = open_dir();
    let services = Services::start(dir.path(), Lifetime::Temporary).await.expect("start");
    let mut database = PgConnection::connect(&services.database_url()).await.expect("connect");
    let folded: String =
        sqlx::query_scalar("select lower('ÄÖÜ')").fetch_one(&mut database).await.expect("query");
    assert_eq!(folded, "äöü");
    services.stop().await.expect("stop");
}

/// A directory that another account can reach: root's servers do not run as root.
fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("open directory");
    dir
}

async fn redis_connection(url: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url).expect("redis url");
    client.get_multiplexed_async_connection().await.expect("connect to redis")
}
