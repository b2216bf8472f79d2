//! Changing what is not one's own, or what nobody may change: inserts, updates, upserts, bulk, columns.

use reqwest::Method;

use super::tokens::{admin, both, service, stranger};
use super::{DENIED, Expect, Request, get, request, run};
use crate::attacks::target::Target;

const TABLES: [(&str, &str, &str); 12] = [
    ("users", "id", r#"{"discord_username": "x"}"#),
    ("servers", "id", r#"{"name": "forged"}"#),
    ("server_admins", "server_id", r#"{"created_at": "2000-01-01"}"#),
    ("knowledge_documents", "server_id", r#"{"content": "forged"}"#),
    ("conversations", "server_id", r#"{"status": "active"}"#),
    ("forwarded_tickets", "server_id", r#"{"status": "resolved"}"#),
    ("shards", "id", r#"{"status": "offline"}"#),
    ("server_shards", "server_id", r#"{"shard_id": 1}"#),
    ("billing_plans", "id", r#"{"price": 0}"#),
    ("subscriptions", "server_id", r#"{"status": "active"}"#),
    ("invoices", "server_id", r#"{"status": "paid"}"#),
    ("analytics", "server_id", r#"{"total_queries": 0}"#),
];

/// May be changed by an admin, in rows of his own.
const CHANGEABLE: [&str; 3] = ["servers", "knowledge_documents", "forwarded_tickets"];

fn tables() -> Vec<Request> {
    let mut attacks = Vec::new();
    for (table, key, change) in TABLES {
        let value = match table {
            "users" => "{other_admin}",
            "billing_plans" => "{plan}",
            "shards" => "3",
            _ => "{theirs}",
        };
        let theirs = format!("/{table}?{key}=eq.{value}");
        let whole = format!("/{table}?{key}=not.is.null");
        let changeable = CHANGEABLE.contains(&table);
        for token in [None, stranger(), admin()] {
            let signed_in = token.is_some();
            let patch = if changeable && signed_in { Expect::Empty } else { DENIED };
            attacks.push(request("change theirs", token.clone(), Method::PATCH, &theirs, change, patch));
            let delete = if table == "knowledge_documents" && signed_in { Expect::Empty } else { DENIED };
            attacks.push(request("delete theirs", token.clone(), Method::DELETE, &theirs, "", delete));
            attacks.push(request(
                "add nothing",
                token.clone(),
                Method::POST,
                &format!("/{table}"),
                "{}",
                DENIED,
            ));
            attacks.push(request(
                "add a change",
                token.clone(),
                Method::POST,
                &format!("/{table}"),
                change,
                DENIED,
            ));
            attacks.push(
                request("upsert", token.clone(), Method::POST, &format!("/{table}"), change, DENIED)
                    .with("Prefer", "resolution=merge-duplicates"),
            );
            if !(changeable && token == admin()) {
                let all = if changeable && signed_in { Expect::Empty } else { DENIED };
                attacks.push(request("change all", token.clone(), Method::PATCH, &whole, change, all));
            }
            if !(table == "knowledge_documents" && token == admin()) {
                let all = if table == "knowledge_documents" && signed_in { Expect::Empty } else { DENIED };
                attacks.push(request("delete all", token, Method::DELETE, &whole, "", all));
            }
        }
    }
    attacks
}

fn columns() -> Vec<Request> {
    let mut attacks = Vec::new();
    let mut patch = |table: &str, body: &str| {
        let key = if table == "servers" { "id" } else { "server_id" };
        let key =
            if table == "users" { "discord_id=eq.5001".to_owned() } else { format!("{key}=eq.{{ours}}") };
        attacks.push(request(
            "a column that is not his",
            admin(),
            Method::PATCH,
            &format!("/{table}?{key}"),
            body,
            DENIED,
        ));
    };
    for body in [
        r#"{"plan_id": "{dear_plan}"}"#,
        r#"{"plan_id": null}"#,
        r#"{"active": true}"#,
        r#"{"config_version": 9223372036854775807}"#,
        r#"{"id": 5}"#,
        r#"{"icon_url": "https://example.org"}"#,
        r#"{"created_at": "2000-01-01"}"#,
        r#"{"updated_at": "2000-01-01"}"#,
        r#"{"name": "fine", "plan_id": "{dear_plan}"}"#,
        r#"{"config": {"enabled": true}, "active": true}"#,
    ] {
        patch("servers", body);
    }
    for body in [
        r#"{"server_id": {theirs}}"#,
        r#"{"id": "{their_document}"}"#,
        r#"{"created_by": "{other_admin}"}"#,
        r#"{"created_by": null}"#,
        r#"{"created_at": "2000-01-01"}"#,
        r#"{"title": "fine", "server_id": {theirs}}"#,
    ] {
        patch("knowledge_documents", body);
    }
    for body in [
        r#"{"server_id": {theirs}}"#,
        r#"{"conversation_id": "{their_conversation}"}"#,
        r#"{"server_id": {theirs}, "conversation_id": "{their_conversation}"}"#,
        r#"{"id": "{their_ticket}"}"#,
        r#"{"forwarded_at": "2000-01-01"}"#,
        r#"{"status": "resolved", "forwarded_at": "2000-01-01"}"#,
    ] {
        patch("forwarded_tickets", body);
    }
    for body in [r#"{"discord_id": "7007"}"#, r#"{"discord_username": "x"}"#, r#"{"id": "{other_admin}"}"#] {
        patch("users", body);
    }
    for body in [r#"{"transcript": []}"#, r#"{"status": "active"}"#, r#"{"server_id": {theirs}}"#] {
        patch("conversations", body);
    }
    patch("subscriptions", r#"{"current_period_end": "2099-01-01"}"#);
    patch("invoices", r#"{"paid_at": "2026-01-01"}"#);
    attacks
}

fn documents() -> Vec<Request> {
    let document = |fields: &str| format!(r#"{{"title": "t", "content": "c", "file_type": "txt"{fields}}}"#);
    let theirs = document(r#", "server_id": {theirs}"#);
    let ours = document(r#", "server_id": {ours}"#);
    let mut attacks = Vec::new();
    for token in [admin(), stranger(), None] {
        let mut post = |name: &str, query: &str, body: &str, prefer: &str| {
            let path = format!("/knowledge_documents{query}");
            let sent = request(name, token.clone(), Method::POST, &path, body, DENIED);
            attacks.push(if prefer.is_empty() { sent } else { sent.with("Prefer", prefer) });
        };
        post("for another server", "", &theirs, "");
        post("for another server, quietly", "", &theirs, "return=minimal");
        post("for another server, unless it is there", "", &theirs, "resolution=ignore-duplicates");
        post("for another server, over it", "", &theirs, "resolution=merge-duplicates");
        post("for both", "", &format!("[{ours},{theirs}]"), "");
        post("for both, without defaults", "", &format!("[{ours},{theirs}]"), "missing=default");
        post(
            "other columns than named",
            "?columns=server_id,title,content,file_type",
            &format!("[{theirs}]"),
            "",
        );
        post("of a known id", "", &document(r#", "server_id": {ours}, "id": "{their_document}""#), "");
        post(
            "over one of a known id",
            "?on_conflict=id",
            &document(r#", "server_id": {ours}, "id": "{their_document}""#),
            "resolution=merge-duplicates",
        );
        post(
            "is there one of that id",
            "?on_conflict=id",
            &document(r#", "server_id": {ours}, "id": "{their_document}""#),
            "resolution=ignore-duplicates",
        );
        post(
            "under another's name",
            "",
            &document(r#", "server_id": {ours}, "created_by": "{other_admin}""#),
            "",
        );
        post("of another day", "", &document(r#", "server_id": {ours}, "created_at": "2000-01-01""#), "");
        post(
            "with everything of theirs in the answer",
            "?select=*,servers(*,knowledge_documents(*))",
            &theirs,
            "",
        );
        let put = request(
            "put",
            token.clone(),
            Method::PUT,
            "/knowledge_documents?id=eq.{their_document}",
            &document(r#", "server_id": {theirs}, "id": "{their_document}""#),
            Expect::Status(&[400, 401, 403, 405]),
        );
        attacks.push(put);
    }
    attacks
}

fn bounds_and_ways() -> Vec<Request> {
    let mut attacks = Vec::new();
    let refused = Expect::Status(&[400]);
    let nested = format!("{{\"config\": {{\"a\": {}1{}}}}}", "[".repeat(300), "]".repeat(300));
    let huge = format!(r#"{{"config": {{"system_prompt": "{}"}}}}"#, "x".repeat(600 * 1024));
    for token in [admin(), service()] {
        for body in [
            r#"{"config": []}"#,
            r#"{"config": "x"}"#,
            r#"{"config": 1}"#,
            r#"{"config": true}"#,
            r#"{"config": {"a": 1e400}}"#,
            r#"{"config": {"a": [{"b": -1e999}]}}"#,
            r#"{"name": null}"#,
            r#"{"config": null}"#,
            nested.as_str(),
            huge.as_str(),
        ] {
            attacks.push(request(
                "a config that stops readers",
                token.clone(),
                Method::PATCH,
                "/servers?id=eq.{ours}",
                body,
                refused,
            ));
        }
        for body in [
            r#"{"status": "assigned"}"#,
            r#"{"status": "closed"}"#,
            r#"{"status": null}"#,
            r#"{"assigned_to": "9"}"#,
            r#"{"status": "assigned", "assigned_to": "@everyone"}"#,
            r#"{"status": "assigned", "assigned_to": "<@&1>"}"#,
            r#"{"status": "assigned", "assigned_to": 9.5}"#,
            r#"{"resolution_notes": "done"}"#,
        ] {
            attacks.push(request(
                "an unlawful way",
                token.clone(),
                Method::PATCH,
                "/forwarded_tickets?server_id=eq.{ours}",
                body,
                refused,
            ));
        }
    }
    attacks
}

/// What not even the backend may do.
fn of_the_service() -> Vec<Request> {
    let mut attacks = Vec::new();
    let refused = Expect::Status(&[400]);
    for body in [
        r#"{"server_id": {theirs}}"#,
        r#"{"conversation_id": "{their_conversation}"}"#,
        r#"{"forwarded_at": "2000-01-01"}"#,
    ] {
        attacks.push(request(
            "a ticket of something else",
            service(),
            Method::PATCH,
            "/forwarded_tickets?server_id=eq.{ours}",
            body,
            refused,
        ));
    }
    for table in [
        "knowledge_documents",
        "conversations",
        "subscriptions",
        "invoices",
        "analytics",
        "server_admins",
        "server_shards",
    ] {
        let path = format!("/{table}?server_id=eq.{{ours}}");
        attacks.push(request(
            "the service moves rows",
            service(),
            Method::PATCH,
            &path,
            r#"{"server_id": {theirs}}"#,
            refused,
        ));
    }
    attacks.push(request(
        "the service's ticket into another's conversation",
        service(),
        Method::POST,
        "/forwarded_tickets",
        r#"{"server_id": {ours}, "conversation_id": "{their_conversation}"}"#,
        Expect::Status(&[409]),
    ));
    attacks.push(request(
        "a bill on another's subscription",
        service(),
        Method::POST,
        "/invoices",
        r#"{"server_id": {ours}, "subscription_id": "{their_subscription}", "amount": 1, "status": "open", "invoice_date": "2026-01-01", "due_date": "2026-01-01"}"#,
        Expect::Status(&[409]),
    ));
    attacks
}

/// Without a condition, and with the admin's own rights: his rows alone are changed. These come last, as they do.
fn without_a_condition() -> Vec<Request> {
    let others = |table: &str, condition: &str| {
        let key = if table == "servers" { "id" } else { "server_id" };
        format!("select not exists (select from public.{table} where {key} <> {{ours}} and {condition})")
    };
    let mut attacks = Vec::new();
    for (table, body, condition) in [
        ("servers", r#"{"name": "mine"}"#, "name = 'mine'"),
        ("servers", r#"{"config": {"enabled": true}}"#, "config ? 'enabled' and config->'enabled' = 'true'"),
        ("knowledge_documents", r#"{"content": "mine"}"#, "content = 'mine'"),
        ("forwarded_tickets", r#"{"status": "assigned", "assigned_to": "9"}"#, "status = 'assigned'"),
        ("forwarded_tickets", r#"{"status": "resolved"}"#, "status = 'resolved'"),
    ] {
        let question: &'static str = Box::leak(others(table, condition).into_boxed_str());
        attacks.push(request(
            "without a condition",
            admin(),
            Method::PATCH,
            &format!("/{table}"),
            body,
            Expect::OwnOnly(question),
        ));
    }
    let question: &'static str =
        "select count(*) = 2 from public.knowledge_documents where server_id <> {ours}";
    attacks.push(request(
        "without a condition",
        admin(),
        Method::DELETE,
        "/knowledge_documents",
        "",
        Expect::OwnOnly(question),
    ));
    attacks
}

#[tokio::test]
async fn nobody_changes_what_is_not_his() {
    let target = Target::new().await;
    let attacks =
        [tables(), columns(), documents(), bounds_and_ways(), of_the_service(), without_a_condition()]
            .concat();
    let ours = "/servers?id=eq.{ours}";
    let controls = vec![
        request(
            "own server",
            admin(),
            Method::PATCH,
            ours,
            r#"{"name": "ours", "config": {"enabled": false}}"#,
            Expect::Empty,
        ),
        request(
            "own server of two",
            both(),
            Method::PATCH,
            "/servers?id=eq.{theirs}",
            r#"{"name": "server 2"}"#,
            Expect::Empty,
        ),
        request(
            "own document",
            admin(),
            Method::POST,
            "/knowledge_documents",
            r#"{"server_id": {ours}, "title": "t", "content": "c", "file_type": "md", "created_by": "{admin}"}"#,
            Expect::Empty,
        ),
        request(
            "own ticket",
            admin(),
            Method::PATCH,
            "/forwarded_tickets?server_id=eq.{ours}",
            r#"{"status": "assigned", "assigned_to": "9"}"#,
            Expect::Empty,
        ),
        request(
            "its release",
            admin(),
            Method::PATCH,
            "/forwarded_tickets?server_id=eq.{ours}",
            r#"{"status": "pending"}"#,
            Expect::Empty,
        ),
        request(
            "the service",
            service(),
            Method::PATCH,
            "/analytics?server_id=eq.{ours}",
            r#"{"total_queries": 41}"#,
            Expect::Empty,
        ),
        request(
            "the service's upsert",
            service(),
            Method::POST,
            "/analytics?on_conflict=server_id,date",
            r#"{"server_id": {ours}, "date": "2026-01-01", "total_queries": 41}"#,
            Expect::Empty,
        )
        .with("Prefer", "resolution=merge-duplicates"),
        get("and it is there", admin(), "/knowledge_documents?title=eq.t", Expect::Empty),
    ];
    run(&target, "PostgREST: writing", attacks, controls, 300).await;
}
