//! Values that cannot work are refused before anything is installed, with a message that names the value and says what
//! to do.

use crate::chart;
use crate::helm::render;

/// Laid over ci/minimal-values.yaml; each word has to be in the message.
const BAD: &[(&str, &[&str])] = &[
    ("image: {repository: ''}", &["image.repository is not set", "docker build"]),
    (
        "image: {repository: 'registry.example.org/helpline@sha256:1'}",
        &["/image/repository", "does not match pattern"],
    ),
    ("discord: {token: ''}", &["discord.token is not set", "Reset Token", "discord.existingSecret"]),
    (
        "discord: {existingSecret: bot}",
        &["discord.token and discord.existingSecret are both set", "choose one"],
    ),
    ("discord: {token: 'MTA0 x'}", &["discord.token contains white space", "copy it again"]),
    (
        "discord: {apiUrl: discord.com}",
        &["discord.apiUrl is not a URL", "leave it empty for the real Discord"],
    ),
    (
        "database: {ownerUrl: '', workerUrl: '', proxyUrl: ''}",
        &["database is not set", "database.ownerUrl", "trial.postgres.enabled=true"],
    ),
    ("database: {ownerUrl: ''}", &["database.ownerUrl is not set", "migrate.enabled=false"]),
    (
        "database: {workerUrl: ''}",
        &["database.workerUrl is not set", "postgres://helpline_worker:password@host"],
    ),
    ("database: {proxyUrl: mysql://db/x}", &["database.proxyUrl is not a URL of the form postgres://"]),
    (
        "database: {workerUrl: 'postgres://helpline_worker:a@b@db/x'}",
        &["database.workerUrl", "percent-encoded"],
    ),
    (
        "database: {workerUrl: 'postgres://owner:o@db/x'}",
        &["database.workerUrl", "sign in as helpline_worker"],
    ),
    (
        "database: {proxySessionUrl: 'postgres://helpline_worker:o@db/x'}",
        &["database.proxySessionUrl", "sign in as helpline_proxy"],
    ),
    (
        "database: {existingSecret: db}",
        &["database.existingSecret and the URLs of database are both set", "choose"],
    ),
    (
        "trial: {postgres: {enabled: true}}",
        &["trial.postgres.enabled and the URLs of database", "choose one"],
    ),
    ("redis: {url: ''}", &["redis is not set", "redis+sentinel://", "trial.redis.enabled=true"]),
    ("redis: {url: 'http://redis:6379'}", &["redis.url is not a URL of the form redis://"]),
    ("redis: {url: 'redis+sentinel://a:26379,b:26379'}", &["redis.url names no primary", "mymaster"]),
    (
        "redis: {url: 'redis+cluster://a:6379/1'}",
        &["redis.url is that of a cluster", "end it after the last host"],
    ),
    ("redis: {existingSecret: cache}", &["redis.existingSecret and redis.url are both set", "choose one"]),
    ("redis: {prefix: 'a b'}", &["/redis/prefix", "does not match pattern"]),
    ("model: {url: 'https://api.openai.com/v1'}", &["model.name is not set", "give the name of the model"]),
    ("model: {name: gpt}", &["model.url is not set", "set it too, or none of them"]),
    ("model: {url: 'https://me:pw@ai/v1', name: x}", &["model.url holds a login", "model.key"]),
    ("model: {url: 'https://ai', name: x, key: 'a b'}", &["model.key contains white space", "copy it again"]),
    ("embedding: {url: 'ai', name: x}", &["embedding.url is not a URL of the form https://"]),
    (
        "embedding: {url: 'https://ai', name: x, modelDir: /m}",
        &["embedding.url and embedding.modelDir", "choose one"],
    ),
    ("embedding: {modelVolume: {emptyDir: {}}}", &["embedding.modelDir is not set", "give the directory"]),
    ("proxy: {replicas: 0}", &["/proxy/replicas", "minimum", "want 1"]),
    ("proxy: {replicas: two}", &["/proxy/replicas", "got string, want integer"]),
    ("worker: {replica: 3}", &["/worker", "'replica' not allowed"]),
    (
        "worker: {terminationGracePeriodSeconds: 10}",
        &["worker.terminationGracePeriodSeconds is 10", "at least 30"],
    ),
    (
        "proxy: {terminationGracePeriodSeconds: 5}",
        &["proxy.terminationGracePeriodSeconds is 5", "at least 20"],
    ),
    ("worker: {maxSurge: 0}", &["/worker/maxSurge", "want 1"]),
    (
        "worker: {autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 2}}",
        &["worker.autoscaling.maxReplicas is 2", "raise it"],
    ),
    (
        "worker: {autoscaling: {enabled: true, targetCPU: 0}}",
        &["worker.autoscaling has nothing to go by", "targetCPU", "streamLag"],
    ),
    (
        "worker: {autoscaling: {enabled: true, streamLag: {enabled: true, metric: ''}}}",
        &["worker.autoscaling.streamLag.metric is not set", "external.metrics.k8s.io"],
    ),
    (
        "worker: {podDisruptionBudget: {maxUnavailable: 0}}",
        &["/worker/podDisruptionBudget/maxUnavailable", "want 1"],
    ),
    ("cluster: {leaseTtlMs: 100}", &["/cluster/leaseTtlMs", "got 100, want 1,000"]),
    ("cluster: {shards: 100000}", &["/cluster/shards", "maximum", "want 65,536"]),
    ("log: {format: xml}", &["/log/format", "one of 'json', 'text'"]),
    ("monitoring: {rules: {enabled: maybe}}", &["/monitoring/rules/enabled", "one of 'auto'"]),
    ("networkPolicy: {prometheus: []}", &["/networkPolicy/prometheus", "minItems", "want 1"]),
    (
        "serviceAccount: {create: false, annotations: {a: b}}",
        &["serviceAccount.annotations are set", "annotate"],
    ),
];

