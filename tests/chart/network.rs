//! Who may speak to whom.

use serde_json::{Value, json};

use crate::helm::{Case, case, cases, list};

fn policy<'a>(case: &'a Case, name: &str) -> &'a Value {
    &case.find("NetworkPolicy", &format!("helpline-{name}"))["spec"]
}

/// The rules that allow a port.
fn to_port(rules: &Value, port: u64) -> Vec<&Value> {
    list(rules)
        .iter()
        .filter(|rule| list(&rule["ports"]).iter().any(|one| one["port"].as_u64() == Some(port)))
        .collect()
}

#[test]
fn every_pod_has_a_policy_of_its_own_for_both_directions() {
    for case in cases() {
        for pod in case.pods() {
            let chosen: Vec<&Value> = case
                .of_kind("NetworkPolicy")
                .filter(|one| pod.is_chosen_by(&one["spec"]["podSelector"]))
                .collect();
            let wanted = usize::from(case.name != "simulated-values");
            assert_eq!(chosen.len(), wanted, "{}: {:?}", case.name, pod.of);
            for policy in chosen {
                assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]), "{}", case.name);
            }
        }
    }
}

#[test]
fn only_workers_speak_as_the_bot_and_only_prometheus_reads_the_admin_port() {
    for case in cases().iter().filter(|case| case.name != "simulated-values") {
        for role in ["proxy", "worker"] {
            let ingress = &policy(case, role)["ingress"];
            let admin = to_port(ingress, 9090);
            assert_eq!(admin.len(), 1);
            assert!(!list(&admin[0]["from"]).is_empty(), "{}: the admin port is open to all", case.name);
            let rest = to_port(ingress, 8300);
            match role {
                "worker" => assert!(rest.is_empty()),
                _ => {
                    let from = &rest[0]["from"][0]["podSelector"];
                    let roles = case.pods().into_iter().filter(|pod| pod.is_chosen_by(from));
                    assert_eq!(
                        roles.map(|pod| pod.component()).collect::<Vec<_>>(),
                        ["worker"],
                        "{}",
                        case.name
                    );
                }
            }
            assert!(list(ingress).iter().all(|rule| rule["from"].is_array()), "{}: open to all", case.name);
        }
    }
}

#[test]
fn both_roles_reach_their_stores_names_and_discords_files() {
    let reached =
        |name: &str, role: &str, port: u64| !to_port(&policy(case(name), role)["egress"], port).is_empty();
    for role in ["proxy", "worker"] {
        for port in [53, 443, 5432, 6379] {
            assert!(reached("minimal-values", role, port), "the {role} does not reach {port}");
        }
        // Pooler, the database behind it, sentinels on a port of their own, the servers that they name.
        for port in [6543, 5433, 26380, 6379] {
            assert!(reached("sentinel-values", role, port), "the {role} does not reach {port}");
        }
        for port in [7000, 7001] {
            assert!(reached("cluster-values", role, port), "the {role} does not reach {port}");
        }
    }
    assert!(reached("sentinel-values", "migrate", 5433) && !reached("sentinel-values", "migrate", 443));
}

#[test]
fn workers_alone_reach_the_models_and_proxies_are_reached_by_them() {
    let egress = |role: &str| &policy(case("cluster-values"), role)["egress"];
    let models = to_port(egress("worker"), 8000);
    assert_eq!(
        models[0]["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "models"
    );
    assert_eq!(to_port(egress("worker"), 8080).len(), 1);
    assert!(to_port(egress("proxy"), 8000).is_empty());
    assert_eq!(to_port(egress("worker"), 8300).len(), 1);
    assert!(to_port(egress("proxy"), 8300).is_empty());
    assert_eq!(to_port(egress("worker"), 3128).len(), 1, "what the operator adds");
}

#[test]
fn the_internet_is_no_way_into_the_cluster() {
    for case in cases().iter().filter(|case| case.name != "simulated-values") {
        for role in ["proxy", "worker"] {
            for rule in to_port(&policy(case, role)["egress"], 443) {
                for peer in list(&rule["to"]) {
                    let but = list(&peer["ipBlock"]["except"]);
                    assert!(but.contains(&json!("10.0.0.0/8")) || but.contains(&json!("fc00::/7")), "{peer}");
                }
            }
        }
    }
}
