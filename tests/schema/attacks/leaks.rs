//! What leaks out of rows that row security hides: functions in conditions, errors, plans, statistics.

use sqlx::PgConnection;

use super::target::{THEIRS, Target, Who};
use super::{Attack, Expect, attack, control, report, run};
use crate::support;

/// Tables with a column of theirs that says something, as text.
const TELLING: [(&str, &str); 5] = [
    ("public.servers", "config::text"),
    ("public.knowledge_documents", "content"),
    ("public.conversations", "transcript::text"),
    ("public.forwarded_tickets", "conversation_id::text"),
    ("public.invoices", "amount::text"),
];

/// A function that the planner takes for free, and that gives itself away when it is shown what is not ours.
const SPY: &str =
    "create function pg_temp.spy(seen text) returns boolean language plpgsql cost 0.0000001 as $$
    begin
        if seen ~ '(secret|prompt|talk|document) [23]|^c0000000.*[23]$|^[23]0\\.00$' then
            raise exception 'seen: %', seen using errcode = 'XX000';
        end if;
        return true;
    end $$";

fn conditions() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (table, column) in TELLING {
        for statement in [
            format!("select 1 from {table} where pg_temp.spy({column})"),
            format!("select 1 from {table} where pg_temp.spy({column}) and true order by 1"),
            format!("select 1 from {table} where not not pg_temp.spy({column}) or false"),
            format!("select 1 from {table} where case when pg_temp.spy({column}) then true end"),
            format!("select 1 from (select * from {table}) t where pg_temp.spy(t.{column})"),
            format!("select 1 from {table} t join lateral (select pg_temp.spy(t.{column}) s) l on l.s"),
            format!("select 1 from {table} where {column} operator(pg_temp.~!~) 'x'"),
            format!(
                "select 1 from {table} a join {table} b on pg_temp.spy(b.{column}) and a.tableoid = b.tableoid limit 1"
            ),
            format!("select pg_temp.spy({column}) from {table}"),
            format!("select 1 from {table} group by {column} having pg_temp.spy({column})"),
            format!("select 1 from {table} order by pg_temp.spy({column})"),
            format!("select 1 from {table} tablesample system (100) where pg_temp.spy({column})"),
        ] {
            attacks.push(attack(
                "a spy in the condition",
                &Who::admin(),
                &[
                    SPY,
                    "create function pg_temp.spy_too(text, text) returns boolean language sql cost 0.0000001 as
                     'select pg_temp.spy($1)'",
                    "create operator pg_temp.~!~ (function = pg_temp.spy_too, leftarg = text, rightarg = text)",
                    &format!("with seen as ({statement}) select count(*) from seen"),
                ],
                Expect::Answer("1"),
            )
            .undone());
        }
        // Somebody without any server sees no row, so nothing of these may fail for what a row holds.
        for condition in [
            format!("({column})::integer = 1"),
            format!("({column})::date = 'today'"),
            format!("({column})::uuid is null"),
            format!("({column})::xml is null"),
            format!("('x' || {column})::jsonb is null"),
            format!("1 / (case when {column} like '%' then 0 else 1 end) = 1"),
            format!("to_tsquery({column} || ' & ( ') is null"),
            format!("repeat({column}, 100000000) is null"),
        ] {
            attacks.push(attack(
                "an error of a row",
                &Who::stranger(),
                &[&format!("select 1 from {table} where {condition}")],
                Expect::NoRow,
            ));
        }
    }
    attacks
}

