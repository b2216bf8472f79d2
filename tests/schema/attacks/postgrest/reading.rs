//! Reading what is not one's own: tables, filters, embedded resources, counts, formats.

use reqwest::Method;

use super::tokens::{admin, both, service, stranger};
use super::{DENIED, Expect, Request, get, request, run};
use crate::attacks::target::{THEIRS, Target};
use crate::support;

const OF_A_SERVER: [(&str, &str); 8] = [
    ("servers", "id"),
    ("server_admins", "server_id"),
    ("knowledge_documents", "server_id"),
    ("conversations", "server_id"),
    ("forwarded_tickets", "server_id"),
    ("subscriptions", "server_id"),
    ("invoices", "server_id"),
    ("analytics", "server_id"),
];

fn tables() -> Vec<Request> {
    let mut attacks = Vec::new();
    for (table, key) in OF_A_SERVER {
        attacks.push(get("anon", None, &format!("/{table}"), DENIED));
        attacks.push(get("anon asks for a column", None, &format!("/{table}?select={key}"), DENIED));
        attacks.push(get("a stranger", stranger(), &format!("/{table}"), Expect::Empty));
        for filter in [
            "{key}=eq.{theirs}",
            "{key}=neq.{ours}",
            "{key}=not.eq.{ours}",
            "{key}=gt.{ours}",
            "{key}=in.({theirs},{third})",
            "or=({key}.eq.{theirs},{key}.eq.{third})",
            "and=({key}.gte.{theirs},{key}.lte.{third})",
            "not.or=({key}.eq.{ours},{key}.is.null)",
            "{key}=eq.{theirs}&select=*&order={key}.desc&limit=1&offset=0",
        ] {
            let path = format!("/{table}?{}", filter.replace("{key}", key));
            attacks.push(get("an admin asks for another server", admin(), &path, Expect::Empty));
        }
        let third = format!("/{table}?{key}=eq.{{third}}");
        attacks.push(get("an admin of two asks for a third", both(), &third, Expect::Empty));
        attacks.push(get(
            "everything that is there",
            admin(),
            &format!("/{table}?select=*"),
            Expect::NothingOfOthers,
        ));
    }
    for table in ["users", "billing_plans", "shards", "server_shards", "_sqlx_migrations"] {
        attacks.push(get("anon", None, &format!("/{table}"), DENIED));
    }
    for table in ["shards", "server_shards", "_sqlx_migrations"] {
        for token in [admin(), stranger()] {
            attacks.push(get("inner tables", token, &format!("/{table}"), DENIED));
        }
    }
    attacks.push(get("inner tables", service(), "/_sqlx_migrations", DENIED));
    attacks.push(get("other users", admin(), "/users?id=neq.{admin}", Expect::Empty));
    attacks.push(get(
        "other users by Discord id",
        stranger(),
        "/users?discord_id=in.(5001,5002)",
        Expect::Empty,
    ));
    attacks
}

fn embedded() -> Vec<Request> {
    let mut attacks = Vec::new();
    for path in [
        "/conversations?select=*,forwarded_tickets(*)",
        "/conversations?select=*,forwarded_tickets(*),servers(*)",
        "/forwarded_tickets?select=*,conversations(*)",
        "/forwarded_tickets?select=*,conversations!inner(*)&conversations.server_id=eq.{theirs}",
        "/forwarded_tickets?select=*,servers(*,knowledge_documents(*),conversations(*))",
        "/servers?select=*,server_admins(*,users(*))",
        "/servers?select=*,subscriptions(*),invoices(*),analytics(*)",
        "/servers?select=name,...billing_plans(plan:name,servers(*))",
        "/billing_plans?select=*,servers(*)",
        "/billing_plans?select=*,servers!inner(*)",
        "/billing_plans?select=*,subscriptions(*,servers(*),invoices(*))",
        "/billing_plans?select=*,subscriptions(*)&subscriptions.server_id=eq.{theirs}",
        "/users?select=*,server_admins(*,servers(*))",
        "/users?select=*,servers(*)",
        "/users?select=*,knowledge_documents(*)",
        "/server_admins?select=*,servers(*,conversations(transcript)),users(*)",
        "/invoices?select=*,subscriptions(*,billing_plans(*,servers(*)))",
        "/analytics?select=*,...servers(*)",
        "/knowledge_documents?select=*,users(*),servers(config)",
        "/servers?select=*,conversations(*)&conversations.order=created_at&conversations.limit=9",
        "/servers?select=*,conversations(*)&or=(id.eq.{ours},id.eq.{theirs})",
        "/servers?select=config->>system_prompt,secret:config->system_prompt&order=config->>system_prompt",
        "/conversations?select=transcript->0,transcript->>0&transcript->>0=neq.x",
    ] {
        for token in [admin(), stranger()] {
            attacks.push(get("embedded", token, path, Expect::NothingOfOthers));
        }
        attacks.push(get("embedded", None, path, Expect::Status(&[400, 401, 403])));
    }
    for path in [
        "/shards?select=*,server_shards(*)",
        "/servers?select=*,server_shards(*)",
        "/servers?select=*,server_shards(shards(*))",
        "/servers?select=*,outbox(*)",
        "/servers?select=*,pending_admins(*)",
        "/conversations?select=*,answer_jobs(*)",
        "/users?select=*,auth_users(*)",
        "/conversations?select=count()",
        "/conversations?select=server_id,id.count()",
        "/invoices?select=amount.sum()",
        "/invoices?select=amount.max()&server_id=eq.{theirs}",
    ] {
        attacks.push(get("embedded, and not exposed", admin(), path, Expect::Status(&[400, 403, 404])));
    }
    attacks
}

