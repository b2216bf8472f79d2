//! Becoming somebody else: roles, settings, files, programs, extensions, and what a caller can make a function with
//! its owner's rights run.

use super::target::{Target, Who};
use super::{Attack, DENIED, Expect, attack, control, run};

/// Refused to everybody who is no superuser. Some are not on every machine.
const OF_A_SUPERUSER: &[&str] = &[
    "set role postgres",
    "set session authorization postgres",
    "select set_config('role', 'postgres', true)",
    "set session_replication_role = replica",
    "set log_statement = 'none'",
    "set local lo_compat_privileges = on",
    "select set_config('session_preload_libraries', 'x', false)",
    "alter role current_user superuser",
    "alter role current_user bypassrls",
    "alter role current_user createrole",
    "alter role anon login superuser",
    "alter role helpline_worker bypassrls",
    "alter role postgres set search_path = pg_temp",
    "create role mine superuser",
    "create role mine",
    "drop role helpline_proxy",
    "grant postgres to current_user",
    "grant helpline_worker to current_user",
    "grant service_role to anon",
    "grant pg_read_all_data to current_user",
    "grant pg_execute_server_program to current_user",
    "load '/tmp/mine.so'",
    "create extension dblink",
    "create extension postgres_fdw",
    "create extension file_fdw",
    "create extension plpython3u",
    "create extension pgcrypto",
    "create language mine handler plpgsql_call_handler",
    "create foreign data wrapper mine",
    "create event trigger mine on ddl_command_end execute function pg_event_trigger_ddl_commands()",
    "create publication mine for all tables",
    "create subscription mine connection '' publication x with (connect = false)",
    "create schema mine",
    "create table public.mine (id integer)",
    "create table helpline.mine (id integer)",
    "create view public.mine as select 1",
    "create type public.mine as enum ('a')",
    "create domain helpline.text as pg_catalog.text",
    "create function public.auth_uid() returns uuid language sql as 'select null::uuid'",
    "create function helpline.mine() returns void language sql as ''",
    "create or replace function auth.uid() returns uuid language sql as 'select null::uuid'",
    "create operator public.= (function = int8ne, leftarg = bigint, rightarg = bigint)",
    "create cast (text as uuid) with inout as implicit",
    "alter schema helpline owner to current_user",
    "do $$ begin
         grant usage on schema helpline to public;
         if not has_schema_privilege('anon', 'helpline', 'usage') then raise insufficient_privilege; end if;
     end $$",
    "drop schema helpline cascade",
    "alter default privileges for role postgres grant all on tables to public",
    "drop owned by postgres",
    "reassign owned by postgres to current_user",
    "copy public.servers to program 'id'",
    "copy public.servers from program 'id'",
    "copy public.servers to '/tmp/helpline-attack'",
    "copy (select 1) to '/tmp/helpline-attack'",
    "copy public.servers from '/etc/passwd'",
    "select pg_read_file('/etc/passwd')",
    "select pg_read_binary_file('postgresql.conf')",
    "select pg_ls_dir('.')",
    "select pg_stat_file('PG_VERSION')",
    "select pg_ls_waldir()",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/helpline-attack')",
    "select pg_reload_conf()",
    "select pg_rotate_logfile()",
    "select pg_switch_wal()",
    "select pg_stat_reset()",
    "select pg_create_physical_replication_slot('mine')",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres' and pid <> pg_backend_pid()",
    "select * from pg_authid",
    "select * from pg_shadow",
    "select * from pg_statistic",
    "select * from pg_hba_file_rules",
    "select * from pg_file_settings",
    "select * from pg_config",
    "select * from pg_backend_memory_contexts",
    "select * from pg_largeobject",
    "update pg_catalog.pg_class set relrowsecurity = false",
    "delete from pg_catalog.pg_policy",
    "insert into pg_catalog.pg_auth_members values (10, 10, 10, true)",
    "update pg_catalog.pg_proc set prosrc = '' where proname = 'uid'",
    "cluster public.servers using servers_pkey",
    "reindex table public.servers",
];