fn ways_around() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for who in [Who::admin(), Who::stranger()] {
        for export in [
            "query_to_xml('select * from public.conversations', true, false, '')",
            "table_to_xml('public.conversations', true, false, '')",
            "schema_to_xml('public', true, false, '')",
            "query_to_xml_and_xmlschema('select * from public.servers', true, false, '')",
            "cursor_to_xml('c', 100, true, false, '')",
        ] {
            let mut statements = Vec::new();
            if export.starts_with("cursor") {
                statements.push("declare c cursor for select * from public.conversations".to_owned());
            }
            statements.push(format!("select {export}::text ~ '(secret|prompt|talk|document) [23]'"));
            let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
            attacks.push(attack("an export", &who, &statements, Expect::Answer("f")));
        }
        for (name, statement) in [
            (
                "statistics",
                "select * from pg_stats where schemaname = 'public' and tablename = 'conversations'",
            ),
            ("statistics of partitions", "select * from pg_stats where schemaname = 'helpline'"),
            ("statistics of servers", "select most_common_vals from pg_stats where tablename = 'servers'"),
            ("extended statistics", "select * from pg_stats_ext where schemaname in ('public', 'helpline')"),
            (
                "what others are running",
                "select * from pg_stat_activity where usename <> session_user and query not like '<insuff%' and query <> ''",
            ),
            ("others' cursors", "select * from pg_cursors"),
            ("others' prepared statements", "select * from pg_prepared_statements"),
            ("a row by its place", "select * from public.servers where ctid = '(0,2)' and id <> {ours}"),
            (
                "a row by its partition",
                "select * from public.conversations where tableoid::regclass::text ~ 'third'",
            ),
            ("through a view of one's own", "select * from pg_temp.mine where id <> {ours}"),
            ("through a function of one's own", "select * from pg_temp.all_servers() where id <> {ours}"),
            (
                "users who share a server",
                "select * from public.users where id <> '{admin}' and id <> '{stranger}'",
            ),
        ] {
            attacks.push(attack(
                name,
                &who,
                &[
                    "create temp view mine as select * from public.servers",
                    "create function pg_temp.all_servers() returns setof public.servers language sql security definer
                     as 'select * from public.servers'",
                    // The session's own state is not what is asked for.
                    "deallocate all",
                    statement,
                ],
                Expect::NoRow,
            )
            .undone());
        }
        attacks.push(attack(
            "a row by its place, the low way",
            &who,
            &["select currtid2('helpline.conversations_default', '(0,1)')"],
            Expect::Refused(&["42501"]),
        ));
        attacks.push(attack(
            "copying a table out",
            &who,
            &["copy helpline.conversations_default to stdout"],
            Expect::Refused(&["42501"]),
        ));
        attacks.push(attack(
            "copying rows in past row security",
            &who,
            &["copy public.knowledge_documents (server_id, title, content, file_type) from stdin"],
            Expect::Refused(&["0A000"]),
        ));
    }
    attacks
}

#[tokio::test]
async fn nothing_leaks_out_of_hidden_rows() {
    let target = Target::new().await;
    support::run(&target.db.pool, "analyze").await;
    let controls = vec![
        // The spy does tell of what it is shown.
        control(
            &Who::both(),
            &[SPY, "select 1 from public.knowledge_documents where not pg_temp.spy('x') is null"],
        ),
        control(
            &Who::admin(),
            &["select 1 from public.servers where query_to_xml('select 1', true, false, '') is not null"],
        ),
        control(&Who::worker(), &["select tablename from pg_stats where schemaname = 'pg_catalog'"]),
    ];
    let mut shown = target.session(&Who::both()).await;
    let seen = [SPY.to_owned(), "select pg_temp.spy(content) from public.knowledge_documents".to_owned()];
    assert!(super::run_all(&mut shown, &seen).await.is_err(), "an admin of theirs shows the spy their rows");
    drop(shown);
    run(&target, "leaks", [conditions(), ways_around()].concat(), controls, 130).await;
}

/// PostgREST answers `Prefer: count=planned` with this number.
async fn planned_rows(session: &mut PgConnection, query: &str) -> i64 {
    let plan: serde_json::Value =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("explain (format json) {query}")))
            .fetch_one(session)
            .await
            .expect("a plan");
    plan[0]["Plan"]["Plan Rows"].as_i64().expect("rows")
}

