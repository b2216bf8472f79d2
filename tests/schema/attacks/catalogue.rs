//! Every role against every table, partition, column, sequence and function that the catalogue knows, so that a new
//! one is attacked without anybody thinking of it. [`ALLOWED`] is all that grants are to open.

use std::collections::HashMap;

use sqlx::{Connection, PgConnection};

use super::target::{Target, Who};
use super::{execute, report};

/// Role, table, and what it may do there, as in `grant`: `update(a,b)` for some columns.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("authenticated", "public.users", "select"),
    ("authenticated", "public.servers", "select update(config,name)"),
    ("authenticated", "public.server_admins", "select"),
    (
        "authenticated",
        "public.knowledge_documents",
        "select delete insert(server_id,title,content,file_type,storage_path,created_by)
         update(title,content,file_type,storage_path)",
    ),
    ("authenticated", "public.conversations", "select"),
    (
        "authenticated",
        "public.forwarded_tickets",
        "select update(assigned_to,status,resolved_at,resolution_notes)",
    ),
    ("authenticated", "public.billing_plans", "select"),
    ("authenticated", "public.subscriptions", "select"),
    ("authenticated", "public.invoices", "select"),
    ("authenticated", "public.analytics", "select"),
    ("service_role", "public.users", "select insert update delete"),
    ("service_role", "public.servers", "select insert update delete"),
    ("service_role", "public.server_admins", "select insert update delete"),
    ("service_role", "public.knowledge_documents", "select insert update delete"),
    ("service_role", "public.conversations", "select insert update delete"),
    ("service_role", "public.forwarded_tickets", "select insert update delete"),
    ("service_role", "public.shards", "select insert update delete"),
    ("service_role", "public.server_shards", "select insert update delete"),
    ("service_role", "public.billing_plans", "select insert update delete"),
    ("service_role", "public.subscriptions", "select insert update delete"),
    ("service_role", "public.invoices", "select insert update delete"),
    ("service_role", "public.analytics", "select insert update delete"),
    ("helpline_worker", "public._sqlx_migrations", "select(version,success)"),
    ("helpline_worker", "public.servers", "select update(name,icon_url,config,active)"),
    ("helpline_worker", "public.knowledge_documents", "select insert update delete"),
    ("helpline_worker", "public.conversations", "select insert update"),
    ("helpline_worker", "public.forwarded_tickets", "select insert update"),
    ("helpline_worker", "public.shards", "select update(status,last_heartbeat)"),
    ("helpline_worker", "public.server_shards", "select update(shard_id,assigned_at)"),
    ("helpline_worker", "public.billing_plans", "select"),
    ("helpline_worker", "public.users", "select(id,discord_id)"),
    ("helpline_worker", "public.server_admins", "select insert delete"),
    ("helpline_worker", "helpline.pending_admins", "select insert delete"),
    ("helpline_worker", "helpline.shard_fences", "select insert update"),
    ("helpline_worker", "helpline.shard_streams", "select insert update"),
    ("helpline_worker", "helpline.knowledge_versions", "select"),
    ("helpline_worker", "helpline.ticket_transitions", "select"),
    ("helpline_worker", "helpline.workers", "select insert update delete"),
    ("helpline_worker", "helpline.shard_assignments", "select insert update delete"),
    ("helpline_worker", "helpline.event_keys", "select insert update delete"),
    ("helpline_worker", "helpline.answer_jobs", "select insert update delete"),
    ("helpline_worker", "helpline.asked", "select insert delete"),
    ("helpline_worker", "helpline.feedback", "select insert update delete"),
    ("helpline_worker", "helpline.model_spent", "select insert update"),
    ("helpline_worker", "helpline.silences", "select insert update delete"),
    ("helpline_worker", "helpline.canned_replies", "select insert update delete"),
    ("helpline_worker", "helpline.resolutions", "select insert update delete"),
    ("helpline_worker", "helpline.suggestions", "select insert update delete"),
    ("helpline_worker", "public.analytics", "select insert update"),
    ("helpline_worker", "helpline.outbox", "select insert update delete"),
    ("helpline_worker", "helpline.dead_letters", "select insert update delete"),
    ("helpline_worker", "helpline.shard_trials", "select insert update delete"),
    ("helpline_worker", "helpline.channel_marks", "select insert update"),
    ("helpline_worker", "helpline.gaps", "select delete"),
    ("helpline_worker", "helpline.knowledge_passages", "select insert update delete"),
    ("helpline_worker", "helpline.knowledge_indexed", "select insert update delete"),
    ("helpline_worker", "helpline.knowledge_vectors", "select insert update"),
    ("helpline_worker", "helpline.knowledge_derived", "select insert update delete"),
    ("helpline_worker", "helpline.knowledge_originals", "select insert update delete"),
    ("helpline_worker", "helpline.knowledge_drafts", "select insert update delete"),
    ("helpline_worker", "helpline.knowledge_gaps", "select insert update delete"),
    ("helpline_worker", "helpline.server_moves", "select insert update delete"),
    ("helpline_worker", "helpline.held_events", "select insert update delete"),
    ("helpline_worker", "helpline.server_load", "select insert update delete"),
    ("helpline_worker", "helpline.dm_routes", "select insert update delete"),
    ("helpline_worker", "helpline.dm_members", "select insert update delete"),
    ("helpline_worker", "helpline.dm_waiting", "select insert update delete"),
    ("helpline_worker", "helpline.dm_desk", "select insert update delete"),
    ("helpline_worker", "helpline.dm_outbox", "select insert update delete"),
    ("helpline_worker", "helpline.dm_conversations", "select insert update delete"),
    ("helpline_proxy", "public._sqlx_migrations", "select(version,success)"),
    (
        "helpline_proxy",
        "public.servers",
        "select(id,active,config,config_version,updated_at) insert(id,name)",
    ),
    ("helpline_proxy", "public.server_shards", "select insert(server_id,shard_id)"),
    ("helpline_proxy", "public.shards", "select(id)"),
    ("helpline_proxy", "helpline.gaps", "select update"),
    ("helpline_proxy", "helpline.gap_channels", "select update delete"),
    ("helpline_proxy", "helpline.server_moves", "select(move_id,server_id,from_shard,to_shard,state)"),
    ("helpline_proxy", "helpline.shard_streams", "select(shard_id,incarnation,cursor_seq)"),
    ("helpline_proxy", "helpline.proxies", "select insert(id,name) update(draining,last_heartbeat) delete"),
    ("helpline_proxy", "helpline.gateway_sets", "select insert(total,state) update(state) delete"),
    (
        "helpline_proxy",
        "helpline.gateway_shards",
        "select insert(total,id,phase) update(phase,up,owner,epoch,claimed_at) delete",
    ),
    ("helpline_web", "public._sqlx_migrations", "select(version,success)"),
    ("helpline_web", "public.servers", "select(id,name,active,plan_id) update(plan_id)"),
    ("helpline_web", "public.billing_plans", "select"),
    ("helpline_web", "public.subscriptions", "select insert update"),
    ("helpline_web", "public.invoices", "select insert update"),
];

