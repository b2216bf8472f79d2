//! What Kubernetes is given: valid, complete, chosen by the right selectors, and replaced without anybody noticing.

use std::time::Duration;

use clap::{Args as _, FromArgMatches as _};
use helpline::config::WorkerArgs;
use serde_json::{Value, json};

use crate::helm::{case, cases, list, text};

#[test]
fn every_case_renders_and_kubernetes_takes_it() {
    assert!(cases().len() >= 7, "cases are missing");
    for case in cases() {
        assert_eq!(case.error, None, "{}", case.name);
        assert!(case.invalid.is_empty(), "{}: {:#?}", case.name, case.invalid);
        for (kind, name) in [("StatefulSet", "proxy"), ("Deployment", "worker"), ("Service", "proxy")] {
            let found =
                case.of_kind(kind).any(|document| text(&document["metadata"]["name"]).ends_with(name));
            assert!(found, "{}: no {kind} of the {name}", case.name);
        }
        for document in &case.documents {
            assert_eq!(document["metadata"]["namespace"], "chat", "{}: {document}", case.name);
        }
    }
}

#[test]
fn no_two_objects_have_one_name() {
    for case in cases() {
        let mut names: Vec<_> =
            case.documents.iter().map(|one| (text(&one["kind"]), text(&one["metadata"]["name"]))).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1], "{}", case.name);
        }
    }
}

#[test]
fn selectors_choose_the_pods_they_are_meant_for_and_no_others() {
    for case in cases() {
        for document in &case.documents {
            let spec = &document["spec"];
            let selector = match text(&document["kind"]) {
                "Service" => &json!({"matchLabels": spec["selector"]}),
                "NetworkPolicy" => &spec["podSelector"],
                "Deployment" | "StatefulSet" | "PodDisruptionBudget" => &spec["selector"],
                _ => continue,
            };
            let component = text(&document["metadata"]["labels"]["app.kubernetes.io/component"]);
            let chosen: Vec<&str> = case
                .pods()
                .iter()
                .filter(|pod| pod.is_chosen_by(selector))
                .map(|pod| pod.component())
                .collect();
            let name = text(&document["metadata"]["name"]);
            assert_eq!(chosen, [component], "{}: {name}", case.name);
            assert!(name.ends_with(component), "{}: {name} is for {component}", case.name);
            assert!(
                selector["matchLabels"]["app.kubernetes.io/instance"] == "helpline",
                "another release's too"
            );
        }
    }
}

#[test]
fn nodes_are_drained_a_few_pods_at_a_time() {
    for case in cases() {
        let budgets: Vec<&str> =
            case.of_kind("PodDisruptionBudget").map(|one| text(&one["metadata"]["name"])).collect();
        match case.name.as_str() {
            "simulated-values" => assert!(budgets.is_empty(), "{budgets:?}"),
            _ => assert_eq!(budgets, ["helpline-proxy", "helpline-worker"], "{}", case.name),
        }
    }
    let budget = case("values-ha").find("PodDisruptionBudget", "helpline-worker");
    assert_eq!(budget["spec"]["maxUnavailable"], "25%");
}

#[test]
fn whoever_is_told_to_stop_has_the_time_to_hand_over() {
    let matches = WorkerArgs::augment_args(clap::Command::new("worker")).get_matches_from([
        "worker",
        "--database-url=postgres://helpline_worker@db/h",
        "--redis-url=redis://redis",
    ]);
    let worker = WorkerArgs::from_arg_matches(&matches).expect("arguments").resolve().expect("a config");
    let margin = Duration::from_secs(5);
    let least = [
        ("worker", worker.drain_deadline + helpline::worker::IN_HAND + margin),
        ("proxy", helpline::proxy::DRAIN_DEADLINE + margin),
    ];
    for case in cases() {
        for (role, least) in least {
            let seconds = case.role(role).spec["terminationGracePeriodSeconds"].as_u64().expect("seconds");
            assert!(Duration::from_secs(seconds) >= least, "{}: the {role} has {seconds} s", case.name);
        }
    }
}

#[test]
fn an_upgrade_takes_no_worker_away_before_its_successor_and_one_proxy_at_a_time() {
    for case in cases() {
        let full = if case.name == "simulated-values" { "bot" } else { "helpline" };
        let worker = &case.find("Deployment", &format!("{full}-worker"))["spec"];
        assert_eq!(worker["strategy"]["rollingUpdate"]["maxUnavailable"], 0, "{}", case.name);
        assert_ne!(worker["strategy"]["rollingUpdate"]["maxSurge"], 0);
        let proxy = &case.find("StatefulSet", &format!("{full}-proxy"))["spec"];
        assert_eq!(proxy["updateStrategy"]["type"], "RollingUpdate");
        for spec in [worker, proxy] {
            assert!(spec["minReadySeconds"].as_u64() >= Some(5), "{}: a rollout rushes", case.name);
            // A release that changes nothing of a pod leaves it alone.
            let labels = &spec["template"]["metadata"]["labels"];
            assert!(labels["helm.sh/chart"].is_null() && labels["app.kubernetes.io/version"].is_null());
            let container = &spec["template"]["spec"]["containers"][0];
            assert_eq!(container["livenessProbe"]["httpGet"], json!({"path": "/livez", "port": "admin"}));
            assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/readyz", "port": "admin"}));
            assert!(
                container["ports"].as_array().is_some_and(|ports| {
                    ports.contains(&json!({"name": "admin", "containerPort": 9090}))
                })
            );
            let spread = list(&spec["template"]["spec"]["topologySpreadConstraints"]);
            assert_eq!(spread.len(), 2, "{}: over zones and nodes", case.name);
        }
    }
}