#[tokio::test]
async fn nobody_becomes_more_than_he_is() {
    let target = Target::new().await;
    let mut attacks = Vec::new();
    let refused = Expect::Refused(&["42501", "0A000"]);
    for who in [Who::admin(), Who::backend(), Who::worker(), Who::web()] {
        for statement in OF_A_SUPERUSER {
            attacks.push(attack("superuser's", &who, &[statement], refused));
        }
        attacks.push(attack("out of the role", &who, &["reset role", "select * from auth.users"], DENIED));
        attacks.push(attack(
            "without row security",
            &who,
            &["set row_security = off", "select * from public.conversations where server_id = {theirs}"],
            Expect::Refused(&["42501"]),
        ));
    }
    for who in Who::everybody() {
        for role in
            ["anon", "authenticated", "service_role", "helpline_worker", "helpline_proxy", "helpline_web"]
        {
            let own = who.granted_as() == role;
            // A person's login may be anon or authenticated, as PostgREST's may.
            let sibling = ["anon", "authenticated"].contains(&role)
                && ["anon", "authenticated"].contains(&who.granted_as());
            if !own && !sibling {
                attacks.push(attack("another role", &who, &[&format!("set role {role}")], DENIED));
            }
        }
    }
    let controls = vec![
        control(&Who::worker(), &["reset role", "select * from public.conversations"]),
        control(&Who::admin(), &["set role authenticated", "select * from public.servers"]),
    ];
    run(&target, "escalation: rights", attacks, controls, 330).await;
}

/// Makes everything in the caller's temporary schema that a function could take for its own, each telling when it
/// is run as somebody else. Whatever a function of the owner's looks up by an unqualified name falls for one of them.
fn baits(role: &str) -> Vec<String> {
    let mut baits = vec![
        "set attack.caught = 'nobody'".to_owned(),
        format!(
            "create function pg_temp.caught(anyelement) returns boolean language plpgsql as $$
             begin
                 if current_user <> '{role}' then
                     perform pg_catalog.set_config('attack.caught', current_user, false);
                 end if;
                 return true;
             end $$"
        ),
    ];
    for kind in [
        "text",
        "uuid",
        "json",
        "jsonb",
        "numeric",
        "int4",
        "int8",
        "bool",
        "timestamptz",
        "regclass",
        "name",
    ] {
        baits.push(format!(
            "create domain pg_temp.{kind} as pg_catalog.{kind} check (pg_temp.caught(value::pg_catalog.{kind}))"
        ));
    }
    for table in [
        "added",
        "removed",
        "admitted",
        "fresh",
        "servers",
        "shards",
        "server_shards",
        "server_admins",
        "pending_admins",
        "conversations",
        "forwarded_tickets",
        "ticket_transitions",
        "knowledge_versions",
        "placing_lock",
    ] {
        baits.push(format!(
            "create temp table {table} as
             select {{theirs}}::pg_catalog.int8 as server_id, {{theirs}}::pg_catalog.int8 as id,
                 1 as shard_id, 'x'::pg_catalog.text as discord_id, 'resolved'::pg_catalog.text as status"
        ));
    }
    for (name, arguments, result) in [
        ("now", "", "pg_catalog.timestamptz"),
        ("lower", "pg_catalog.text", "pg_catalog.text"),
        ("pg_notify", "pg_catalog.text, pg_catalog.text", "void"),
        ("nextval", "pg_catalog.regclass", "pg_catalog.int8"),
        ("char_length", "pg_catalog.text", "pg_catalog.int4"),
    ] {
        let body = if result == "void" { "" } else { "return null;" };
        baits.push(format!(
            "create function pg_temp.{name}({arguments}) returns {result} language plpgsql as
             $$ begin perform pg_temp.caught(1::pg_catalog.int4); {body} end $$"
        ));
    }
    baits.push(
        "create function pg_temp.eq(pg_catalog.int8, pg_catalog.int8) returns pg_catalog.bool language plpgsql as
         $$ begin return pg_temp.caught($1); end $$"
            .to_owned(),
    );
    baits.push(
        "create operator pg_temp.= (function = pg_temp.eq, leftarg = pg_catalog.int8, rightarg = pg_catalog.int8)"
            .to_owned(),
    );
    baits.push("set search_path = pg_temp, public, pg_catalog".to_owned());
    baits
}

