//! What pods may do, and who gets which secret.

use serde_json::json;

use crate::helm::{case, cases, decoded, list, text};

#[test]
fn no_pod_is_root_writes_its_image_or_speaks_to_kubernetes() {
    for case in cases() {
        for pod in case.pods() {
            let whose = format!("{}: {:?}", case.name, pod.of);
            assert_eq!(pod.spec["automountServiceAccountToken"], false, "{whose}");
            assert_eq!(pod.spec["enableServiceLinks"], false, "{whose}");
            for open in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod.spec[open].is_null(), "{whose}: {open}");
            }
            let security = &pod.spec["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{whose}");
            assert!(security["runAsUser"].as_u64() > Some(0), "{whose}: runAsUser");
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{whose}");
            assert!(pod.containers().count() > 0, "{whose}");
            for container in pod.containers() {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false, "{whose}");
                assert_eq!(security["readOnlyRootFilesystem"], true, "{whose}");
                assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}), "{whose}");
                assert!(security["privileged"].is_null() && security["runAsUser"].is_null(), "{whose}");
                let resources = &container["resources"];
                assert!(resources["limits"]["memory"].is_string(), "{whose}: no bound on its memory");
                assert!(resources["requests"]["memory"].is_string(), "{whose}");
                let image = text(&container["image"]);
                assert!(!image.ends_with(":latest") && image.contains([':', '@']), "{whose}: {image}");
            }
        }
        for account in case.of_kind("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false);
        }
        for kind in ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"] {
            assert_eq!(case.of_kind(kind).count(), 0, "{}: rights on the cluster", case.name);
        }
    }
}

#[test]
fn secrets_stand_in_secrets_alone() {
    let mut found = 0;
    for case in cases() {
        let mut secrets: Vec<String> = Vec::new();
        for secret in case.of_kind("Secret") {
            let plain = secret["stringData"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, value)| text(value).to_owned());
            let encoded =
                secret["data"].as_object().into_iter().flatten().map(|(_, value)| decoded(text(value)));
            secrets.extend(plain.chain(encoded));
        }
        found += secrets.len();
        for document in case.documents.iter().filter(|document| document["kind"] != "Secret") {
            let rendered = document.to_string();
            for secret in &secrets {
                assert!(!rendered.contains(secret.as_str()), "{}: a secret in {rendered}", case.name);
                // The password alone would do.
                if let Some((login, _)) = secret.split_once('@')
                    && let Some((_, password)) = login.rsplit_once(':')
                    && password.len() > 5
                {
                    assert!(!rendered.contains(password), "{}: a password in {rendered}", case.name);
                }
            }
        }
        if let Some(notes) = &case.notes {
            assert!(secrets.iter().all(|secret| !notes.contains(secret.as_str())), "{}: {notes}", case.name);
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn each_role_gets_its_own_secrets_and_no_others() {
    const WORKER: [&str; 5] =
        ["DATABASE_URL", "DATABASE_SESSION_URL", "REDIS_URL", "MODEL_API_KEY", "EMBEDDING_API_KEY"];
    const PROXY: [&str; 4] = ["DATABASE_URL", "DATABASE_SESSION_URL", "REDIS_URL", "DISCORD_TOKEN"];
    for case in cases() {
        for (role, allowed) in [("worker", WORKER.as_slice()), ("proxy", PROXY.as_slice())] {
            let pod = case.role(role);
            let container = &pod.spec["containers"][0];
            for variable in list(&container["env"]) {
                let name = text(&variable["name"]);
                let secret = &variable["valueFrom"]["secretKeyRef"];
                assert!(secret.is_null() || allowed.contains(&name), "{}: {name} for a {role}", case.name);
                assert!(!text(&secret["key"]).contains("owner"), "{}: the owner for a {role}", case.name);
                assert!(
                    !(name.ends_with("_KEY") || name.ends_with("_TOKEN") || name.ends_with("DATABASE_URL"))
                        || secret.is_object(),
                    "{}: {name} stands in the open",
                    case.name
                );
            }
            assert!(container["envFrom"].is_null(), "a whole Secret for one role");
        }
    }
}

#[test]
fn the_owner_of_the_database_is_gone_once_the_migration_is() {
    for name in ["minimal-values", "sentinel-values", "cluster-values"] {
        let owning: Vec<_> = case(name)
            .of_kind("Secret")
            .filter(|secret| secret["data"]["database-owner-url"].is_string())
            .collect();
        assert_eq!(owning.len(), 1, "{name}");
        let policy = text(&owning[0]["metadata"]["annotations"]["helm.sh/hook-delete-policy"]);
        assert!(policy.contains("hook-succeeded"), "{name}: {policy}");
    }
}

#[test]
fn a_changed_secret_of_the_chart_starts_pods_anew() {
    let annotation = |name: &str, role: &str| {
        let set = case(name)
            .documents
            .iter()
            .find(|one| one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == role);
        set.expect("a role")["spec"]["template"]["metadata"]["annotations"]["checksum/secret"].clone()
    };
    for role in ["proxy", "worker"] {
        let (one, other) = (annotation("minimal-values", role), annotation("cluster-values", role));
        assert!(one.is_string() && other.is_string() && one != other, "{one} {other}");
    }
}
