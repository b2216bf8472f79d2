//! The previous release runs on this schema: its queries are prepared and planned as the users that it ran them as.
//!
//! `previous/queries.json` holds them with the commit they are from. At a release it is renewed for the next one:
//! `make previous-queries`.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::plans::{Kind, classified, compiled};
use crate::support::TestDb;

const FILE: &str = "tests/schema/previous/queries.json";

#[derive(serde::Serialize, serde::Deserialize)]
struct Previous {
    commit: String,
    /// By database user; empty: the owner.
    queries: BTreeMap<String, Vec<String>>,
}

#[tokio::test]
async fn the_previous_releases_queries_run_on_this_schema() {
    let previous: Previous =
        serde_json::from_str(include_str!("previous/queries.json")).expect("the queries are readable");
    assert!(previous.commit.len() >= 7, "they name the commit they are from");
    let db = TestDb::new().await;
    let mut wrong = Vec::new();
    let mut prepared = 0;
    for (role, queries) in &previous.queries {
        let url = if role.is_empty() { db.url.clone() } else { db.role_url(role) };
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        for query in queries {
            prepared += 1;
            if let Err(error) = explain(&mut connection, query).await {
                wrong.push(format!("as {role:?}: {query}: {error}"));
            }
        }
    }
    assert!(prepared > 60, "only {prepared} queries");
    assert!(wrong.is_empty(), "a migration took something away that the previous release needs: {wrong:#?}");
}

/// Prepares a query and starts it without running it: types, columns and privileges are checked.
async fn explain(connection: &mut PgConnection, query: &str) -> sqlx::Result<()> {
    connection.execute(AssertSqlSafe(format!("prepare q as {query}"))).await?;
    let arguments: i32 = sqlx::query_scalar(
        "select coalesce(cardinality(parameter_types), 0) from pg_prepared_statements where name = 'q'",
    )
    .persistent(false)
    .fetch_one(&mut *connection)
    .await?;
    let nulls = vec!["null"; usize::try_from(arguments).expect("a count")].join(", ");
    let execute = if nulls.is_empty() { "execute q".to_owned() } else { format!("execute q ({nulls})") };
    connection.execute(AssertSqlSafe(format!("explain {execute}"))).await?;
    connection.execute("deallocate q").await?;
    Ok(())
}

/// `make previous-queries`: the queries of this release, for the next one to be held against. `PREVIOUS_SQLX` names
/// another directory than `.sqlx`.
#[test]
#[ignore = "writes a file: make previous-queries"]
fn renew_the_previous_queries() {
    let dir = std::env::var("PREVIOUS_SQLX").unwrap_or_else(|_| ".sqlx".to_owned());
    let commit = std::env::var("PREVIOUS_COMMIT").expect("PREVIOUS_COMMIT names the commit");
    let mut previous = Previous { commit, queries: BTreeMap::new() };
    for query in compiled(&dir) {
        match classified(&query) {
            Some(known) if known.kind != Kind::Elsewhere => {
                previous.queries.entry(known.role.to_owned()).or_default().push(query);
            }
            _ => println!("left out: {query}"),
        }
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let json = serde_json::to_string_pretty(&previous).expect("it is JSON");
    std::fs::write(&file, json + "\n").expect("it is written");
}
