//! Tokens that say something odd: what PostgREST would pass on as `request.jwt.claims`.

use super::target::{Target, Who};
use super::{DENIED, Expect, attack, control, run};

/// Nobody can be read out of these.
const NOBODY: &[&str] = &[
    "",
    "{}",
    "null",
    "[]",
    "1",
    "true",
    r#""{admin}""#,
    r#"[{"sub": "{admin}"}]"#,
    r#"[["sub", "{admin}"]]"#,
    r#"{"sub": null}"#,
    r#"{"sub": ""}"#,
    r#"{"Sub": "{admin}"}"#,
    r#"{"SUB": "{admin}"}"#,
    r#"{" sub": "{admin}"}"#,
    r#"{"claims": {"sub": "{admin}"}}"#,
    r#"{"user_id": "{admin}", "uid": "{admin}", "id": "{admin}"}"#,
    r#"{"role": "service_role"}"#,
    r#"{"role": "postgres", "email": "admin@example.org"}"#,
    r#"{"sub": "00000000-0000-0000-0000-000000000000"}"#,
    r#"{"sub": "{stranger}", "role": "service_role"}"#,
    r#"{"sub": "{stranger}", "discord_id": "5001", "user_metadata": {"sub": "{admin}"}}"#,
    r#"{"sub": "{stranger}", "app_metadata": {"provider_id": "5001", "servers": ["{ours}"], "admin": true}}"#,
    r#"{"sub": "{admin}", "sub": "{stranger}"}"#,
    r#"{"sub": "{stranger}", "is_anonymous": true, "aal": "aal2"}"#,
];

/// These are no claims at all, and every request that carries them fails.
const MALFORMED: &[&str] = &[
    "{",
    r#"{"sub": "{admin}""#,
    r#"{"sub": "{admin}"} {"sub": "{admin}"}"#,
    r#"{'sub': '{admin}'}"#,
    "sub={admin}",
    r#"{"sub": "{admin}x"}"#,
    r#"{"sub": "{admin} "}"#,
    r#"{"sub": "{admin},{other_admin}"}"#,
    r#"{"sub": "{admin}' or true --"}"#,
    r#"{"sub": "*"}"#,
    r#"{"sub": "5001"}"#,
    r#"{"sub": 5001}"#,
    r#"{"sub": true}"#,
    r#"{"sub": ["{admin}"]}"#,
    r#"{"sub": {"sub": "{admin}"}}"#,
    r#"{"sub": "urn:uuid:{admin}"}"#,
    r#"{"sub": "{admin}\u0000"}"#,
    r#"{"sub": "\ud800"}"#,
];

const TRIES: [(&str, &str); 4] = [
    ("read servers", "select * from public.servers"),
    ("read talk", "select * from public.conversations"),
    ("resolve tickets", "update public.forwarded_tickets set status = 'resolved'"),
    ("delete documents", "delete from public.knowledge_documents"),
];

#[tokio::test]
async fn a_token_that_names_nobody_opens_nothing() {
    let target = Target::new().await;
    let mut attacks = Vec::new();
    for (name, statement) in TRIES {
        for claims in NOBODY {
            attacks.push(attack(name, &Who::claiming(claims), &[statement], Expect::NoRow));
        }
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let huge = format!(r#"{{"sub": "{}"}}"#, "a".repeat(2_000_000));
        let refused = Expect::Refused(&["22P02", "22P05", "54001"]);
        for claims in MALFORMED.iter().copied().chain([nested.as_str(), huge.as_str()]) {
            attacks.push(attack(name, &Who::claiming(claims), &[statement], refused));
        }
    }
    // The older form of the setting does not overrule the newer.
    attacks.push(attack(
        "two forms of claims",
        &Who::stranger(),
        &["select set_config('request.jwt.claim.sub', '{admin}', true)", "select * from public.servers"],
        Expect::NoRow,
    ));
    // Claims are nothing to roles that no policy asks for them.
    for who in [Who::anon(), Who::web(), Who::proxy()] {
        for statement in ["select * from public.conversations", "select * from public.server_admins"] {
            attacks.push(attack(
                "claims of an admin in another role",
                &who,
                &["select set_config('request.jwt.claims', '{\"sub\": \"{admin}\"}', true)", statement],
                DENIED,
            ));
        }
    }
    let controls = vec![
        control(&Who::claiming(r#"{"sub": "{admin}"}"#), &["select * from public.servers"]),
        control(
            &Who::claiming(r#"{"sub": "{admin}", "role": "authenticated", "extra": [1, {}]}"#),
            &["delete from public.knowledge_documents"],
        ),
        control(
            &Who::unclaimed(),
            &[
                "select set_config('request.jwt.claim.sub', '{admin}', true)",
                "select * from public.conversations",
            ],
        ),
    ];
    run(&target, "claims", attacks, controls, 180).await;
}
