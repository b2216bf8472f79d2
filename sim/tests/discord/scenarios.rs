//! The scenarios that come with the simulator, run for real against a scripted bot; and what a scenario says
//! when it fails or cannot be read.

use crate::bot::{Bot, Flaw};
use helpline_sim::scenario::{Report, Scenario};
use helpline_sim::{Config, Simulator};
use std::path::PathBuf;
use std::process::Command;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

fn read(name: &str) -> Scenario {
    let text = std::fs::read_to_string(path(name)).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

async fn run(scenario: &Scenario, flaw: Flaw) -> Report {
    let simulator = Simulator::start(scenario.config(Config::default())).await.unwrap();
    let bot = Bot::start(&simulator, flaw);
    let report = scenario.run(&simulator).await;
    bot.abort();
    simulator.shutdown().await;
    report
}

async fn passes(name: &str) {
    let flaw = if name == "late.sim" { Flaw::Impatient } else { Flaw::None };
    let report = run(&read(name), flaw).await;
    assert!(report.passed(), "{report}");
    assert!(report.steps > 5);
}

/// Scenarios and the test that runs each.
macro_rules! shipped {
    ($($test:ident: $file:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            passes($file).await;
        })*

        #[test]
        fn every_scenario_that_is_shipped_is_run() {
            let mut shipped: Vec<String> = std::fs::read_dir(path("")).unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            shipped.sort();
            let mut run = vec![$($file.to_owned()),*];
            run.sort();
            assert_eq!(shipped, run);
        }
    };
}

shipped! {
    members_ask_in_every_way_and_are_answered_once: "answer.sim",
    a_dropped_connection_loses_no_question: "drop.sim",
    faults_before_and_after_the_effect_double_no_answer: "faults.sim",
    limits_slow_down_and_lose_nothing: "limits.sim",
    broken_deliveries_lose_nothing_and_double_nothing: "delivery.sim",
    a_late_answer_is_not_said_again: "late.sim",
    a_clock_that_is_off_confuses_nobody: "clock.sim",
    servers_go_away_and_come_back: "servers.sim",
    a_logical_clock_passes_weeks_at_once: "logical.sim",
}

#[tokio::test]
async fn a_bot_that_posts_without_a_nonce_is_caught_doubling() {
    let report = run(&read("faults.sim"), Flaw::NoNonce).await;
    assert!(!report.passed());
    let first = &report.failures[0];
    assert!(first.step.starts_with("expect answers to q1 = 1"), "{report}");
    assert!(first.why.contains("expected answers to q1 = 1, found "), "{report}");
}

#[tokio::test]
async fn a_bot_that_never_resumes_is_caught_losing() {
    let text = std::fs::read_to_string(path("drop.sim")).unwrap().replace("20s", "1s").replace("30s", "5s");
    let report = run(&text.parse().unwrap(), Flaw::NeverResumes).await;
    let resumed = report.failures.iter().any(|failure| failure.step.starts_with("expect count resumed"));
    assert!(resumed, "{report}");
}

#[tokio::test]
async fn a_failed_expectation_is_told_with_its_line_and_the_rest_goes_on() {
    let text = "set servers 1\nname shop = server 1\nname help = shop support\nname ada = shop member 1\n\
                say ada in help \"anyone?\" as q1\nexpect answer to q1 within 50ms\n\
                expect sessions = 3\nexpect count member_message = 1\nwait until sessions > 0 within 50ms\nnote \"never\"";
    let scenario: Scenario = text.parse().unwrap();
    let simulator = Simulator::start(scenario.config(Config::default())).await.unwrap();
    let report = scenario.run(&simulator).await;
    let failed: Vec<(usize, &str)> =
        report.failures.iter().map(|failure| (failure.line, failure.why.as_str())).collect();
    assert_eq!(failed.len(), 3, "{report}");
    assert_eq!(failed[0].0, 6);
    assert!(failed[0].1.contains("q1 has no answer"));
    assert_eq!(failed[1], (7, "expected sessions = 3, found 0"));
    assert_eq!(failed[2].0, 9);
    assert!(failed[2].1.ends_with("the scenario ends here"), "a wait that fails ends it");
    assert!(report.to_string().contains("line 7: expect sessions = 3"), "{report}");
}