#[test]
fn migrations_run_before_the_new_pods_and_never_on_the_way_back() {
    for case in cases() {
        let job = case.of_kind("Job").next();
        let init = case.role("worker").spec["initContainers"][0]["args"] == json!(["migrate"]);
        match case.name.as_str() {
            "simulated-values" => assert!(job.is_none() && !init, "migrate.enabled is false"),
            // A hook before the install would wait for a Postgres that comes after it.
            "trial-values" => assert!(job.is_none() && init, "each pod of the trial migrates"),
            _ => {
                let job = job.unwrap_or_else(|| panic!("{}: no migration", case.name));
                assert!(!init, "{}: the owner's URL in a pod that stays", case.name);
                assert_eq!(hook(job), Some(("pre-install,pre-upgrade", 0)), "{}", case.name);
                // What it needs is there before it.
                for kind in ["Secret", "NetworkPolicy"] {
                    for needed in
                        case.of_kind(kind).filter(|one| text(&one["metadata"]["name"]).ends_with("-migrate"))
                    {
                        let (when, weight) = hook(needed).expect("a hook");
                        assert_eq!(when, "pre-install,pre-upgrade");
                        assert!(weight < 0, "{}: {kind} comes too late", case.name);
                    }
                }
            }
        }
    }
}

/// When it runs, and in which order.
fn hook(document: &Value) -> Option<(&str, i64)> {
    let annotations = &document["metadata"]["annotations"];
    let weight = text(&annotations["helm.sh/hook-weight"]).parse().unwrap_or(0);
    annotations["helm.sh/hook"].as_str().map(|when| (when, weight))
}

#[test]
fn an_autoscaler_is_the_only_one_to_say_how_many_workers_there_are() {
    for case in cases() {
        let scaler = case.of_kind("HorizontalPodAutoscaler").next();
        let deployment = case.of_kind("Deployment").next().expect("workers");
        assert_eq!(scaler.is_some(), deployment["spec"]["replicas"].is_null(), "{}", case.name);
        let Some(scaler) = scaler else { continue };
        assert_eq!(scaler["spec"]["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
        assert!(case.role("worker").spec["containers"][0]["resources"]["requests"]["cpu"].is_string());
    }
    let metrics =
        list(&case("cluster-values").find("HorizontalPodAutoscaler", "helpline-worker")["spec"]["metrics"]);
    assert_eq!(metrics.len(), 2);
    assert_eq!(metrics[1]["external"]["metric"]["selector"]["matchLabels"], json!({"namespace": "chat"}));
    assert_eq!(metrics[1]["external"]["target"]["averageValue"], "1000000");
}

#[test]
fn workers_know_each_proxy_by_its_name() {
    for case in cases() {
        let proxies =
            case.of_kind("StatefulSet").find(|set| text(&set["metadata"]["name"]).ends_with("-proxy"));
        let proxies = proxies.expect("proxies");
        let (name, service) = (text(&proxies["metadata"]["name"]), text(&proxies["spec"]["serviceName"]));
        assert_eq!(case.find("Service", service)["spec"]["clusterIP"], "None");
        let count = proxies["spec"]["replicas"].as_u64().expect("a number");
        let wanted: Vec<String> =
            (0..count).map(|i| format!("http://{name}-{i}.{service}.chat.svc:8300")).collect();
        let env = list(&case.role("worker").spec["containers"][0]["env"]);
        let given = env.iter().find(|one| one["name"] == "HELPLINE_PROXY_URL").expect("it is set");
        assert_eq!(text(&given["value"]), wanted.join(","), "{}", case.name);
    }
}

#[test]
fn the_notes_say_what_to_do_next_and_what_is_missing() {
    let told = |name: &str, words: &[&str]| {
        // Only Helm's library shows them.
        let Some(notes) = &case(name).notes else { return };
        for word in words {
            assert!(notes.contains(word), "{name}: {word:?} is missing in: {notes}");
        }
    };
    told(
        "minimal-values",
        &["rollout status statefulset/helpline-proxy", "permissions=309237730304", "/setup"],
    );
    told("trial-values", &["FOR TRIAL ONLY: Postgres and Redis"]);
    told("sentinel-values", &["One proxy:", "One worker:"]);
    told("simulated-values", &["run `helpline migrate`"]);
}
