//! What the service users and a dashboard's backend might do beyond their task, and identities that are not one's own.

use super::target::{Target, Who};
use super::{Attack, DENIED, Expect, attack, control, execute, report, run, run_all};

/// Who, what for, and the statement.
type Refused = (fn() -> Who, &'static str, &'static str);

const EXPLICIT: &[Refused] = &[
    (Who::worker, "give a plan", "update public.servers set plan_id = '{dear_plan}'"),
    (Who::worker, "read subscriptions", "select * from public.subscriptions"),
    (Who::worker, "pay a bill", "update public.invoices set status = 'paid'"),
    (Who::worker, "cheaper plans", "update public.billing_plans set price = 0"),
    (Who::worker, "add a server", "insert into public.servers (id, name) values (9, 'mine')"),
    (Who::worker, "remove a server", "delete from public.servers where id = {theirs}"),
    (Who::worker, "forget a conversation", "delete from public.conversations"),
    (Who::worker, "forget a ticket", "delete from public.forwarded_tickets"),
    (Who::worker, "read a partition", "select * from helpline.conversations_third"),
    (Who::worker, "sign somebody in", "insert into auth.users (id) values (gen_random_uuid())"),
    (Who::worker, "a user of its own", "insert into public.users values (gen_random_uuid(), '1', 'x')"),
    (Who::worker, "another's Discord id", "update public.users set discord_id = '5001'"),
    (Who::worker, "read names of users", "select discord_username from public.users"),
    (Who::worker, "let a shard seem emptier", "update public.shards set server_count = 0"),
    (Who::worker, "remove a fence", "delete from helpline.shard_fences"),
    (Who::worker, "remove a shard", "delete from public.shards"),
    (Who::worker, "place a server", "select helpline.add_servers(array[9])"),
    (Who::worker, "an older version of knowledge", "update helpline.knowledge_versions set version = 0"),
    (Who::worker, "a config version", "update public.servers set config_version = 9"),
    (Who::worker, "lawful tickets of its own", "update helpline.ticket_transitions set actors = '{}'"),
    (Who::worker, "hold up placing", "select * from helpline.placing_lock for update"),
    (Who::worker, "forget a migration", "delete from public._sqlx_migrations"),
    (Who::proxy, "read talk", "select transcript from public.conversations"),
    (Who::proxy, "read a partition", "select * from helpline.conversations_default"),
    (Who::proxy, "read documents", "select * from public.knowledge_documents"),
    (Who::proxy, "read passages", "select * from helpline.knowledge_passages"),
    (Who::proxy, "read vectors", "select * from helpline.knowledge_vectors"),
    (Who::proxy, "read what is sent", "select * from helpline.outbox"),
    (Who::proxy, "read what is asked", "select * from helpline.answer_jobs"),
    (Who::proxy, "read what failed", "select * from helpline.dead_letters"),
    (Who::proxy, "read users", "select * from public.users"),
    (Who::proxy, "read names of servers", "select name from public.servers"),
    (Who::proxy, "read plans of servers", "select plan_id from public.servers"),
    (Who::proxy, "switch a server on", "update public.servers set config = '{\"enabled\": true}'"),
    (
        Who::proxy,
        "a server with a plan",
        "insert into public.servers (id, name, plan_id) values (9, 'x', '{plan}')",
    ),
    (
        Who::proxy,
        "a server with a config",
        "insert into public.servers (id, name, config) values (9, 'x', '{}')",
    ),
    (
        Who::proxy,
        "rename a server",
        "insert into public.servers (id, name) values ({ours}, 'x') on conflict (id) do update set name = 'x'",
    ),
    (Who::proxy, "move a server", "update public.server_shards set shard_id = 1"),
    (
        Who::proxy,
        "move a server by a conflict",
        "insert into public.server_shards (server_id, shard_id) values ({ours}, 1)
         on conflict (server_id) do update set shard_id = 1",
    ),
    (Who::proxy, "remove a server from its shard", "delete from public.server_shards"),
    (Who::proxy, "take a shard", "update helpline.shard_fences set epoch = epoch + 1"),
    (Who::proxy, "rewind a shard", "update helpline.shard_streams set cursor_seq = 0"),
    (Who::proxy, "an admin", "insert into public.server_admins values ({ours}, '{stranger}')"),
    (Who::proxy, "an admin to be", "insert into helpline.pending_admins values ({ours}, '5003')"),
    (Who::web, "read talk", "select * from public.conversations"),
    (Who::web, "read tickets", "select * from public.forwarded_tickets"),
    (Who::web, "read documents", "select content from public.knowledge_documents"),
    (Who::web, "read a config", "select config from public.servers"),
    (Who::web, "write a config", "update public.servers set config = '{}'"),
    (Who::web, "rename a server", "update public.servers set name = 'x'"),
    (Who::web, "switch a server off", "update public.servers set active = false"),
    (
        Who::web,
        "make a plan",
        "insert into public.billing_plans (name, price, interval) values ('x', 0, 'yearly')",
    ),
    (Who::web, "forget a bill", "delete from public.invoices"),
    (Who::web, "forget a subscription", "delete from public.subscriptions"),
    (Who::web, "an admin", "insert into public.server_admins values ({ours}, '{stranger}')"),
    (Who::web, "read users", "select * from public.users"),
    (Who::web, "read what is sent", "select * from helpline.outbox"),
    (Who::web, "place a server", "select helpline.add_servers(array[9])"),
    (Who::web, "hold up placing", "select * from helpline.placing_lock for update"),
    (Who::web, "lock the servers", "lock table public.servers in exclusive mode"),
    (Who::backend, "sign somebody in", "insert into auth.users (id) values (gen_random_uuid())"),
    (Who::backend, "read what is sent", "select * from helpline.outbox"),
    (Who::backend, "read a partition", "select * from helpline.conversations_third"),
    (Who::backend, "an admin to be", "insert into helpline.pending_admins values ({ours}, '5003')"),
    (Who::backend, "forget a migration", "delete from public._sqlx_migrations"),
    (Who::backend, "empty a table", "truncate public.conversations cascade"),
    (
        Who::backend,
        "a trigger that runs as the next writer",
        "create trigger mine after update on public.servers
         for each row execute function public.set_updated_at()",
    ),
    (Who::backend, "take a shard", "update helpline.shard_fences set epoch = epoch + 1"),
    (Who::backend, "lawful tickets of its own", "delete from helpline.ticket_transitions"),
    (Who::backend, "place a server", "select helpline.add_servers(array[9])"),
    (Who::admin, "make himself admin", "insert into public.server_admins values ({theirs}, '{admin}')"),
    (Who::stranger, "make himself admin", "insert into public.server_admins values ({ours}, '{stranger}')"),
    (Who::admin, "move his own row", "update public.server_admins set server_id = {theirs}"),
    (Who::admin, "give his row to a friend", "update public.server_admins set user_id = '{stranger}'"),
    (Who::both, "throw the other admin out", "delete from public.server_admins where user_id <> '{both}'"),
    (Who::stranger, "wait as somebody else", "insert into helpline.pending_admins values ({ours}, '5003')"),
    (Who::stranger, "who waits", "select * from helpline.pending_admins"),
    (
        Who::stranger,
        "take the Discord id of one who waits",
        "update public.users set discord_id = '7007' where id = '{stranger}'",
    ),
    (
        Who::stranger,
        "sign in as one who waits",
        "insert into public.users (id, discord_id, discord_username) values (gen_random_uuid(), '7007', 'x')",
    ),
    (
        Who::stranger,
        "sign in over oneself as one who waits",
        "insert into public.users (id, discord_id, discord_username) values ('{stranger}', '7007', 'x')
         on conflict (id) do update set discord_id = '7007'",
    ),
    (Who::admin, "a plan", "update public.servers set plan_id = '{dear_plan}'"),
    (
        Who::admin,
        "a subscription",
        "insert into public.subscriptions (server_id, plan_id, status, current_period_start, current_period_end) values ({ours}, '{dear_plan}', 'active', now(), now())",
    ),
    (Who::admin, "a longer subscription", "update public.subscriptions set current_period_end = 'infinity'"),
    (Who::admin, "pay his bill", "update public.invoices set status = 'paid', paid_at = now()"),
    (Who::admin, "a bill that never was", "delete from public.invoices"),
    (Who::admin, "better numbers", "update public.analytics set total_queries = 0"),
    (Who::admin, "switch his server on without the bot", "update public.servers set active = true"),
    (
        Who::admin,
        "a version that no cache passes",
        "update public.servers set config_version = 9223372036854775807",
    ),
    (Who::admin, "forge a transcript", "update public.conversations set transcript = '[]'"),
    (Who::admin, "give a talk back by hand", "update public.conversations set status = 'active'"),
    (Who::admin, "a talk that never was", "delete from public.conversations"),
    (Who::admin, "a ticket that never was", "delete from public.forwarded_tickets"),
    (Who::admin, "an older document", "update public.knowledge_documents set created_at = 'epoch'"),
    (
        Who::admin,
        "a document of another author",
        "update public.knowledge_documents set created_by = '{other_admin}'",
    ),
];