#[test]
fn what_cannot_be_read_is_told_by_line_column_and_what_was_expected() {
    let start = "name shop = server 1\nname help = shop support\nname ada = shop member 1\n";
    for (line, column, says) in [
        ("say ada help \"x\"", 9, "expected `in`, found \"help\""),
        ("say bob in help \"x\"", 5, "nothing is called \"bob\"; names of a member are: ada"),
        ("say help in help \"x\"", 5, "expected the name of a member, but help is a channel"),
        ("say ada in help x", 17, "expected what is said in quotes, found \"x\""),
        ("say ada in help \"x", 17, "this text has no closing quote"),
        ("say ada in help \"x\" as shop", 24, "shop is already a server"),
        ("shout ada", 1, "there is no step \"shout\"; there are say, reply"),
        ("wait soon", 6, "such as 250ms, 5s or 2m, found \"soon\""),
        ("wait 5s more", 9, "expected the end of the line"),
        ("expect counter tea = 1", 16, "there is no counter \"tea\"; there are"),
        ("expect count teas = 1", 14, "there are no entries \"teas\"; there are"),
        ("expect sessions 3", 17, "expected one of `=`, `!=`"),
        ("fault nowhere reset", 7, "unknown route \"nowhere\""),
        ("fault any status 200", 18, "from 400 to 599, not 200"),
        ("fault any reset chance 120%", 24, "expected a chance such as 20%"),
        ("gateway explode", 9, "unknown variant `explode`"),
        ("gateway drop_after events=0", 9, "at least 1"),
        ("limits typing 0/5s", 15, "route=requests/seconds"),
        ("clock drift fast", 13, "a drift such as 200ppm"),
        ("repeat 3", 1, "this `repeat` has no `end`"),
        ("end", 1, "there is no `repeat`"),
        ("wait 1s\nset seed 3", 1, "before the first step"),
        ("press ada \"x\" on answer to q9", 28, "nothing is called \"q9\""),
    ] {
        let error = format!("{start}{line}").parse::<Scenario>().unwrap_err();
        let at = 4 + line.matches('\n').count();
        assert_eq!((error.line, error.column), (at, column), "{line}: {error}");
        assert!(error.message.contains(says), "{line}: {error}");
    }
}

#[tokio::test]
async fn waiting_moves_a_logical_clock_and_takes_no_time() {
    let text = "set servers 1\nset clock logical from 2026-01-01T00:00:00Z\nname shop = server 1\n\
                name ada = shop member 1\nwait 10h\nat 5h\nat 12h\nclock advance 1h\nclock offset +1m";
    let scenario: Scenario = text.parse().unwrap();
    let simulator = Simulator::start(scenario.config(Config::default())).await.unwrap();
    let report = scenario.run(&simulator).await;
    assert!(report.passed(), "{report}");
    assert!(report.took_ms < 60_000, "{report}");
    // 2026-01-01T13:01:00Z
    assert_eq!(simulator.now_ms(), 1_767_225_600_000 + 13 * 3_600_000 + 60_000);
}

#[test]
fn repetitions_count_and_nest() {
    let text = "name shop = server 1\nname help = shop support\nname ada = shop member 1\n\
                repeat 2 as i\nsay ada in help \"{i}\" as q{i}\nrepeat 3\nwait 1ms\nend\nend\n\
                expect answers to q2 = 0";
    text.parse::<Scenario>().unwrap();
    assert!(text.replace("q2", "q3").parse::<Scenario>().is_err(), "there were only two");
}

#[test]
fn the_program_ends_with_the_status_of_the_scenario() {
    let dir = std::env::temp_dir().join(format!("helpline-scenario-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let run = |name: &str, text: &str| {
        let file = dir.join(name);
        std::fs::write(&file, text).unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_discord-sim")).arg("--scenario").arg(&file).output();
        let output = program.unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    };
    let (status, said) = run("good.sim", "title \"Nobody comes\"\nexpect sessions = 0");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("passed: Nobody comes"), "{said}");
    let (status, said) = run("bad.sim", "title \"Somebody\"\nexpect sessions = 1");
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("line 2: expect sessions = 1") && said.contains("found 0"), "{said}");
    let (status, said) = run("wrong.sim", "expect tea");
    assert_eq!(status, Some(1));
    assert!(said.contains("wrong.sim: line 1, column 8"), "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}