#[tokio::test]
async fn the_planner_says_nothing_of_how_many_rows_are_hidden() {
    let target = Target::new().await;
    let many = format!(
        "insert into public.conversations (server_id, channel_id, user_id, username, transcript)
         select s, n::text, '4242', 'busy', '[]'
         from generate_series(1, 2000) n, unnest(array[{THEIRS}, 1100000000000000003]) s;
         insert into public.knowledge_documents (server_id, title, content, file_type)
         select {THEIRS}, 'much', 'x', 'txt' from generate_series(1, 500);
         insert into public.analytics (server_id, date)
         select {THEIRS}, '2020-01-01'::date + n from generate_series(1, 500) n;
         insert into public.forwarded_tickets (server_id, conversation_id)
         select server_id, id from public.conversations where username = 'busy' limit 2000;
         insert into public.invoices (subscription_id, server_id, amount, status, invoice_date, due_date)
         select '50000000-0000-0000-0000-000000000002', {THEIRS}, 1, 'open', now(), now()
         from generate_series(1, 500);
         insert into public.server_admins (server_id, user_id)
         select {THEIRS}, id from public.users on conflict do nothing;
         delete from public.server_admins where user_id = 'a0000000-0000-0000-0000-000000000003'
             or (user_id = 'a0000000-0000-0000-0000-000000000001' and server_id = {THEIRS});
         analyze;"
    );
    support::run(&target.db.pool, many).await;
    let (mut attacks, mut through) = (0, Vec::new());
    for who in [Who::admin(), Who::stranger(), Who::unclaimed()] {
        let mut session = target.session(&who).await;
        for query in [
            "select 1 from public.conversations".to_owned(),
            format!("select 1 from public.conversations where server_id = {THEIRS}"),
            "select 1 from public.conversations where server_id = 1100000000000000003".to_owned(),
            "select 1 from public.conversations where user_id = '4242'".to_owned(),
            "select 1 from public.conversations where username = 'busy'".to_owned(),
            "select 1 from public.conversations where status = 'active'".to_owned(),
            "select 1 from public.conversations where created_at > '2020-01-01'".to_owned(),
            "select 1 from public.knowledge_documents".to_owned(),
            "select 1 from public.knowledge_documents where title = 'much'".to_owned(),
            format!("select 1 from public.knowledge_documents where server_id = {THEIRS}"),
            "select 1 from public.forwarded_tickets".to_owned(),
            "select 1 from public.forwarded_tickets where status = 'pending'".to_owned(),
            format!("select 1 from public.forwarded_tickets where server_id = {THEIRS}"),
            format!("select 1 from public.invoices where server_id = {THEIRS}"),
            "select 1 from public.invoices where amount = 1".to_owned(),
            format!("select 1 from public.analytics where server_id = {THEIRS}"),
            format!("select 1 from public.server_admins where server_id = {THEIRS}"),
            "select 1 from public.users where discord_username like 'user%'".to_owned(),
            "select 1 from public.subscriptions where status = 'active'".to_owned(),
            "select 1 from public.servers where active".to_owned(),
            "select 1 from public.servers s join public.conversations c on c.server_id = s.id".to_owned(),
        ] {
            attacks += 1;
            let rows = planned_rows(&mut session, &query).await;
            // Each of the two partitions counts for one, whatever is in it.
            let partitions =
                if query.contains("conversations") && !query.contains("server_id =") { 2 } else { 1 };
            if rows > partitions {
                through.push(format!("{who}: {query}: the planner expects {rows} rows"));
            }
        }
    }
    // The control: who is not bound by those policies is told.
    let mut worker = target.session(&Who::worker()).await;
    let rows = planned_rows(&mut worker, "select 1 from public.conversations where username = 'busy'").await;
    assert!(rows > 1_000, "the planner does know, and tells the worker: {rows}");
    report("leaks: estimates", attacks, 63, &through);
}
