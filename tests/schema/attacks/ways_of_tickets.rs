//! Tickets by unlawful ways: every pair of states that `helpline.ticket_transitions` does not hold.

use super::target::{Target, Who};
use super::{Attack, DENIED, Expect, attack, control, run};

/// How our ticket, which is pending, gets into a state, and that state.
const STATES: [(&str, bool, &[&str]); 4] = [
    ("pending", false, &[]),
    ("assigned", true, &["status = 'assigned', assigned_to = '9'"]),
    ("resolved", true, &["status = 'resolved', assigned_to = '9'"]),
    ("resolved", false, &["status = 'resolved'"]),
];

/// Status, and whether assigned_to names somebody.
const GOALS: [(&str, bool); 6] = [
    ("pending", false),
    ("pending", true),
    ("assigned", false),
    ("assigned", true),
    ("resolved", false),
    ("resolved", true),
];

/// Said again here, so that a mistake in the table is seen.
fn lawful(from: (&str, bool), to: (&str, bool)) -> bool {
    match (from.0, to.0) {
        ("pending", "assigned") | ("assigned", "assigned") | ("resolved", "assigned") => to.1,
        ("assigned", "pending") | ("resolved", "pending") => !to.1,
        ("pending" | "assigned", "resolved") => true,
        _ => false,
    }
}

fn update(change: &str) -> String {
    format!("update public.forwarded_tickets set {change} where id = '{{our_ticket}}'")
}

fn steps() -> (Vec<Attack>, Vec<super::Control>) {
    let (mut attacks, mut controls) = (Vec::new(), Vec::new());
    for who in [Who::admin(), Who::backend(), Who::worker()] {
        for (from, named, way) in STATES {
            for (to, names) in GOALS {
                // Somebody else than before, so that every step changes something.
                let assignee = if names { "'10'" } else { "null" };
                let mut statements: Vec<String> = way.iter().map(|change| update(change)).collect();
                statements.push(update(&format!("status = '{to}', assigned_to = {assignee}")));
                let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
                if lawful((from, named), (to, names)) {
                    controls.push(control(&who, &statements));
                } else if (from, named) != (to, names) || names {
                    let name = format!("{from}, named {named}, to {to}, named {names}");
                    attacks.push(attack(&name, &who, &statements, Expect::Refused(&["HL001"])).undone());
                }
            }
        }
    }
    (attacks, controls)
}

fn columns() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let unlawful = Expect::Refused(&["HL001"]);
    for who in [Who::admin(), Who::backend(), Who::worker()] {
        for (name, change) in [
            ("an unknown status", "status = 'closed'"),
            ("no status", "status = null"),
            ("a status in capitals", "status = 'RESOLVED'"),
            ("notes on an open ticket", "resolution_notes = 'done'"),
            ("notes with a claim", "status = 'assigned', assigned_to = '9', resolution_notes = 'done'"),
            ("an assignee of a pending ticket", "assigned_to = '9'"),
        ] {
            attacks.push(attack(name, &who, &[&update(change)], unlawful));
        }
        for (name, changes, question, answer) in [
            (
                "resolved at another time",
                vec!["status = 'resolved', assigned_to = '9', resolved_at = '2000-01-01'"],
                "select resolved_at > now() - interval '1 day'",
                "t",
            ),
            (
                "resolved, and not at any time",
                vec!["status = 'resolved', resolved_at = null"],
                "select resolved_at is not null",
                "t",
            ),
            (
                "claimed, and resolved at some time",
                vec!["status = 'assigned', assigned_to = '9', resolved_at = now()"],
                "select resolved_at is null",
                "t",
            ),
            (
                "resolved at some time while it is open",
                vec!["resolved_at = now()"],
                "select resolved_at is null",
                "t",
            ),
            (
                "a resolution moved in time",
                vec!["status = 'resolved', assigned_to = '9'", "resolved_at = '2000-01-01'"],
                "select resolved_at > now() - interval '1 day'",
                "t",
            ),
            (
                "reopened with its resolution kept",
                vec![
                    "status = 'resolved', assigned_to = '9', resolution_notes = 'done'",
                    "status = 'pending'",
                ],
                "select coalesce(resolution_notes, resolved_at::text, assigned_to, 'nothing')",
                "nothing",
            ),
        ] {
            let mut statements: Vec<String> = changes.iter().map(|change| update(change)).collect();
            statements.push(format!("{question} from public.forwarded_tickets where id = '{{our_ticket}}'"));
            let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
            attacks.push(attack(name, &who, &statements, Expect::Answer(answer)).undone());
        }
    }
    attacks
}

/// Whole rows: what a ticket was opened for, how it is opened, and by whom.
fn rows() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let unlawful = Expect::Refused(&["HL001"]);
    for who in [Who::backend(), Who::worker()] {
        for change in [
            "id = gen_random_uuid()",
            "conversation_id = '{their_conversation}'",
            "forwarded_at = '2000-01-01'",
            "server_id = {theirs}",
            "server_id = {theirs}, conversation_id = '{their_conversation}'",
        ] {
            let expect = Expect::Refused(&["HL002"]);
            attacks.push(attack("a ticket of something else", &who, &[&update(change)], expect));
        }
        for (name, columns, values) in [
            ("opened as assigned", "status, assigned_to", "'assigned', '9'"),
            ("opened as resolved", "status", "'resolved'"),
            ("opened as resolved by somebody", "status, assigned_to, resolved_at", "'resolved', '9', now()"),
            ("opened as pending for somebody", "assigned_to", "'9'"),
            ("opened with notes", "resolution_notes", "'done'"),
        ] {
            let statement = format!(
                "insert into public.forwarded_tickets (server_id, conversation_id, {columns})
                 values ({{ours}}, '{{our_conversation}}', {values})"
            );
            attacks.push(attack(name, &who, &[&statement], unlawful));
        }
        attacks.push(attack(
            "resolved by a conflict",
            &who,
            &["insert into public.forwarded_tickets (id, server_id, conversation_id)
               values ('{our_ticket}', {ours}, '{our_conversation}')
               on conflict (id) do update set status = 'assigned'"],
            unlawful,
        ));
    }
    for who in [Who::admin(), Who::both(), Who::stranger(), Who::anon()] {
        attacks.push(attack(
            "opened by hand",
            &who,
            &["insert into public.forwarded_tickets (server_id, conversation_id)
               values ({ours}, '{our_conversation}')"],
            DENIED,
        ));
        attacks.push(attack(
            "a role that no transition binds",
            &who,
            &["select set_config('role', 'none', true)", &update("status = 'assigned'")],
            DENIED,
        ));
    }
    attacks
}

#[tokio::test]
async fn a_ticket_goes_lawful_ways_alone() {
    let target = Target::new().await;
    let (mut attacks, controls) = steps();
    attacks.extend(columns());
    attacks.extend(rows());
    run(&target, "tickets", attacks, controls, 80).await;
}