fn baited(name: &str, who: &Who, statement: &str) -> Attack {
    let mut statements = baits(who.granted_as());
    statements.push(statement.to_owned());
    statements.push("select pg_catalog.current_setting('attack.caught')".to_owned());
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    attack(name, who, &statements, Expect::Answer("nobody")).undone()
}

/// Who, and a statement of his.
type Lawful = (fn() -> Who, &'static str);

/// Every way in which a role sets a function with its owner's rights, or a trigger, going.
const SET_GOING: &[Lawful] = &[
    (Who::admin, "update public.servers set config = '{\"a\": 1}' where id operator(pg_catalog.=) {ours}"),
    (
        Who::admin,
        "update public.forwarded_tickets set status = 'assigned', assigned_to = '9'
         where server_id operator(pg_catalog.=) {ours}",
    ),
    (
        Who::admin,
        "update public.knowledge_documents set content = 'x' where server_id operator(pg_catalog.=) {ours}",
    ),
    (Who::admin, "delete from public.knowledge_documents where server_id operator(pg_catalog.=) {ours}"),
    (
        Who::admin,
        "insert into public.knowledge_documents (server_id, title, content, file_type) values ({ours}, 't', 'c', 'md')",
    ),
    (Who::backend, "delete from public.servers where id operator(pg_catalog.=) {theirs}"),
    (Who::backend, "insert into public.servers (id, name) values (77, 'new')"),
    (Who::backend, "update public.servers set active = false"),
    (
        Who::backend,
        "update public.users set discord_id = '7007' where discord_id operator(pg_catalog.=) '5003'",
    ),
    (Who::backend, "delete from public.forwarded_tickets"),
    (
        Who::backend,
        "insert into public.forwarded_tickets (server_id, conversation_id) values ({ours}, '{our_conversation}')",
    ),
    (Who::backend, "delete from public.server_shards"),
    (Who::backend, "update public.server_shards set shard_id = 1"),
    (Who::backend, "insert into public.server_admins (server_id, user_id) values ({theirs}, '{stranger}')"),
    (Who::backend, "delete from public.conversations"),
    (Who::worker, "update public.server_shards set shard_id = 1"),
    (Who::worker, "update public.servers set active = false"),
    (
        Who::worker,
        "insert into public.forwarded_tickets (server_id, conversation_id) values ({ours}, '{our_conversation}')",
    ),
    (Who::worker, "update public.forwarded_tickets set status = 'resolved'"),
    (Who::worker, "delete from public.knowledge_documents"),
    (Who::worker, "update public.conversations set status = 'completed'"),
    (Who::proxy, "select * from helpline.add_servers(array[71, 72]::pg_catalog.int8[])"),
    (Who::proxy, "insert into public.servers (id, name) values (77, 'new')"),
    (Who::web, "update public.servers set plan_id = '{dear_plan}'"),
    (Who::web, "update public.invoices set status = 'paid'"),
];

#[tokio::test]
async fn no_function_runs_what_its_caller_laid_out_for_it() {
    let target = Target::new().await;
    let attacks = SET_GOING.iter().map(|(who, statement)| baited("baits", &who(), statement)).collect();
    let mut controls: Vec<_> =
        SET_GOING.iter().map(|(who, statement)| control(&who(), &[statement])).collect();
    // The baits do catch a function that looks into pg_temp first, as ours did.
    let victim = "create function pg_temp.victim() returns void language plpgsql security definer
                  set search_path = '' as $$ declare t text := 'x'; begin end $$";
    let mut caught = baits("nobody at all");
    caught.push(victim.to_owned());
    caught.push("select pg_temp.victim()".to_owned());
    caught.push("select 1 where pg_catalog.current_setting('attack.caught') <> 'nobody'".to_owned());
    let caught: Vec<&str> = caught.iter().map(String::as_str).collect();
    controls.push(control(&Who::worker(), &caught));
    run(&target, "escalation: baits", attacks, controls, 25).await;
}
