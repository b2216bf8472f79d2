//! docker-compose.yml: everything on one machine, as Docker Compose itself reads it. No engine is needed for that.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::helm::{list, text};
use crate::settings::{help, taken};
use crate::{root, text_of};

/// The file as Docker Compose understands it, with this env file.
fn read(env_file: &str) -> Value {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from);
    let program = root().join(target).join("outside/bin/docker-compose");
    assert!(program.exists(), "no {}: run `make setup`", program.display());
    let done = Command::new(program)
        .args(["--env-file", env_file, "--project-directory"])
        .arg(root())
        .args(["--file", "docker-compose.yml", "config", "--format", "json"])
        .current_dir(root())
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .expect("Docker Compose starts");
    assert!(done.status.success(), "docker compose config: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

/// Beside the real Discord.
fn real() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| read("/dev/null"))
}

/// Beside the simulated one.
fn demo() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| read("demo/compose.env"))
}

fn services(file: &Value) -> impl Iterator<Item = (&str, &Value)> {
    file["services"].as_object().expect("services").iter().map(|(name, service)| (name.as_str(), service))
}

/// Those that run Helpline.
fn own(file: &Value) -> impl Iterator<Item = (&str, &Value)> {
    services(file).filter(|(_, service)| service["build"]["target"] == "helpline")
}

fn command(service: &Value) -> Vec<&str> {
    list(&service["command"]).iter().map(text).collect()
}

#[test]
fn everything_is_on_one_machine_and_the_simulation_only_where_it_is_wanted() {
    let names = |file| services(file).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    let usual = ["grafana", "migrate", "postgres", "prometheus", "proxy", "redis", "worker"];
    assert_eq!(names(real()), usual);
    let more = names(demo()).into_iter().filter(|name| !usual.contains(&name.as_str())).collect::<Vec<_>>();
    assert_eq!(more, ["demo-config", "demo-knowledge", "simulator"]);
    assert_eq!(
        (text(&real()["name"]), text(&demo()["name"])),
        ("helpline", "helpline-demo"),
        "volumes of their own"
    );
    assert_eq!(real()["services"]["worker"]["deploy"]["replicas"], 2);
}

#[test]
fn every_command_exists_and_every_variable_is_known_and_taken() {
    for file in [real(), demo()] {
        for (name, service) in own(file) {
            let command = command(service);
            let words =
                command.iter().take_while(|word| !word.starts_with('-') && !word.contains('/')).copied();
            let help = help(&words.collect::<Vec<_>>());
            let mut env = BTreeMap::new();
            for (variable, value) in service["environment"].as_object().expect("an environment") {
                let known = help.contains(&format!("[env: {variable}]"))
                    || help.contains(&format!("[env: {variable}="))
                    || variable == "RUST_LOG";
                assert!(known, "{name}: {command:?} knows no {variable}");
                env.insert(variable.clone(), text(value).to_owned());
            }
            // The token is the operator's to give.
            if std::ptr::eq(file, real()) && name == "proxy" {
                let told = taken("proxy", &env).expect_err("there is no token");
                assert!(told.contains("DISCORD_TOKEN is not set") && told.starts_with("1 of"), "{told}");
                env.insert("DISCORD_TOKEN".to_owned(), "token".to_owned());
            }
            assert_eq!(taken(command[0], &env), Ok(()), "{name}");
        }
    }
}

#[test]
fn workers_wait_for_the_schema_and_have_the_time_to_hand_over() {
    for (name, service) in own(real()).filter(|(name, _)| ["proxy", "worker"].contains(name)) {
        assert_eq!(service["depends_on"]["migrate"]["condition"], "service_completed_successfully");
        assert_eq!(service["depends_on"]["redis"]["condition"], "service_healthy");
        let least = match name {
            "proxy" => helpline::proxy::DRAIN_DEADLINE,
            // drain_deadline of a worker, and what it has in hand.
            _ => Duration::from_secs(20) + helpline::worker::IN_HAND,
        };
        let grace = text(&service["stop_grace_period"]).trim_end_matches('s').parse().expect("seconds");
        assert!(Duration::from_secs(grace) > least + Duration::from_secs(5), "{name} has {grace} s");
    }
}

