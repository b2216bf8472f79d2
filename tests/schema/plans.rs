//! How Postgres runs the queries of the programs: the hot ones by index and in one partition, whatever the size.
//!
//! `make test` looks at [`SMALL`], the least at which the planner decides as it does for a million; `make test-plans`
//! looks at a million and prints how long planning takes.

mod queries;

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};

use crate::support::{TestDb, run};

const SMALL: u32 = 50_000;

/// Tables with a row for each shard, worker or plan: a sequential scan is the best there is.
const SMALL_TABLES: [&str; 9] = [
    "billing_plans",
    "gateway_sets",
    "gateway_shards",
    "proxies",
    "shard_assignments",
    "shard_fences",
    "shard_streams",
    "shards",
    "workers",
];

/// What a hot query may read as a whole: how it begins, and the table.
const READ_AS_A_WHOLE: &[(&str, &str)] = &[
    // Once for each claim of a shard, and the questions that wait are few.
    ("select lanes.server_id", "answer_jobs"),
    // Every second by every worker: all but empty.
    ("select to_shard as \"shard_id!\"", "held_events"),
];

pub struct Query {
    /// Empty: the owner.
    pub role: &'static str,
    start: &'static str,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For each event, question, answer or second.
    Hot { args: &'static str, indexes: &'static [&'static str] },
    /// Touches nothing but [`SMALL_TABLES`] and what Postgres itself keeps.
    Small,
    /// Reads everything by intent.
    Whole,
    /// For a person's command, or hardly ever.
    Rare,
    /// Of tests, the demo and benchmarks.
    Elsewhere,
}

/// The queries that were compiled, without comments and line breaks.
pub fn compiled(dir: &str) -> Vec<String> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("it is read");
        let json: Value = serde_json::from_str(&text).expect("it is JSON");
        let query = json["query"].as_str().expect("it has a query");
        let lines = query.lines().filter(|line| !line.trim_start().starts_with("--"));
        queries.push(lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" "));
    }
    queries.sort();
    assert!(queries.len() > 50, "{} has {} queries", dir.display(), queries.len());
    queries
}

/// What is known of a query: the longest beginning that fits.
pub fn classified(query: &str) -> Option<&'static Query> {
    queries::ALL
        .into_iter()
        .flatten()
        .filter(|known| query.starts_with(known.start))
        .max_by_key(|known| known.start.len())
}

#[test]
fn every_query_is_known_as_hot_or_not() {
    let compiled = compiled(".sqlx");
    let unknown: Vec<_> = compiled.iter().filter(|query| classified(query).is_none()).collect();
    assert!(
        unknown.is_empty(),
        "say in tests/schema/plans/queries.rs who runs these, and how often: {unknown:#?}"
    );
    let gone: Vec<_> = queries::ALL
        .into_iter()
        .flatten()
        .filter(|known| {
            !compiled.iter().any(|query| classified(query).is_some_and(|it| std::ptr::eq(it, *known)))
        })
        .map(|known| known.start)
        .collect();
    assert!(gone.is_empty(), "no query begins like these any more: {gone:#?}");
}

/// A database with that many conversations and passages.
async fn database_of(size: u32) -> TestDb {
    let db = TestDb::new().await;
    let data = include_str!("plans/data.sql")
        .replace("{n}", &size.to_string())
        .replace("{servers}", &(size / 10).to_string());
    run(&db.pool, data).await;
    db
}

/// A connection of that user, set up as the migrations set up his logins.
async fn connect_as(db: &TestDb, role: &str) -> PgConnection {
    match role {
        "" => PgConnection::connect(&db.url).await,
        role => PgConnection::connect(&db.role_url(role)).await,
    }
    .expect("a connection")
}

/// The plan of a prepared query, as it is run: with these values.
async fn plan(connection: &mut PgConnection, query: &str, args: &str) -> Value {
    let values = if args.is_empty() { String::new() } else { format!("({args})") };
    connection
        .execute(AssertSqlSafe(format!("prepare q as {query}")))
        .await
        .unwrap_or_else(|error| panic!("{query}: {error}"));
    let explain = format!("explain (format json, summary) execute q{values}");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain.as_str()))
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .unwrap_or_else(|error| panic!("{explain} of {query}: {error}"));
    connection.execute("deallocate q").await.expect("it is forgotten");
    plan[0].clone()
}

/// Every node of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let children = plan["Plans"].as_array().into_iter().flatten();
    std::iter::once(plan).chain(children.flat_map(nodes)).collect()
}

/// The name of an index as it is in every partition.
fn without_partition(index: &str) -> String {
    let parts = index.strip_prefix("conversations_").and_then(|rest| rest.split_once('_'));
    match parts {
        Some((partition, rest))
            if partition == "default" || partition.starts_with('s') && partition.len() < 5 =>
        {
            format!("conversations_{rest}")
        }
        _ => index.to_owned(),
    }
}

fn may_be_read(query: &str, table: &str) -> bool {
    READ_AS_A_WHOLE.iter().any(|(start, whole)| query.starts_with(start) && *whole == table)
}