/// Functions of ours that a role may call by itself.
const CALLABLE: &[(&str, &str)] = &[
    ("helpline_proxy", "helpline.add_servers(bigint[])"),
    ("helpline_proxy", "helpline.adopt_gaps(integer,integer)"),
    ("helpline_proxy", "helpline.list_new_threads(bigint,interval)"),
    ("helpline_proxy", "helpline.notice_channels(integer,integer,bigint[],bigint[],bigint[],interval)"),
    (
        "helpline_proxy",
        "helpline.open_gap(integer,integer,integer,text,timestamp with time zone,timestamp with time zone,integer,interval,bigint[],bigint[])",
    ),
    ("helpline_proxy", "helpline.cluster_status()"),
    ("helpline_web", "helpline.cluster_status()"),
    ("helpline_worker", "helpline.cluster_status()"),
    ("helpline_worker", "helpline.decayed_load(double precision,timestamp with time zone)"),
    ("helpline_worker", "helpline.forget_left_servers(integer,integer)"),
    ("helpline_worker", "helpline.forget_old_conversations(integer,integer,integer)"),
    ("helpline_worker", "helpline.knowledge_room(bigint)"),
    ("helpline_worker", "helpline.roll_up_analytics(integer)"),
];

struct Column {
    name: String,
    /// Cast of a null to it.
    null: String,
    writable: bool,
}

/// Whether the role may do this, to this column or at all.
fn allowed(role: &str, table: &str, privilege: &str, column: Option<&str>) -> bool {
    ALLOWED.iter().filter(|(r, t, _)| (*r, *t) == (role, table)).any(|(_, _, granted)| {
        granted.split_whitespace().any(|grant| match (grant.split_once('('), column) {
            (None, _) => grant == privilege,
            (Some((granted, _)), None) => granted == privilege && privilege == "insert",
            (Some((granted, columns)), Some(column)) => {
                granted == privilege && columns.trim_end_matches(')').split(',').any(|name| name == column)
            }
        })
    })
}