#[test]
fn nobody_beyond_the_machine_reaches_anything_and_no_container_of_ours_may_do_more_than_it_must() {
    for (name, service) in services(demo()) {
        for port in list(&service["ports"]) {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name} is open to all: {port}");
            let looked_at = [("grafana", 3000), ("prometheus", 9090), ("simulator", 8400), ("proxy", 9090)];
            let target = port["target"].as_u64().expect("a port");
            assert!(looked_at.contains(&(name, target)), "{name}: {target} is published");
        }
        let image = text(&service["image"]);
        assert!(image.contains(':') && !image.ends_with(":latest"), "{name}: {image}");
        if !service["build"].is_null() {
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(list(&service["cap_drop"]), ["ALL"], "{name}");
            assert_eq!(list(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
            let stage = format!(" AS {}\n", text(&service["build"]["target"]));
            assert!(text_of(&root().join("Dockerfile")).contains(&stage), "{name}: no stage{stage}");
        }
    }
}

#[test]
fn what_is_mounted_is_there() {
    let mut mounted = Vec::new();
    for (name, service) in services(demo()) {
        for volume in list(&service["volumes"]).iter().filter(|volume| volume["type"] == "bind") {
            let source = Path::new(text(&volume["source"]));
            assert!(source.exists(), "{name}: {}", source.display());
            assert_eq!(volume["read_only"], true, "{name}: {volume}");
            mounted.push(source.strip_prefix(root()).expect("of this repository").to_owned());
        }
        // What is imported is mounted where it is looked for.
        for file in command(service).iter().filter_map(|word| word.strip_prefix("/knowledge/")) {
            assert!(root().join("demo/knowledge/bike-share").join(file).exists(), "{name}: {file}");
        }
    }
    for wanted in ["grafana/alerts", "grafana/dashboards", "grafana/provisioning", "compose/prometheus.yml"] {
        assert!(mounted.contains(&wanted.into()), "{wanted} is not mounted");
    }
}

#[test]
fn the_simulation_is_the_one_that_the_demo_speaks_to() {
    let services = &demo()["services"];
    let simulator = command(&services["simulator"]);
    assert_eq!(services["proxy"]["environment"]["DISCORD_API_URL"], "http://simulator:8400");
    assert!(
        simulator.contains(&"ws://simulator:8400") && simulator.contains(&"0.0.0.0:8400"),
        "{simulator:?}"
    );
    let config = helpline_sim::Config { servers: 3, seed: 1, ..helpline_sim::Config::default() };
    assert_eq!(services["proxy"]["environment"]["DISCORD_TOKEN"], config.token.as_str());
    assert_eq!(simulator[simulator.len() - 4..], ["--seed", "1", "--servers", "3"]);
    // The ids in the file are those of that world.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, channel) = runtime.block_on(async {
        let simulator = helpline_sim::Simulator::start(config).await.expect("it starts");
        let first = simulator.servers().first().expect("a server").clone();
        simulator.shutdown().await;
        (first.id.get().to_string(), first.support_channel.get().to_string())
    });
    for name in ["demo-config", "demo-knowledge"] {
        assert!(command(&services[name]).contains(&server.as_str()), "{name}: the server is {server}");
    }
    assert!(command(&services["demo-config"]).contains(&format!("channels={channel}").as_str()), "{channel}");
}

#[test]
fn prometheus_scrapes_both_roles_and_loads_the_alerts() {
    let config = crate::helm::read_yaml(&root().join("compose/prometheus.yml"));
    let jobs = list(&config["scrape_configs"]);
    assert_eq!(jobs[0]["static_configs"][0]["targets"][0], "proxy:9090");
    assert_eq!(jobs[1]["dns_sd_configs"][0]["names"][0], "worker");
    assert_eq!(jobs[1]["dns_sd_configs"][0]["port"], 9090);
    let mounts = &real()["services"]["prometheus"]["volumes"];
    let alerts = list(mounts).iter().find(|mount| mount["target"] == "/etc/prometheus/alerts");
    assert!(text(&alerts.expect("alerts")["source"]).ends_with("grafana/alerts"));
    assert_eq!(config["rule_files"][0], "/etc/prometheus/alerts/*.yml");
    for role in ["proxy", "worker"] {
        assert_eq!(real()["services"][role]["environment"]["ADMIN_ADDR"], "0.0.0.0:9090");
    }
}