fn identities() -> Vec<Attack> {
    vec![
        attack(
            "the servers of an account that was changed",
            &Who::backend(),
            &[
                "update public.users set discord_id = '9999' where id = '{admin}'",
                "select * from public.server_admins where user_id = '{admin}'",
            ],
            Expect::NoRow,
        )
        .undone(),
        attack(
            "a second user of one Discord id",
            &Who::backend(),
            &["update public.users set discord_id = '5001' where id = '{stranger}'"],
            Expect::Refused(&["23505"]),
        ),
        attack(
            "a user who never signed in",
            &Who::backend(),
            &["insert into public.users values (gen_random_uuid(), '4', 'x')"],
            Expect::Refused(&["23503"]),
        ),
        attack(
            "a server of no id",
            &Who::proxy(),
            &["select * from helpline.add_servers(array[null]::bigint[])"],
            Expect::Refused(&["23502"]),
        ),
        attack(
            "a version by hand",
            &Who::backend(),
            &[
                "update public.servers set config_version = 9223372036854775807 where id = {ours}",
                "select config_version < 1000000 from public.servers where id = {ours}",
            ],
            Expect::Answer("t"),
        )
        .undone(),
        attack(
            "a server with a version of its own",
            &Who::backend(),
            &[
                "insert into public.servers (id, name, config_version) values (9, 'x', 9223372036854775807)",
                "select config_version < 1000000 from public.servers where id = 9",
            ],
            Expect::Answer("t"),
        )
        .undone(),
        // Whoever may talk to the database may notify: it is a hint, and the listeners read the rows.
        attack(
            "a forged notification",
            &Who::web(),
            &[
                "notify server_config_changed, '{\"server_id\": \"1100000000000000001\", \"config\": {\"enabled\": true}}'",
            ],
            Expect::NoRow,
        ),
        attack(
            "a forged ticket",
            &Who::proxy(),
            &[
                "notify forwarded_ticket_changed, '{\"ticket_id\": \"{their_ticket}\", \"status\": \"resolved\"}'",
            ],
            Expect::NoRow,
        ),
    ]
}

