//! The users of the roles are let in with the passwords that stand in the roles' own URLs.

use std::process::Command;

use crate::support::TestDb;

/// What Postgres keeps of a user's password; another one each time it is set, also to the same.
async fn kept(db: &TestDb, role: &str) -> Option<String> {
    sqlx::query_scalar("select rolpassword from pg_authid where rolname = $1")
        .bind(role)
        .fetch_optional(&db.pool)
        .await
        .expect("it is read")
        .flatten()
}

fn migrate(db: &TestDb, worker: &str, proxy: &str) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_helpline"))
        .args(["migrate", "--shards", "2"])
        .env("DATABASE_URL", &db.url)
        .env("WORKER_DATABASE_URL", worker)
        .env("PROXY_DATABASE_URL", proxy)
        .output()
        .expect("the program starts")
}

#[tokio::test]
async fn a_migration_lets_the_roles_in_with_the_passwords_of_their_urls() {
    let db = TestDb::empty().await;
    let done = migrate(&db, "postgres://helpline_worker:it%27s%20100%25@db/h", "");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (worker, proxy) = (kept(&db, "helpline_worker").await, kept(&db, "helpline_proxy").await);
    assert!(worker.as_deref().is_some_and(|kept| kept.starts_with("SCRAM-SHA-256")), "{worker:?}");

    let done = migrate(&db, "postgres://helpline_worker@db/h", "postgres://helpline_proxy:other@db/h");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(kept(&db, "helpline_worker").await, worker, "no password was given: it stays");
    let changed = kept(&db, "helpline_proxy").await;
    assert!(changed.is_some() && changed != proxy);
}

#[tokio::test]
async fn a_url_of_another_user_is_refused_before_anything_is_migrated() {
    let db = TestDb::empty().await;
    let done = migrate(&db, "postgres://owner:hunter2@db/h", "");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && told.contains("has to be helpline_worker"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
        .fetch_one(&db.pool)
        .await
        .expect("they are counted");
    assert_eq!(tables, 0);
}
