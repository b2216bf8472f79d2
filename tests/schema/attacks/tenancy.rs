//! From one server to another: reading, writing, moving, upserting, merging, and asking by way of errors.

use super::target::{Target, Who};
use super::{Attack, Control, DENIED, Expect, attack, control, run};

const OF_A_SERVER: [(&str, &str); 8] = [
    ("public.servers", "id"),
    ("public.server_admins", "server_id"),
    ("public.knowledge_documents", "server_id"),
    ("public.conversations", "server_id"),
    ("public.forwarded_tickets", "server_id"),
    ("public.subscriptions", "server_id"),
    ("public.invoices", "server_id"),
    ("public.analytics", "server_id"),
];

/// Whoever is signed in, with a server that is none of his.
fn outsiders() -> [(Who, &'static str); 4] {
    [
        (Who::admin(), "{theirs}"),
        (Who::both(), "{third}"),
        (Who::stranger(), "{ours}"),
        (Who::unclaimed(), "{ours}"),
    ]
}

#[tokio::test]
async fn nobody_sees_rows_of_a_server_that_is_not_his() {
    let target = Target::new().await;
    let (mut attacks, mut controls) = (Vec::new(), Vec::new());
    for (table, key) in OF_A_SERVER {
        for (who, server) in outsiders() {
            for statement in [
                format!("select * from {table} where {key} = {server}"),
                format!("select 1 from {table} t where to_jsonb(t)::text like '%{server}%'"),
                format!(
                    "with t as materialized (select * from {table}) select 1 from t where {key} = {server}"
                ),
                format!("select 1 from (select {key} from {table} offset 0) t where {key} = {server}"),
                format!(
                    "select 1 from generate_series({server}, {server}) s (id) join {table} t on t.{key} = s.id"
                ),
                format!("select {key} from {table} group by {key} having {key} = {server}"),
                format!("select * from {table} where {key} = {server} for key share"),
            ] {
                // Locking rows needs a right to change some column, or it is refused for that.
                let expect = match statement.ends_with("share") {
                    true if !["servers", "knowledge_documents", "forwarded_tickets"]
                        .iter()
                        .any(|changeable| table.ends_with(changeable)) =>
                    {
                        DENIED
                    }
                    _ => Expect::NoRow,
                };
                attacks.push(attack("read another server", &who, &[&statement], expect));
            }
        }
        let own = format!("select * from {table} where {key} = {{ours}}");
        controls.push(control(&Who::admin(), &[&own]));
        controls.push(control(&Who::both(), &[&own]));
        controls.push(control(&Who::both(), &[&own.replace("ours", "theirs")]));
    }
    run(&target, "tenancy: reading", attacks, controls, 200).await;
}

fn writes() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (who, server) in outsiders() {
        let mut add = |name: &str, statement: String, expect| {
            attacks.push(attack(name, &who, &[&statement], expect));
        };
        for change in ["name = 'taken'", "config = '{\"enabled\": true}'", "config = config || '{\"a\": 1}'"]
        {
            add(
                "change a server",
                format!("update public.servers set {change} where id = {server}"),
                Expect::NoRow,
            );
        }
        for change in
            ["content = 'forged'", "title = 'forged'", "file_type = 'md'", "storage_path = '/etc/passwd'"]
        {
            let statement =
                format!("update public.knowledge_documents set {change} where server_id = {server}");
            add("change a document", statement, Expect::NoRow);
        }
        for change in [
            "status = 'resolved'",
            "status = 'assigned', assigned_to = '9'",
            "resolution_notes = 'forged'",
            "resolved_at = now()",
        ] {
            let statement =
                format!("update public.forwarded_tickets set {change} where server_id = {server}");
            add("change a ticket", statement, Expect::NoRow);
        }
        add(
            "delete documents",
            format!("delete from public.knowledge_documents where server_id = {server}"),
            Expect::NoRow,
        );
        add(
            "delete by a subquery",
            format!(
                "delete from public.knowledge_documents d using public.knowledge_documents e
                 where e.server_id = {server} and d.id = e.id"
            ),
            Expect::NoRow,
        );
        let insert = format!(
            "insert into public.knowledge_documents (server_id, title, content, file_type)
             values ({server}, 'forged', 'x', 'txt')"
        );
        add("add a document", insert.clone(), DENIED);
        add("add a document and see it", format!("{insert} returning *"), DENIED);
        add(
            "add a document in a with query",
            format!("with i as ({insert} returning 1) select * from i"),
            DENIED,
        );
        add("add unless it is there", format!("{insert} on conflict do nothing"), DENIED);
    }
    attacks
}