async fn tables(target: &Target) -> HashMap<String, Vec<Column>> {
    let rows: Vec<(String, String, String, bool)> = sqlx::query_as(
        "select n.nspname || '.' || c.relname, a.attname::text, format_type(a.atttypid, a.atttypmod),
             a.attgenerated = '' and a.attidentity = ''
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname in ('public', 'helpline', 'auth')",
    )
    .fetch_all(&target.db.pool)
    .await
    .expect("columns are listed");
    let mut tables: HashMap<String, Vec<Column>> = HashMap::new();
    for (table, name, kind, writable) in rows {
        tables.entry(table).or_default().push(Column { name, null: format!("null::{kind}"), writable });
    }
    tables
}

/// Statements with whether the role may run them.
fn statements(role: &str, table: &str, columns: &[Column]) -> Vec<(String, bool)> {
    let may = |privilege, column| allowed(role, table, privilege, column);
    let whole = |privilege: &str| {
        ALLOWED.iter().any(|(r, t, granted)| {
            (*r, *t) == (role, table) && granted.split_whitespace().any(|grant| grant == privilege)
        })
    };
    let first = &columns[0].name;
    let mut list = vec![
        (format!("select * from {table}"), whole("select")),
        (format!("select * from only {table}"), whole("select")),
        (format!("table {table}"), whole("select")),
        (format!("insert into {table} default values"), may("insert", None)),
        (format!("delete from {table}"), whole("delete")),
        // Rights are looked at before the keys that point here; with cascade, those of other tables count too.
        (format!("truncate {table}"), false),
        (format!("lock table {table} in access exclusive mode"), whole("update") || whole("delete")),
        (format!("alter table {table} disable row level security"), false),
        (format!("alter table {table} disable trigger all"), false),
        (format!("alter table {table} owner to {role}"), false),
        // Without the right to grant, only a warning comes.
        (
            format!(
                "do $$ begin
                     grant all on {table} to public;
                     if not has_table_privilege('anon', '{table}', 'truncate') then
                         raise insufficient_privilege;
                     end if;
                 end $$"
            ),
            false,
        ),
        (format!("create policy mine on {table} using (true)"), false),
        (format!("create index on {table} ({first})"), false),
        (
            format!(
                "create trigger mine before update on {table}
                 for each row execute function pg_catalog.suppress_redundant_updates_trigger()"
            ),
            false,
        ),
        (format!("create rule mine as on delete to {table} do instead nothing"), false),
        (format!("comment on table {table} is 'mine'"), false),
        (format!("create statistics pg_temp.mine on {first}, tableoid from {table}"), false),
        (format!("drop table {table} cascade"), false),
    ];
    for Column { name, null, writable } in columns {
        list.push((format!("select {name} from {table}"), may("select", Some(name))));
        if *writable {
            let update = format!("update {table} set {name} = {null} where false");
            list.push((update, may("update", Some(name))));
            let insert = format!("insert into {table} ({name}) select {null} where false");
            list.push((insert, may("insert", Some(name))));
        }
    }
    list
}

/// One statement in a transaction that stands at the savepoint `a`.
async fn refused_for_rights(session: &mut PgConnection, statement: &str) -> Result<bool, String> {
    match execute(session, &format!("rollback to a; {statement}")).await {
        // Not an owner and not granted are both 42501.
        Err(code) if code == "42501" => Ok(true),
        Ok(_) => Ok(false),
        Err(code) => Err(code),
    }
}

fn roles() -> [Who; 6] {
    [Who::anon(), Who::admin(), Who::backend(), Who::worker(), Who::proxy(), Who::web()]
}