/// Values that would make a row of another server's answer with an error, patterns, and SQL where a name belongs.
fn conditions() -> Vec<Request> {
    let mut attacks = Vec::new();
    for query in [
        "/knowledge_documents?content=ilike.*document*",
        "/knowledge_documents?content=match.document",
        "/knowledge_documents?content=imatch.DOCUMENT",
        "/knowledge_documents?content_vector=fts(english).document",
        "/knowledge_documents?content_vector=wfts.secret",
        "/knowledge_documents?content=match.(",
        "/knowledge_documents?select=content::integer",
        "/knowledge_documents?select=content::uuid",
        "/knowledge_documents?select=title::date&order=content",
        "/conversations?select=transcript::text::integer",
        "/conversations?transcript=cs.[\"secret talk 2\"]",
        "/conversations?transcript->>0=like.secret*",
        "/conversations?thread_id=eq.882",
        "/conversations?user_id=eq.992",
        "/conversations?username=eq.member 2",
        "/conversations?id=eq.{their_conversation}",
        "/forwarded_tickets?id=eq.{their_ticket}",
        "/servers?config->>system_prompt=like.secret*",
        "/servers?config=cs.{\"system_prompt\":\"secret prompt 2\"}",
        "/servers?name=eq.server 2",
        "/invoices?amount=eq.20",
    ] {
        let expect = if query.contains("::") || query.contains("match.(") {
            Expect::NothingOfOthers
        } else {
            Expect::Empty
        };
        attacks.push(get("a stranger's condition", stranger(), query, expect));
    }
    for query in [
        "/conversations?id=eq.1)%20or%20(1=1",
        "/conversations?server_id=eq.{theirs}%20or%20true",
        "/conversations?or=(server_id.eq.{theirs},true)",
        "/conversations?server_id=eq.{ours};select%201",
        "/conversations?select=*%3Bdelete%20from%20public.servers",
        "/conversations?select=id,(select%20transcript%20from%20public.conversations)",
        "/conversations?select=pg_sleep(9)",
        "/conversations?select=id::regclass",
        "/conversations?select=xmin,ctid,tableoid",
        "/conversations?order=id%3Bdelete",
        "/conversations?order=(select%201)",
        "/conversations?limit=1%20union%20select%201",
        "/conversations?offset=1;",
        "/conversations?\"server_id\"=eq.{theirs}",
        "/conversations?server_id=eq.%27%20or%20%27%27=%27",
        "/conversations?server_id=in.(select%20id%20from%20public.servers)",
        "/conversations?server_id=eq.any({theirs})",
        "/conversations?server_id=isdistinct.{ours}&id=neq.{our_conversation}",
        "/conversations?columns=server_id&server_id=eq.{theirs}",
        "/conversations?on_conflict=id&server_id=eq.{theirs}",
        "/servers?id=eq.1100000000000000002.0",
        "/servers?id=eq.1.100000000000000002e18",
        "/servers?id=eq.%EF%BC%91",
    ] {
        attacks.push(get("SQL where a value belongs", admin(), query, Expect::NothingOfOthers));
    }
    attacks
}

