//! Every command and every variable that is rendered, given to the program itself.

use std::collections::BTreeMap;
use std::process::Command;

use clap::{Args, FromArgMatches};
use helpline::cli::MigrateArgs;
use helpline::config::{ProxyArgs, WorkerArgs};
use serde_json::Value;

use crate::helm::{Case, Pod, cases, list, text};

/// Read by others than the command line.
const ELSEWHERE: [&str; 1] = ["RUST_BACKTRACE"];

#[test]
fn every_command_exists_and_knows_each_variable_that_it_gets() {
    let mut helps = BTreeMap::new();
    let mut checked = 0;
    for case in cases() {
        for pod in case.pods() {
            for container in pod.own_containers() {
                assert!(container["command"].is_null(), "the image's own entry point starts the program");
                let args: Vec<&str> = list(&container["args"]).iter().map(text).collect();
                let help = helps.entry(args.clone()).or_insert_with(|| help(&args));
                for variable in list(&container["env"]) {
                    let name = text(&variable["name"]);
                    let known = [format!("[env: {name}]"), format!("[env: {name}=")];
                    let known = known.iter().any(|known| help.contains(known));
                    assert!(
                        known || name == "RUST_LOG" || ELSEWHERE.contains(&name),
                        "{}: {} knows no {name}: {help}",
                        case.name,
                        args.join(" ")
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

/// Of a command that is there.
pub fn help(args: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_helpline"))
        .args(args)
        .arg("--help")
        .env_clear()
        .output()
        .expect("the program starts");
    assert!(done.status.success(), "no command {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_program_takes_every_value_that_it_is_given() {
    for case in cases() {
        for pod in case.pods() {
            for container in pod.own_containers() {
                let env = environment(case, pod, container);
                let told = taken(text(&container["args"][0]), &env);
                assert_eq!(told, Ok(()), "{}: {:?}: {env:#?}", case.name, pod.of);
            }
        }
    }
}

/// Through the same parser and checks that the role itself begins with.
pub fn taken(role: &str, env: &BTreeMap<String, String>) -> Result<(), String> {
    match role {
        "proxy" => parsed::<ProxyArgs>(env)?.resolve().map(drop).map_err(|error| error.to_string()),
        "worker" => parsed::<WorkerArgs>(env)?.resolve().map(drop).map_err(|error| error.to_string()),
        "migrate" => {
            let args = parsed::<MigrateArgs>(env)?;
            let sign_ins = args.sign_in.resolve().map_err(|error| error.to_string())?;
            assert!(env.contains_key("DATABASE_URL"));
            assert!(sign_ins.len() <= 2);
            Ok(())
        }
        // Their arguments are those of the stores, which the roles have too.
        "doctor" | "config" | "knowledge" => Ok(()),
        other => panic!("no check for {other}"),
    }
}

fn parsed<A: Args + FromArgMatches>(env: &BTreeMap<String, String>) -> Result<A, String> {
    let command = A::augment_args(clap::Command::new("helpline"));
    let mut line = vec!["helpline".to_owned()];
    for argument in command.get_arguments() {
        let name = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        if let (Some(value), Some(long)) = (name.and_then(|name| env.get(&name)), argument.get_long()) {
            line.push(format!("--{long}={value}"));
        }
    }
    let matches = command.try_get_matches_from(line).map_err(|error| error.to_string())?;
    A::from_arg_matches(&matches).map_err(|error| error.to_string())
}

/// What the container's process would see.
fn environment(case: &Case, pod: Pod<'_>, container: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for variable in list(&container["env"]) {
        let name = text(&variable["name"]).to_owned();
        let from = &variable["valueFrom"];
        let value = if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
            assert_eq!(path, "metadata.name");
            "helpline-proxy-0".to_owned()
        } else if from["secretKeyRef"].is_object() {
            let (secret, key) = (text(&from["secretKeyRef"]["name"]), text(&from["secretKeyRef"]["key"]));
            match case.makes_secret(secret) {
                true => case
                    .secret(secret, key)
                    .unwrap_or_else(|| panic!("{}: {:?}: no {key} in {secret}", case.name, pod.of)),
                false => of_others(&name),
            }
        } else {
            text(&variable["value"]).to_owned()
        };
        let value = match name.as_str() {
            "EMBEDDING_MODEL_DIR" => sentence_model(),
            _ => value,
        };
        assert_eq!(all.insert(name.clone(), value), None, "{}: {name} stands twice", case.name);
    }
    all
}

/// What the operator keeps in a Secret of his own.
fn of_others(name: &str) -> String {
    match name {
        "DATABASE_URL" | "DATABASE_SESSION_URL" => "postgres://owner:x@db/helpline",
        "WORKER_DATABASE_URL" => "postgres://helpline_worker:x@db/helpline",
        "PROXY_DATABASE_URL" => "postgres://helpline_proxy:x@db/helpline",
        "REDIS_URL" => "redis+sentinel://a:26379,b:26379/mymaster",
        "DISCORD_TOKEN" | "MODEL_API_KEY" | "EMBEDDING_API_KEY" => "word",
        other => panic!("{other} from a Secret"),
    }
    .to_owned()
}

/// A directory that looks like a sentence model's.
fn sentence_model() -> String {
    static DIR: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("config.json"), "{}").expect("a file");
        dir
    });
    dir.path().to_string_lossy().into_owned()
}

#[test]
fn the_roles_of_one_release_agree() {
    for case in cases() {
        let of = |role: &str| {
            let pod = case.role(role);
            environment(case, pod, &pod.spec["containers"][0])
        };
        let (proxy, worker) = (of("proxy"), of("worker"));
        for shared in ["REDIS_URL", "REDIS_PREFIX", "LEASE_TTL_MS", "MESSAGE_CONTENT", "DISCORD_API_URL"] {
            assert_eq!(proxy.get(shared), worker.get(shared), "{}: {shared}", case.name);
        }
    }
}