#[tokio::test]
async fn every_role_does_with_every_table_and_column_what_it_may_and_nothing_else() {
    let target = Target::new().await;
    let tables = tables(&target).await;
    for (_, table, _) in ALLOWED {
        assert!(tables.contains_key(*table), "{table} is not there");
    }
    let empty = empty_tables(&target, tables.keys()).await;
    assert!(empty.is_empty(), "nothing could be taken from {empty:?}: fill it in fixture.sql");

    let before = target.snapshot.take(&target.db.pool).await;
    let (mut attacks, mut through) = (0, Vec::new());
    for who in roles() {
        let role = who.granted_as();
        let mut session = target.session(&who).await;
        execute(&mut session, "savepoint a").await.expect("a savepoint is set");
        for (table, columns) in &tables {
            for (statement, may) in statements(role, table, columns) {
                let refused = refused_for_rights(&mut session, &statement).await;
                if !may {
                    attacks += 1;
                    if refused != Ok(true) {
                        through.push(format!("{who}: {statement}: {refused:?}"));
                    }
                } else if refused == Ok(true) && !statement.starts_with("insert") {
                    // The control; an insert of nothing fails the policy's check and says so with the same code.
                    through.push(format!("{who} may not {statement}, though it is its work"));
                }
            }
        }
        session.close().await.expect("the session ends");
    }
    if let Some(changed) = before.difference(&target.snapshot.take(&target.db.pool).await) {
        through.push(format!("changed: {changed:?}"));
    }
    report("catalogue: tables and columns", attacks, 3_000, &through);
}

async fn empty_tables(target: &Target, tables: impl Iterator<Item = &String>) -> Vec<String> {
    let mut empty = Vec::new();
    for table in tables {
        let statement = format!("select exists (select from {table})");
        let filled: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .fetch_one(&target.db.pool)
            .await
            .expect("the owner looks");
        if !filled {
            empty.push(table.clone());
        }
    }
    empty
}

#[tokio::test]
async fn no_function_or_sequence_of_ours_is_open_to_anybody_but_its_caller() {
    let target = Target::new().await;
    let functions: Vec<(String, String)> = sqlx::query_as(
        "select p.oid::regprocedure::text, format('select %s(%s)', p.oid::regproc, coalesce((
             select string_agg('null::' || format_type(a.type, null), ', ' order by a.n)
             from unnest(p.proargtypes) with ordinality a (type, n)), ''))
         from pg_proc p
         where p.pronamespace in ('public'::regnamespace, 'helpline'::regnamespace)",
    )
    .fetch_all(&target.db.pool)
    .await
    .expect("functions are listed");
    let sequences: Vec<String> = sqlx::query_scalar(
        "select schemaname || '.' || sequencename from pg_sequences where schemaname in ('public', 'helpline')",
    )
    .fetch_all(&target.db.pool)
    .await
    .expect("sequences are listed");
    let (mut attacks, mut through) = (0, Vec::new());
    for who in roles() {
        let role = who.granted_as();
        let mut session = target.session(&who).await;
        execute(&mut session, "savepoint a").await.expect("a savepoint is set");
        let mut list: Vec<(String, bool)> = Vec::new();
        for (function, call) in &functions {
            list.push((call.clone(), CALLABLE.contains(&(role, function.as_str()))));
            let name = function.split('(').next().expect("a name");
            // A definer's trigger function on a table of one's own would act on rows of one's own making.
            let trigger = format!(
                "create temp table bait (id uuid, discord_id text, server_id bigint, status text);
                 create trigger t after insert on bait for each row execute function {name}()"
            );
            list.push((trigger, CALLABLE.contains(&(role, function.as_str()))));
            list.push((
                format!("create or replace function {name}() returns void language sql as ''"),
                false,
            ));
            list.push((format!("alter function {function} security invoker"), false));
            list.push((format!("drop function {function} cascade"), false));
        }
        for sequence in &sequences {
            for call in ["nextval", "currval"] {
                list.push((format!("select {call}('{sequence}')"), false));
            }
            list.push((format!("select setval('{sequence}', 1)"), false));
            list.push((format!("select last_value from {sequence}"), false));
            list.push((format!("alter sequence {sequence} restart"), false));
        }
        for (statement, may) in list {
            let outcome = refused_for_rights(&mut session, &statement).await;
            attacks += usize::from(!may);
            // 42P17, 42883: a function that is no trigger, or has arguments, is refused for that.
            let beaten = matches!(&outcome, Ok(true))
                || matches!(&outcome, Err(code) if code == "42883" || code == "42P17");
            if beaten == may && !statement.starts_with("create temp") {
                through.push(format!("{who}: {statement}: {outcome:?}"));
            }
            if statement.starts_with("create temp") && outcome == Ok(false) {
                through.push(format!("{who}: {statement}: {outcome:?}"));
            }
        }
    }
    report("catalogue: functions and sequences", attacks, 400, &through);
}
