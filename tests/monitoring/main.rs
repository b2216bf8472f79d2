//! Boards and alerts, as files and against a real Prometheus that scrapes a running demo.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

mod files;
mod prometheus;

use std::collections::BTreeSet;
use std::process::Command;

use files::{Alert, alerts, boards, root, text};
use prometheus::World;

/// Expressions that return nothing when all is well, or when no model is set: panels by title and query, alerts by name.
const EMPTY_WHEN_WELL: &[&str] =
    &["overview: What fires", "answers: Time of a completion: 19 of 20", "HelplineNoProxy"];

#[test]
fn the_rules_are_right_and_every_alert_fires_when_it_should_and_only_then() {
    let tests = files::in_dir("grafana/alerts/tests");
    run("promtool", &["check", "rules", "grafana/alerts/helpline.yml"]);
    let paths: Vec<&str> = tests.iter().map(String::as_str).collect();
    run("promtool", &[&["test", "rules"], paths.as_slice()].concat());
    let written: String = tests.iter().map(|path| text(path)).collect();
    for Alert { name, severity, .. } in alerts() {
        for case in ["fires", "is quiet"] {
            let case = format!("- name: \"{name} {case} when ");
            assert!(written.contains(&case), "no unit test begins with: {case}");
        }
        let fires = format!("alertname=\"{name}\", severity=\"{severity}\"");
        assert!(written.contains(&fires), "no unit test expects {fires}");
    }
}

#[test]
fn every_alert_says_what_it_is_and_has_a_runbook_that_names_it() {
    let alerts = alerts();
    assert!(alerts.len() > 20, "{} alerts were read", alerts.len());
    for alert in &alerts {
        assert!(["page", "ticket"].contains(&alert.severity.as_str()), "{}: severity", alert.name);
        assert!(alert.has_summary && alert.has_description, "{}: summary and description", alert.name);
        let page = format!("docs/runbooks/{}", alert.runbook);
        let runbook = files::maybe(&page).unwrap_or_else(|| panic!("{}: {page} is not there", alert.name));
        for named in [&runbook, &text("docs/runbooks/README.md")] {
            assert!(
                named.contains(&format!("`{}`", alert.name)),
                "{page} or the list leave out {}",
                alert.name
            );
        }
    }
    let known: BTreeSet<&str> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    for page in files::in_dir("docs/runbooks") {
        for name in text(&page).split('`').filter(|word| word.starts_with("Helpline") && word.len() > 8) {
            assert!(known.contains(name), "{page} names {name}, which is no alert");
        }
        let sections = ["## Who is hurt", "## How to look", "## How to mend", "## How to prevent"];
        let of_alert = alerts.iter().any(|alert| page.ends_with(&format!("/{}", alert.runbook)));
        for section in sections.iter().filter(|_| of_alert) {
            assert!(text(&page).contains(section), "{page} has no section {section}");
        }
    }
}

#[test]
fn runbooks_name_only_commands_settings_and_metrics_that_exist() {
    let declared = [text("src/metrics.rs"), text("src/proxy/metrics.rs")].join("\n");
    for page in files::in_dir("docs/runbooks") {
        for command in files::commands(&text(&page)) {
            let (words, flags): (Vec<&str>, Vec<&str>) = files::words_and_flags(&command);
            let asked =
                Command::new(env!("CARGO_BIN_EXE_helpline")).args(&words).arg("--help").output().unwrap();
            let help = String::from_utf8_lossy(&asked.stdout);
            assert!(asked.status.success(), "{page}: there is no `{command}`");
            for flag in flags {
                assert!(help.contains(flag), "{page}: `{command}` does not know {flag}");
            }
        }
        for name in files::metrics(&text(&page)) {
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .fold(name.as_str(), |name, end| name.trim_end_matches(end));
            assert!(declared.contains(&format!("\"{family}\"")), "{page} names {name}, which nobody records");
        }
    }
}

#[test]
fn boards_are_what_their_script_writes_and_every_panel_says_what_it_shows() {
    run("python3", &["grafana/boards.py", "--check"]);
    for board in boards() {
        assert!((5..=20).contains(&board.panels.len()), "{}: {} panels", board.name, board.panels.len());
        assert!(board.links_to_others, "{} does not link to the other boards", board.name);
        for panel in &board.panels {
            let name = format!("{}: {}", board.name, panel.title);
            assert!(panel.description.len() > 10, "{name} has no description");
            assert!(!panel.unit.is_empty(), "{name} has no unit");
            assert!(!panel.queries.is_empty(), "{name} shows nothing");
            for page in &panel.runbooks {
                assert!(
                    files::maybe(&format!("docs/runbooks/{page}")).is_some(),
                    "{name}: {page} is not there"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_real_prometheus_that_scrapes_the_demo_has_data_for_every_panel_and_every_alert() {
    let world = World::start().await;
    let mut asked = Vec::new();
    for board in boards() {
        for panel in &board.panels {
            for (legend, query) in &panel.queries {
                let of = if legend.is_empty() { String::new() } else { format!(": {legend}") };
                asked.push((format!("{}: {}{of}", board.name, panel.title), files::filled_in(query)));
            }
        }
    }
    // With `bool` a comparison says 0 instead of nothing: that is data, unless a name is wrong.
    asked.extend(alerts().into_iter().map(|alert| (alert.name, files::with_bool(&alert.expr))));
    let allowed = EMPTY_WHEN_WELL.len() * 10;
    assert!(allowed <= asked.len(), "{} expressions, more than a tenth excused", asked.len());
    for excused in EMPTY_WHEN_WELL {
        assert!(asked.iter().any(|(name, _)| name == excused), "{excused} is no expression");
    }
    let wanted: Vec<_> =
        asked.iter().filter(|(name, _)| !EMPTY_WHEN_WELL.contains(&name.as_str())).cloned().collect();
    let empty = world.without_data(&wanted).await;
    assert!(empty.is_empty(), "no data for {} of {}: {empty:#?}", empty.len(), wanted.len());
    assert_eq!(world.broken_rules().await, Vec::<String>::new());
    assert_eq!(world.firing().await, Vec::<String>::new(), "fires though all is well");
    assert_eq!(world.without_help().await, BTreeSet::new(), "metrics without a help text");
    world.end().await;
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `make setup` installs it"));
    let said = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].join("\n");
    assert!(output.status.success(), "{program} {args:?}:\n{said}");
}
