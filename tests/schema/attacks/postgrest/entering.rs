//! Coming in: tokens that are none, roles that are not given, schemas and functions that are not exposed.

use reqwest::Method;
use serde_json::{Value, json};

use super::tokens::{SECRET, admin, base64url, person, service, signed, signed_as, stranger};
use super::{ABSENT, DENIED, Expect, Request, get, request, run};
use crate::attacks::target::{Target, fill};

fn hs256() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

fn claims(user: &str, role: &str) -> Value {
    json!({ "sub": fill(user), "role": role })
}

/// Tokens that are not ours, or say what must not be believed.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let good = person("{admin}").expect("a token");
    let parts: Vec<&str> = good.split('.').collect();
    let service_claims = base64url(claims("{admin}", "service_role").to_string().as_bytes());
    let other_claims = base64url(claims("{other_admin}", "authenticated").to_string().as_bytes());
    let none = |alg: &str| base64url(json!({ "alg": alg, "typ": "JWT" }).to_string().as_bytes());
    let mut list = vec![
        ("no algorithm", format!("{}.{}.", none("none"), service_claims)),
        ("no algorithm, oddly written", format!("{}.{}.", none("nOnE"), service_claims)),
        ("no algorithm, with the old signature", format!("{}.{}.{}", none("none"), parts[1], parts[2])),
        ("no algorithm, and two parts", format!("{}.{}", none("none"), service_claims)),
        ("another role under the old signature", format!("{}.{service_claims}.{}", parts[0], parts[2])),
        ("another user under the old signature", format!("{}.{other_claims}.{}", parts[0], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("a shorter signature", good[..good.len() - 2].to_owned()),
        ("a longer signature", format!("{good}AA")),
        ("one part", parts[0].to_owned()),
        ("five parts", format!("{good}.{}.{}", parts[1], parts[2])),
        ("garbage", "garbage".to_owned()),
        ("an empty payload", format!("{}..{}", parts[0], parts[2])),
    ];
    for (name, secret) in [
        ("another secret", "another secret, long enough for HS256 too"),
        ("an empty secret", ""),
        ("the secret in capitals", &SECRET.to_uppercase()),
        (
            "the well-known secret of a local Supabase",
            "super-secret-jwt-token-with-at-least-32-characters-long",
        ),
        ("the name of the algorithm as secret", "HS256"),
    ] {
        list.push((name, signed_as(&hs256(), &claims("{admin}", "service_role"), secret)));
    }
    for (name, header) in [
        ("HS512 in name", json!({ "alg": "HS512" })),
        ("RS256 in name", json!({ "alg": "RS256" })),
        ("ES256 in name", json!({ "alg": "ES256" })),
        ("no algorithm in the header", json!({ "typ": "JWT" })),
        (
            "a key of its own",
            json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "YQ" }, "kid": "../../dev/null" }),
        ),
    ] {
        let secret = if header.get("jwk").is_some() { "a" } else { SECRET };
        list.push((name, signed_as(&header, &claims("{admin}", "service_role"), secret)));
    }
    for (name, extra) in [
        ("expired", json!({ "exp": 1_000_000_000 })),
        ("expired long ago", json!({ "exp": 1 })),
        ("not yet valid", json!({ "nbf": 4_000_000_000_u64 })),
        ("issued in the future", json!({ "iat": 4_000_000_000_u64 })),
        ("an expiry that is no number", json!({ "exp": "never" })),
    ] {
        let mut claims = claims("{admin}", "authenticated");
        claims.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        list.push((name, signed(&claims)));
    }
    list.extend(carelessly_issued());
    list
}