#[test]
fn values_that_cannot_work_are_refused_with_what_to_do() {
    let texts: Vec<(&str, &str)> = BAD.iter().map(|(text, _)| (*text, *text)).collect();
    let cases = render(&[&chart().join("ci/minimal-values.yaml")], &texts);
    assert_eq!(cases.len(), BAD.len());
    let mut wrong = Vec::new();
    for (case, (text, words)) in cases.iter().zip(BAD) {
        let told = case.error.as_deref().unwrap_or("it was taken");
        for word in words.iter().filter(|word| !told.contains(*word)) {
            wrong.push(format!("{text}: {word:?} is missing in: {told}"));
        }
        for secret in ["o%40o", "pw@ai", "a@b"] {
            assert!(!told.contains(secret), "a secret in {told}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let [case] = &render(&[], &[("nothing", "{}")])[..] else { panic!("one case") };
    let told = case.error.as_deref().expect("nothing is not enough");
    assert!(told.contains("4 of the values cannot be used"), "{told}");
    for name in ["image.repository", "discord.token", "database", "redis"] {
        assert!(told.contains(&format!("- {name} is not set: ")), "{name} is missing in: {told}");
    }
}

#[test]
fn a_token_and_a_cluster_are_enough_for_a_trial() {
    let values = "
        image: {repository: registry.example.org/helpline}
        discord: {token: x}
        trial: {postgres: {enabled: true}, redis: {enabled: true}}";
    let [case] = &render(&[], &[("trial", values)])[..] else { panic!("one case") };
    assert_eq!((case.error.as_deref(), &case.invalid[..]), (None, &[][..]));
    let url = case.secret("helpline-trial", "database-worker-url").expect("a URL");
    let password = case.secret("helpline-trial", "postgres-password").expect("a password");
    assert!(password.len() >= 32 && url.contains(&password), "made up at the install");
}
