//! What an admin writes into his own server to hurt others: values that no reader accepts, and too much of them.

use super::target::{Target, Who};
use super::{Expect, attack, control, run};

const CHECKED: Expect = Expect::Refused(&["23514"]);

const TOO_MUCH: &[(&str, &str)] = &[
    ("an empty config", "update public.servers set config = null where id = {ours}"),
    ("no name", "update public.servers set name = null where id = {ours}"),
    ("a name of 201 characters", "update public.servers set name = repeat('n', 201) where id = {ours}"),
    ("a name of a megabyte", "update public.servers set name = repeat('n', 1048576) where id = {ours}"),
    (
        "a document of more than a megabyte",
        "update public.knowledge_documents set content = repeat('word ', 209716) where server_id = {ours}",
    ),
    (
        "a document of 50 megabytes",
        "update public.knowledge_documents set content = repeat('x', 52428800) where server_id = {ours}",
    ),
    (
        "a new document of more than a megabyte",
        "insert into public.knowledge_documents (server_id, title, content, file_type)
                 values ({ours}, 't', repeat('é', 524289), 'txt')",
    ),
    (
        "a title of 1,001 characters",
        "update public.knowledge_documents set title = repeat('t', 1001) where server_id = {ours}",
    ),
    (
        "a document of another kind",
        "update public.knowledge_documents set file_type = 'exe' where server_id = {ours}",
    ),
    (
        "notes of 10,001 characters",
        "update public.forwarded_tickets set status = 'resolved', resolution_notes = repeat('n', 10001)
                 where server_id = {ours}",
    ),
];

const NO_PERSON: &[&str] = &[
    "@everyone",
    "<@&1>",
    "<@1>",
    "",
    " 9",
    "9 ",
    "0",
    "09",
    "-9",
    "9e3",
    "9; drop table public.users",
    "123456789012345678901",
    "９",
    "9\n",
];

fn configs() -> Vec<(&'static str, String)> {
    let nested = |depth: usize| format!("{{\"a\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    vec![
        ("an array", "[]".into()),
        ("null", "null".into()),
        ("a string", "\"x\"".into()),
        ("a number", "1".into()),
        ("true", "true".into()),
        ("an array around an object", "[{\"enabled\": true}]".into()),
        ("a number out of range", "{\"max_text_length\": 1e400}".into()),
        ("a negative number out of range", "{\"a\": -1e400}".into()),
        ("a number with 400 digits", format!("{{\"a\": {}}}", "9".repeat(400))),
        ("a number out of range, deep", "{\"a\": {\"b\": [1, 2, [1e999]]}}".into()),
        ("a number out of range in a list", "{\"channels\": [1e1000]}".into()),
        ("40 arrays inside each other", nested(40)),
        ("200 arrays inside each other", nested(200)),
        ("2,000 arrays inside each other", nested(2_000)),
        ("50 objects inside each other", objects(50)),
        ("1,000 objects inside each other", objects(1_000)),
        ("300 KiB of prompt", format!("{{\"system_prompt\": \"{}\"}}", "x".repeat(300 * 1024))),
        ("8 MiB of prompt", format!("{{\"system_prompt\": \"{}\"}}", "x".repeat(8 * 1024 * 1024))),
        ("50,000 channels", format!("{{\"channels\": [{}0]}}", "123456,".repeat(50_000))),
        ("20,000 keys", {
            let keys: Vec<String> = (0..20_000).map(|n| format!("\"key number {n}\": {n}")).collect();
            format!("{{{}}}", keys.join(","))
        }),
    ]
}

#[tokio::test]
async fn nobody_writes_what_stops_the_readers_of_other_servers() {
    let target = Target::new().await;
    let mut attacks = Vec::new();
    for who in [Who::admin(), Who::backend(), Who::worker()] {
        for (name, config) in configs() {
            let statement = format!("update public.servers set config = '{config}' where id = {{ours}}");
            attacks.push(attack(name, &who, &[&statement], CHECKED));
        }
        for (name, statement) in TOO_MUCH {
            attacks.push(attack(name, &who, &[statement], Expect::Refused(&["23514", "23502"])));
        }
        for assignee in NO_PERSON {
            let statement = format!(
                "update public.forwarded_tickets set status = 'assigned', assigned_to = '{assignee}'
                 where server_id = {{ours}}"
            );
            attacks.push(attack("assigned to no person", &who, &[&statement], CHECKED));
        }
    }
    let controls = vec![
        control(
            &Who::admin(),
            &["update public.servers set config = '{\"a\": {\"b\": [1, [2, 1e200]]}}' where id = {ours}"],
        ),
        // A notification of 8,000 bytes fails, and would take the update with it.
        control(
            &Who::admin(),
            &[
                "update public.servers set config = jsonb_build_object('system_prompt', repeat('x', 65536)) where id = {ours}",
            ],
        ),
        control(&Who::worker(), &["update public.servers set name = repeat('n', 200) where id = {ours}"]),
        control(
            &Who::admin(),
            &[
                "update public.knowledge_documents set content = repeat('word ', 52428) where server_id = {ours}",
            ],
        ),
        control(
            &Who::admin(),
            &["update public.forwarded_tickets set status = 'assigned', assigned_to = '12345678901234567890'
               where server_id = {ours}"],
        ),
    ];
    run(&target, "bounds", attacks, controls, 120).await;
}