/// Signed with the right secret: what a careless issuer might hand out.
fn carelessly_issued() -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    for role in [
        "postgres",
        "helpline_worker",
        "helpline_proxy",
        "helpline_web",
        "pg_read_all_data",
        "pg_monitor",
        "nobody",
        "authenticated; set role postgres",
        "\"postgres\"",
        "none",
        "default",
    ] {
        list.push(("a role that the login may not take", signed(&claims("{admin}", role))));
    }
    for (name, claims) in [
        ("no role", json!({ "sub": fill("{admin}") })),
        ("an empty role", json!({ "sub": fill("{admin}"), "role": "" })),
        ("a list of roles", json!({ "sub": fill("{admin}"), "role": ["service_role"] })),
        ("a role in a role", json!({ "sub": fill("{admin}"), "role": { "role": "service_role" } })),
        ("a role of null", json!({ "sub": fill("{admin}"), "role": null })),
        ("a role elsewhere", json!({ "sub": fill("{admin}"), "app_metadata": { "role": "service_role" } })),
        ("a list of claims", json!([{ "sub": fill("{admin}"), "role": "service_role" }])),
        ("a sub that is no uuid", json!({ "sub": "5001", "role": "authenticated" })),
        ("a list of subs", json!({ "sub": [fill("{admin}")], "role": "authenticated" })),
        ("a sub of an object", json!({ "sub": { "sub": fill("{admin}") }, "role": "authenticated" })),
    ] {
        list.push((name, signed(&claims)));
    }
    list
}

/// Signed rightly, and nobody's: lists are empty.
fn nobodys_tokens() -> Vec<(&'static str, String)> {
    [
        ("no sub", json!({ "role": "authenticated" })),
        ("a sub of null", json!({ "sub": null, "role": "authenticated" })),
        ("an empty sub", json!({ "sub": "", "role": "authenticated" })),
        ("a sub of nobody", json!({ "sub": "00000000-0000-0000-0000-000000000000", "role": "authenticated" })),
        ("a sub elsewhere", json!({ "role": "authenticated", "user": { "sub": fill("{admin}") } })),
        ("a sub in capitals", json!({ "role": "authenticated", "SUB": fill("{admin}") })),
        ("a server in the claims", json!({ "sub": fill("{stranger}"), "role": "authenticated", "servers": [fill("{ours}")] })),
        ("a Discord id in the claims", json!({ "sub": fill("{stranger}"), "role": "authenticated", "user_metadata": { "provider_id": "5001" } })),
    ]
    .map(|(name, claims)| (name, signed(&claims)))
    .into()
}