fn moves() -> Vec<Attack> {
    let moved: Expect = Expect::Refused(&["HL002", "42501"]);
    let mut attacks = Vec::new();
    for who in [Who::admin(), Who::both(), Who::backend(), Who::worker(), Who::web(), Who::proxy()] {
        for table in OF_A_SERVER.iter().skip(1).map(|(table, _)| *table).chain([
            "public.server_shards",
            "helpline.pending_admins",
            "helpline.answer_jobs",
            "helpline.outbox",
            "helpline.knowledge_passages",
            "helpline.knowledge_indexed",
            "helpline.knowledge_vectors",
            "helpline.knowledge_derived",
            "helpline.knowledge_versions",
            "helpline.knowledge_originals",
            "helpline.knowledge_drafts",
            "helpline.knowledge_gaps",
        ]) {
            let statement = format!("update {table} set server_id = {{theirs}} where server_id = {{ours}}");
            attacks.push(attack("move a row to another server", &who, &[&statement], moved));
        }
        attacks.push(attack(
            "take another server's id",
            &who,
            &["update public.servers set id = 5 where id = {ours}"],
            moved,
        ));
    }
    // Into another partition, which is a delete and an insert underneath.
    attacks.push(attack(
        "move a conversation into a partition",
        &Who::backend(),
        &["update public.conversations set server_id = {third} where server_id = {ours}"],
        moved,
    ));
    attacks
}