/// What is wrong with the plan of a hot query.
fn faults(query: &str, plan: &Value, expected: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    let mut partitions = BTreeSet::new();
    for node in nodes(&plan["Plan"]) {
        let relation = node["Relation Name"].as_str().unwrap_or_default();
        if node["Node Type"] == "Seq Scan"
            && !SMALL_TABLES.contains(&relation)
            && !may_be_read(query, relation)
        {
            faults.push(format!("reads all of {relation}"));
        }
        // The parent stands for the target of an insert.
        if relation.starts_with("conversations_") {
            partitions.insert(relation.to_owned());
        }
        let arbiters = node["Conflict Arbiter Indexes"].as_array().into_iter().flatten();
        used.extend(
            arbiters.filter_map(Value::as_str).map(|index| format!("arbiter {}", without_partition(index))),
        );
        used.extend(node["Index Name"].as_str().map(without_partition).filter(|index| {
            !SMALL_TABLES
                .iter()
                .any(|table| index.strip_prefix(table).is_some_and(|rest| rest.starts_with('_')))
        }));
    }
    if partitions.len() > 1 {
        faults.push(format!("looks into {} partitions", partitions.len()));
    }
    // Any of those between bars.
    let is_one_of = |used: &str, expected: &&str| expected.split('|').any(|index| index == used);
    if !used.iter().all(|used| expected.iter().any(|expected| is_one_of(used, expected)))
        || !expected.iter().all(|expected| used.iter().any(|used| is_one_of(used, expected)))
    {
        faults.push(format!("uses {used:?} instead of {expected:?}"));
    }
    faults
}

/// Looks at every hot query, for servers with and without a partition of their own. Returns planning times in ms.
async fn assert_hot_queries_are_fast(db: &TestDb) -> Vec<(f64, String)> {
    let (mut wrong, mut times) = (Vec::new(), Vec::new());
    for query in compiled(".sqlx") {
        let known = classified(&query).expect("it is known");
        let Kind::Hot { args, indexes } = known.kind else { continue };
        let mut connection = connect_as(db, known.role).await;
        for server in ["1", "77"] {
            let args = args.replace("{server}", server);
            let mut took = Vec::new();
            // The first reads the catalogs.
            for _ in 0..5 {
                let plan = plan(&mut connection, &query, &args).await;
                took.push(plan["Planning Time"].as_f64().expect("it is told"));
                if took.len() == 5 {
                    let faults = faults(&query, &plan, indexes);
                    if !faults.is_empty() {
                        wrong.push(format!("{query} for server {server}: {}\n{plan:#}", faults.join("; ")));
                    }
                }
            }
            took.sort_by(f64::total_cmp);
            times.push((took[2], query.clone()));
        }
    }
    assert!(wrong.is_empty(), "{} plans are not as they should be:\n{}", wrong.len(), wrong.join("\n"));
    times.sort_by(|a, b| b.0.total_cmp(&a.0));
    times
}

#[tokio::test]
async fn every_hot_query_uses_its_index_and_one_partition() {
    assert_hot_queries_are_fast(&database_of(SMALL).await).await;
}

/// As many as may be.
async fn add_partitions(pool: &PgPool) {
    run(
        pool,
        "do $$ begin
             for server in 1001..1498 loop
                 execute format(
                     'create table helpline.conversations_s%s partition of public.conversations for values in (%s)',
                     server, server
                 );
             end loop;
         end $$",
    )
    .await;
}

#[tokio::test]
async fn with_500_partitions_every_hot_query_looks_into_one() {
    let db = TestDb::new().await;
    // Rows that are not in the way of the partitions.
    run(&db.pool, include_str!("plans/data.sql").replace("{n}", "10000").replace("{servers}", "1000")).await;
    add_partitions(&db.pool).await;
    let mut looked_at = 0;
    for query in compiled(".sqlx").iter().filter(|query| query.contains("public.conversations")) {
        let known = classified(query).expect("it is known");
        let Kind::Hot { args, .. } = known.kind else { continue };
        let mut connection = connect_as(&db, known.role).await;
        for server in ["1", "77", "1400"] {
            let plan = plan(&mut connection, query, &args.replace("{server}", server)).await;
            let partitions: BTreeSet<_> = nodes(&plan["Plan"])
                .into_iter()
                .filter_map(|node| node["Relation Name"].as_str())
                .filter(|relation| relation.starts_with("conversations_"))
                .collect();
            assert!(partitions.len() <= 1, "{query} for server {server} looks into {partitions:?}");
            looked_at += 1;
        }
    }
    assert!(looked_at >= 15, "only {looked_at} plans were looked at");
    // One more is refused.
    let server = helpline_cluster::ids::ServerId(5);
    let refused =
        helpline::partition::promote(&db.pool, server, helpline::partition::Options::default()).await;
    assert!(matches!(refused, Err(helpline::partition::Error::TooMany)), "{refused:?}");
}

/// `make test-plans`
#[tokio::test]
#[ignore = "takes minutes: make test-plans"]
async fn with_a_million_conversations_and_passages_and_500_partitions_hot_queries_are_planned_in_a_millisecond()
 {
    let db = database_of(1_000_000).await;
    assert_hot_queries_are_fast(&db).await;
    // Servers that have no conversations yet.
    run(&db.pool, "delete from public.conversations where server_id between 1001 and 1498").await;
    add_partitions(&db.pool).await;
    run(&db.pool, "vacuum analyze public.conversations").await;
    let times = assert_hot_queries_are_fast(&db).await;
    for (took, query) in times.iter().take(10) {
        println!("planned in {took:.3} ms: {}", query.chars().take(100).collect::<String>());
    }
    println!("{} plans, median {:.3} ms", times.len(), times[times.len() / 2].0);
    assert!(times[0].0 < 1.0, "{:?}", times[0]);
}