fn tokens() -> Vec<Request> {
    let mut attacks = Vec::new();
    let refused = Expect::Status(&[400, 401, 403]);
    for (name, token) in bad_tokens() {
        attacks.push(get(name, Some(token.clone()), "/conversations?select=*", refused));
        let body = r#"{"server_id": "{ours}", "user_id": "{stranger}"}"#;
        attacks.push(request(name, Some(token), Method::POST, "/server_admins", body, refused));
    }
    for (name, token) in nobodys_tokens() {
        attacks.push(get(name, Some(token.clone()), "/conversations?select=*", Expect::Empty));
        attacks.push(get(name, Some(token.clone()), "/servers?select=*", Expect::Empty));
        attacks.push(request(
            name,
            Some(token),
            Method::DELETE,
            "/knowledge_documents?id=not.is.null",
            "",
            Expect::Empty,
        ));
    }
    // A token, or what it would say, by another way than the Authorization header.
    let service = service().expect("a token");
    for (header, value) in [
        ("apikey", service.as_str()),
        ("X-Authorization", &format!("Bearer {service}")),
        ("Cookie", &format!("sb-access-token={service}; jwt={service}")),
        ("Authorization", &format!("Basic {service}")),
        ("Authorization", &format!("Token {service}")),
        ("Authorization", &service),
        ("request.jwt.claims", r#"{"sub": "{admin}", "role": "service_role"}"#),
        ("request.jwt.claim.sub", "{admin}"),
        ("role", "service_role"),
        ("X-Role", "service_role"),
        ("X-Forwarded-User", "{admin}"),
    ] {
        attacks.push(get("a token elsewhere", None, "/conversations", DENIED).with(header, value));
    }
    for query in ["jwt", "token", "access_token", "apikey", "authorization"] {
        let path = format!("/conversations?{query}={service}");
        attacks.push(get("a token in the address", None, &path, Expect::Status(&[400, 401, 403])));
    }
    attacks
}

fn schemas() -> Vec<Request> {
    let mut attacks = Vec::new();
    for (schema, table) in [
        ("helpline", "outbox"),
        ("helpline", "conversations_default"),
        ("helpline", "conversations_third"),
        ("helpline", "pending_admins"),
        ("helpline", "shard_fences"),
        ("auth", "users"),
        ("pg_catalog", "pg_authid"),
        ("information_schema", "tables"),
        ("public,helpline", "outbox"),
        ("*", "outbox"),
        ("\"helpline\"", "outbox"),
    ] {
        for token in [None, admin(), service()] {
            attacks.push(
                get("another schema", token.clone(), &format!("/{table}"), ABSENT)
                    .with("Accept-Profile", schema),
            );
            attacks.push(
                request("another schema", token.clone(), Method::POST, &format!("/{table}"), "{}", ABSENT)
                    .with("Content-Profile", schema),
            );
            attacks.push(
                request("another schema", token, Method::DELETE, &format!("/{table}"), "", ABSENT)
                    .with("Content-Profile", schema),
            );
        }
    }
    for path in [
        "/outbox",
        "/conversations_default",
        "/conversations_third",
        "/pending_admins",
        "/placing_lock",
        "/ticket_transitions",
        "/helpline.outbox",
        "/helpline%2Eoutbox",
        "/auth.users",
        "/pg_authid",
        "/pg_stats",
        "/pg_shadow",
        "/pg_class",
        "/%22helpline%22.%22outbox%22",
        "/servers,outbox",
        "/servers%3Bselect%201",
        "/knowledge_passages",
        "/event_keys",
    ] {
        for token in [None, admin(), service()] {
            attacks.push(get("a table that is not exposed", token, path, ABSENT));
        }
    }
    attacks
}

fn functions() -> Vec<Request> {
    let mut attacks = Vec::new();
    for (function, arguments) in [
        ("set_updated_at", "{}"),
        ("notify_server_config_changed", "{}"),
        ("add_servers", r#"{"ids": [5]}"#),
        ("admit_pending_admins", "{}"),
        ("guard_ticket", "{}"),
        ("ticket_actor", "{}"),
        ("refuse_to_move", "{}"),
        ("uid", "{}"),
        ("auth.uid", "{}"),
        ("helpline.add_servers", r#"{"ids": [5]}"#),
        ("set_config", r#"{"setting_name": "role", "new_value": "postgres", "is_local": false}"#),
        ("current_setting", r#"{"setting_name": "request.jwt.claims"}"#),
        ("pg_notify", r#"{"channel": "server_config_changed", "payload": "x"}"#),
        ("pg_advisory_lock", r#"{"key": 1}"#),
        ("pg_sleep", r#"{"seconds": 60}"#),
        ("pg_read_file", r#"{"filename": "/etc/passwd"}"#),
        ("pg_terminate_backend", r#"{"pid": 1}"#),
        ("query_to_xml", r#"{"query": "select * from helpline.outbox"}"#),
        ("lo_import", r#"{"filename": "/etc/passwd"}"#),
        ("dblink", r#"{"query": "select 1"}"#),
        ("version", "{}"),
        ("exec_sql", r#"{"sql": "select 1"}"#),
    ] {
        let path = format!("/rpc/{function}");
        for token in [None, admin(), service()] {
            attacks.push(request("call a function", token.clone(), Method::POST, &path, arguments, ABSENT));
            attacks.push(get("call a function", token, &path, ABSENT));
        }
    }
    for token in [None, admin()] {
        attacks.push(
            request(
                "call it in its schema",
                token.clone(),
                Method::POST,
                "/rpc/add_servers",
                r#"{"ids": [5]}"#,
                ABSENT,
            )
            .with("Content-Profile", "helpline"),
        );
        attacks.push(
            request(
                "call it with its rows",
                token,
                Method::POST,
                "/rpc/add_servers?select=*",
                r#"[{"ids": [5]}]"#,
                ABSENT,
            )
            .with("Prefer", "params=single-object"),
        );
    }
    attacks
}

#[tokio::test]
async fn nobody_comes_in_as_somebody_else_or_where_nothing_is_exposed() {
    let target = Target::new().await;
    let attacks = [tokens(), schemas(), functions()].concat();
    let controls = vec![
        get("an admin", admin(), "/conversations", Expect::Empty),
        get("the service", service(), "/conversations?server_id=eq.{theirs}", Expect::Empty),
        get("a stranger", stranger(), "/billing_plans", Expect::Empty),
        get("the schema by its name", admin(), "/servers", Expect::Empty).with("Accept-Profile", "public"),
    ];
    run(&target, "PostgREST: entering", attacks, controls, 300).await;
}