fn crossings() -> Vec<Attack> {
    let crossed = Expect::Refused(&["23503"]);
    let ticket = "insert into public.forwarded_tickets (server_id, conversation_id)
                  values ({ours}, '{their_conversation}')";
    let passage =
        "insert into helpline.knowledge_passages (server_id, document_id, ordinal, content, lexemes)
                   values ({ours}, '{their_document}', 9, 'stolen', '')";
    let vector = "insert into helpline.knowledge_vectors (server_id, document_id, ordinal, model, vector)
                  values ({ours}, '{their_document}', 0, 'm', '\\x01')";
    let invoice = "insert into public.invoices
                       (subscription_id, server_id, amount, status, invoice_date, due_date)
                   values ('{their_subscription}', {ours}, 1, 'open', now(), now())";
    vec![
        attack("a ticket into another's conversation", &Who::backend(), &[ticket], crossed),
        attack("a ticket into another's conversation", &Who::worker(), &[ticket], crossed),
        attack("a ticket by an admin", &Who::admin(), &[ticket], DENIED),
        attack(
            "a ticket turned to another's conversation",
            &Who::backend(),
            &[
                "update public.forwarded_tickets set conversation_id = '{their_conversation}' where server_id = {ours}",
            ],
            Expect::Refused(&["HL002"]),
        ),
        attack(
            "a job into another's conversation",
            &Who::worker(),
            &["insert into helpline.answer_jobs (server_id, conversation_id, event_id, job)
               values ({ours}, '{their_conversation}', 'e', '{}')"],
            crossed,
        ),
        attack("another's document among our passages", &Who::worker(), &[passage], crossed),
        attack("a vector of another's passage among ours", &Who::worker(), &[vector], crossed),
        attack(
            "another's document as indexed by us",
            &Who::worker(),
            &[
                "delete from helpline.knowledge_indexed where document_id = '{their_document}'",
                "insert into helpline.knowledge_indexed (server_id, document_id, content_hash)
                 values ({ours}, '{their_document}', '\\x02')",
            ],
            crossed,
        )
        .undone(),
        attack("a bill on another's subscription", &Who::web(), &[invoice], crossed),
        attack("a bill on another's subscription", &Who::backend(), &[invoice], crossed),
    ]
}

/// What errors and conflicts would tell.
fn oracles() -> Vec<Attack> {
    let taken = "insert into public.knowledge_documents (id, server_id, title, content, file_type)
                 values ('{their_document}', {ours}, 't', 'c', 'txt')";
    let with = |tail: &str| format!("{taken} {tail}");
    let mut attacks = Vec::new();
    for who in [Who::admin(), Who::stranger()] {
        for (name, statement) in [
            ("does a document of this id exist", taken.to_owned()),
            ("does it exist, without an error", with("on conflict (id) do nothing")),
            ("overwrite it by way of a conflict", with("on conflict (id) do update set content = 'forged'")),
            (
                "read it by way of a conflict",
                with("on conflict (id) do update set title = excluded.title returning content"),
            ),
            (
                "merge into it",
                "merge into public.knowledge_documents d using (select '{their_document}'::uuid as id) s
                 on d.id = s.id when matched then delete
                 when not matched then insert (id, server_id, title, content, file_type)
                 values (s.id, {theirs}, 't', 'c', 'txt')"
                    .to_owned(),
            ),
            (
                "under another's name",
                "insert into public.knowledge_documents (server_id, title, content, file_type, created_by)
                 values ({ours}, 't', 'c', 'txt', '{other_admin}')"
                    .to_owned(),
            ),
        ] {
            attacks.push(attack(name, &who, &[&statement], DENIED));
        }
        attacks.push(attack(
            "merge that only matches",
            &who,
            &["merge into public.knowledge_documents d using (select '{their_document}'::uuid as id) s
               on d.id = s.id when matched then update set content = 'forged'"],
            Expect::NoRow,
        ));
        attacks.push(attack(
            "merge the tickets of others",
            &who,
            &["merge into public.forwarded_tickets t using (values ({theirs}::bigint)) s (id)
               on t.server_id = s.id when matched then update set status = 'resolved'"],
            Expect::NoRow,
        ));
        attacks.push(attack(
            "does a member exist among the users",
            &who,
            &["select * from public.users where discord_id = '5002'"],
            Expect::NoRow,
        ));
    }
    // Everything that comes back from an update without a condition is one's own.
    for (statement, who) in [
        ("update public.servers set name = 'x' returning id", Who::admin()),
        ("update public.knowledge_documents set content = 'x' returning server_id", Who::admin()),
        ("delete from public.knowledge_documents returning server_id", Who::admin()),
        (
            "update public.forwarded_tickets set status = 'assigned', assigned_to = '9' returning server_id",
            Who::admin(),
        ),
    ] {
        let statement = format!(
            "with changed (id) as ({statement}) select count(*) || ' ' || count(*) filter (where id <> {{ours}}) from changed"
        );
        attacks.push(attack("change everything", &who, &[&statement], Expect::Answer("1 0")).undone());
    }
    attacks
}

fn controls() -> Vec<Control> {
    vec![
        control(&Who::admin(), &["update public.servers set name = 'new' where id = {ours}"]),
        control(&Who::both(), &["update public.servers set name = 'new' where id = {theirs}"]),
        control(
            &Who::admin(),
            &["update public.knowledge_documents set content = 'new' where server_id = {ours}"],
        ),
        control(&Who::admin(), &["delete from public.knowledge_documents where server_id = {ours}"]),
        control(
            &Who::admin(),
            &[
                "update public.forwarded_tickets set status = 'assigned', assigned_to = '9' where server_id = {ours}",
            ],
        ),
        control(
            &Who::admin(),
            &["insert into public.knowledge_documents (server_id, title, content, file_type, created_by)
               values ({ours}, 't', 'c', 'txt', '{admin}') on conflict do nothing"],
        ),
        control(
            &Who::admin(),
            &["merge into public.knowledge_documents d using (select '{our_document}'::uuid as id) s
               on d.id = s.id when matched then update set content = 'new'"],
        ),
        control(
            &Who::worker(),
            &["insert into public.forwarded_tickets (server_id, conversation_id)
               values ({ours}, '{our_conversation}')"],
        ),
        control(
            &Who::worker(),
            &["insert into helpline.knowledge_passages (server_id, document_id, ordinal, content, lexemes)
               values ({ours}, '{our_document}', 9, 'ours', '')"],
        ),
        control(
            &Who::backend(),
            &["update public.forwarded_tickets set server_id = server_id, conversation_id = conversation_id"],
        ),
    ]
}

#[tokio::test]
async fn nobody_changes_moves_or_crosses_rows_of_a_server_that_is_not_his() {
    let target = Target::new().await;
    let attacks = [writes(), moves(), crossings(), oracles()].concat();
    run(&target, "tenancy: writing", attacks, controls(), 180).await;
}