#[tokio::test]
async fn no_service_does_more_than_its_task_and_nobody_is_somebody_else() {
    let target = Target::new().await;
    let mut attacks: Vec<Attack> =
        EXPLICIT.iter().map(|(who, name, statement)| attack(name, &who(), &[statement], DENIED)).collect();
    attacks.extend(identities());
    let controls = vec![
        control(&Who::worker(), &["update public.servers set config = '{\"a\": 1}' where id = {ours}"]),
        control(&Who::worker(), &["insert into helpline.pending_admins values ({ours}, '5009')"]),
        control(&Who::proxy(), &["select * from helpline.add_servers(array[9, 10])"]),
        control(&Who::web(), &["update public.servers set plan_id = '{dear_plan}' where id = {ours}"]),
        control(
            &Who::backend(),
            &[
                "update public.users set discord_id = '7007' where id = '{stranger}'",
                "select * from public.server_admins where user_id = '{stranger}'",
            ],
        ),
        control(
            &Who::backend(),
            &[
                "update public.users set discord_id = '9999' where id = '{admin}'",
                "update public.users set discord_id = '5001' where id = '{stranger}'",
                "select * from public.server_admins where user_id = '{stranger}' and server_id = {ours}",
            ],
        ),
    ];
    run(&target, "services", attacks, controls, 100).await;
}

/// Each of these holds something for as long as it likes; the proxy's work goes on beside it.
#[tokio::test]
async fn nobody_keeps_new_servers_out_by_holding_a_lock() {
    let target = Target::new().await;
    let holds = [
        (Who::web(), "select pg_advisory_lock(hashtextextended('helpline.add_servers', 0))"),
        (Who::web(), "select pg_advisory_xact_lock(hashtextextended('helpline.add_servers', 0))"),
        (Who::admin(), "select pg_advisory_lock(hashtextextended('helpline.add_servers', 0))"),
        (Who::admin(), "select * from public.servers for update"),
        (Who::admin(), "lock table public.servers in access share mode"),
        (Who::web(), "select id from public.servers for no key update"),
        (Who::worker(), "select * from public.server_shards for share"),
    ];
    let mut through = Vec::new();
    for (n, (who, statement)) in (100..).zip(&holds) {
        let mut holder = target.session(who).await;
        run_all(&mut holder, &[(*statement).to_owned()]).await.expect("it holds what it may");
        let mut proxy = target.session(&Who::proxy()).await;
        execute(&mut proxy, "set local lock_timeout = '5s'").await.expect("it is set");
        let placed = execute(&mut proxy, &format!("select * from helpline.add_servers(array[{n}])")).await;
        if !matches!(&placed, Ok(reply) if reply.rows == 1) {
            through.push(format!("{who}: {statement}: {placed:?}"));
        }
    }
    report("services: locks", holds.len(), 7, &through);
}