fn formats() -> Vec<Request> {
    let mut attacks = Vec::new();
    for table in ["conversations", "knowledge_documents", "servers", "forwarded_tickets"] {
        let key = if table == "servers" { "id" } else { "server_id" };
        let theirs = format!("/{table}?select={key}&{key}=eq.{{theirs}}");
        for count in ["exact", "planned", "estimated"] {
            let prefer = format!("count={count}");
            attacks.push(
                get("how many", stranger(), &format!("/{table}?select={key}"), Expect::Empty)
                    .with("Prefer", &prefer),
            );
            attacks.push(get("how many are theirs", admin(), &theirs, Expect::Empty).with("Prefer", &prefer));
            let request =
                request("only how many", admin(), Method::HEAD, &theirs, "", Expect::NothingOfOthers);
            attacks.push(request.with("Prefer", &prefer).with("Range", "0-0"));
        }
        for accept in ["text/csv", "application/json", "application/vnd.pgrst.array+json;nulls=stripped"] {
            let request = get("in another format", admin(), &format!("/{table}"), Expect::NothingOfOthers);
            attacks.push(request.with("Accept", accept));
        }
        for accept in [
            "application/vnd.pgrst.plan",
            "application/vnd.pgrst.plan+json",
            "application/vnd.pgrst.plan+text; for=\"application/json\"; options=analyze|verbose|settings",
            "application/geo+json",
            "application/octet-stream",
        ] {
            for token in [admin(), stranger()] {
                let request = get("its plan", token, &theirs, Expect::Status(&[400, 404, 406, 415]));
                attacks.push(request.with("Accept", accept));
            }
        }
        let one = get("exactly one", admin(), &theirs, Expect::Status(&[406]));
        attacks.push(one.with("Accept", "application/vnd.pgrst.object+json"));
    }
    for (name, query) in [
        ("a member anywhere", "/conversations?select=id&user_id=eq.4242"),
        ("a name anywhere", "/conversations?select=id&username=eq.busy"),
        ("a third server, in its own partition", "/conversations?select=id&server_id=eq.{third}"),
        ("open talks of all", "/conversations?select=id&status=eq.active"),
    ] {
        for count in ["exact", "planned", "estimated"] {
            let prefer = format!("count={count}");
            attacks.push(get(name, stranger(), query, Expect::Empty).with("Prefer", &prefer));
        }
    }
    // The description of the interface holds what the caller may use.
    for word in
        ["conversations", "server_admins", "users", "helpline", "_sqlx_migrations", "forwarded_tickets"]
    {
        attacks.push(get(word, None, "/", Expect::NothingOfOthers).with("X-Looking-For", word));
    }
    attacks
}

#[tokio::test]
async fn nobody_reads_what_is_not_his() {
    let target = Target::new().await;
    let many = format!(
        "insert into public.conversations (server_id, channel_id, user_id, username, transcript)
         select s, n::text, '4242', 'busy', '[]'
         from generate_series(1, 2000) n, unnest(array[{THEIRS}, 1100000000000000003]) s;
         insert into public.forwarded_tickets (server_id, conversation_id)
         select server_id, id from public.conversations where username = 'busy' limit 1000;
         insert into public.knowledge_documents (server_id, title, content, file_type)
         select {THEIRS}, 'much', 'x', 'txt' from generate_series(1, 500);
         analyze;"
    );
    support::run(&target.db.pool, many).await;
    let attacks = [tables(), embedded(), conditions(), formats()].concat();
    let mut controls: Vec<Request> = OF_A_SERVER
        .iter()
        .map(|(table, key)| get("own", admin(), &format!("/{table}?{key}=eq.{{ours}}"), Expect::Empty))
        .collect();
    controls.push(get(
        "own",
        admin(),
        "/forwarded_tickets?select=*,conversations!inner(*),servers(name)",
        Expect::Empty,
    ));
    controls.push(get(
        "own",
        both(),
        "/conversations?or=(server_id.eq.{ours},server_id.eq.{theirs})",
        Expect::Empty,
    ));
    controls.push(get(
        "own",
        admin(),
        "/knowledge_documents?content_vector=fts(english).document",
        Expect::Empty,
    ));
    controls.push(get("own", admin(), "/servers?select=config->>system_prompt", Expect::Empty));
    controls.push(get(
        "own",
        admin(),
        "/invoices?select=*,subscriptions!inner(*,billing_plans(*))",
        Expect::Empty,
    ));
    controls.push(get("own", admin(), "/servers", Expect::Empty).with("Accept", "text/csv"));
    controls.push(get("all", service(), "/shards?select=*,server_shards(*)", Expect::Empty));
    run(&target, "PostgREST: reading", attacks, controls, 300).await;
}

/// What PostgREST publishes of the schema to whoever asks.
#[tokio::test]
async fn the_description_of_the_interface_tells_everybody_what_he_may_use() {
    let target = Target::new().await;
    let postgrest = super::Postgrest::start(&target).await;
    let mut through = Vec::new();
    let tables = [
        "conversations",
        "servers",
        "users",
        "shards",
        "server_shards",
        "_sqlx_migrations",
        "outbox",
        "pending_admins",
    ];
    for (token, seen) in [(None, vec![]), (stranger(), vec!["conversations", "servers", "users"])] {
        let (status, _, body) = postgrest.send(&get("the root", token, "/", Expect::Empty)).await;
        assert!(status.is_success(), "{status}");
        let description: serde_json::Value = serde_json::from_str(&body).expect("OpenAPI is JSON");
        for table in tables {
            let shown = description["definitions"].get(table).is_some()
                || description["paths"].get(format!("/{table}")).is_some();
            if shown != seen.contains(&table) {
                through.push(format!("{table}: shown {shown}"));
            }
        }
    }
    super::report("PostgREST: description", 2 * tables.len() - 3, 13, &through);
}
