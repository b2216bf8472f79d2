//! A running demo and a Prometheus that scrapes it each second and evaluates the rules.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::files::root;

/// Generous: the demo starts a database, a Discord and four processes on a busy machine.
const UP_WITHIN: Duration = Duration::from_secs(180);
const DATA_WITHIN: Duration = Duration::from_secs(120);

/// Ends with SIGTERM, so that what it has started ends with it.
struct Running(Child);

impl Running {
    fn start(program: impl AsRef<std::ffi::OsStr>, args: &[&str], log: &Path) -> Self {
        let (program, log) = (program.as_ref(), std::fs::File::create(log).unwrap());
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; `make test` builds and installs it", program.display())
            });
        Self(child)
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Both, until dropped.
pub struct World {
    // Ends first: it would only tell of processes that are gone.
    _prometheus: Running,
    demo: Running,
    http: reqwest::Client,
    /// Of Prometheus.
    base: String,
    targets: Vec<String>,
    dir: TempDir,
}

impl World {
    pub async fn start() -> Self {
        helpline::telemetry::install_crypto();
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("demo");
        let demo_program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("demo");
        let arguments = ["--for", "10m", "--kill", "none", "--servers", "8", "--workers", "2", "--logs"];
        let arguments = [&arguments, [logs.to_str().unwrap()].as_slice()].concat();
        let mut demo = Running::start(demo_program, &arguments, &dir.path().join("demo.log"));
        let listed = logs.join("prometheus-targets.json");
        let deadline = Instant::now() + UP_WITHIN;
        while !listed.exists() {
            let log = || std::fs::read_to_string(dir.path().join("demo.log")).unwrap_or_default();
            assert!(!demo.has_ended() && Instant::now() < deadline, "the demo did not come up:\n{}", log());
            sleep(Duration::from_millis(100)).await;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let config = dir.path().join("prometheus.yml");
        let rules = root().join("grafana/alerts/helpline.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n  \
             - job_name: helpline\n    file_sd_configs: [{{files: [{}]}}]\n",
            rules.display(),
            listed.display()
        );
        std::fs::write(&config, text).unwrap();
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", dir.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let prometheus = Running::start("prometheus", &arguments, &dir.path().join("prometheus.log"));
        let told: Value = serde_json::from_str(&std::fs::read_to_string(&listed).unwrap()).unwrap();
        let targets = told.as_array().unwrap().iter();
        let targets = targets.map(|target| target["targets"][0].as_str().unwrap().to_owned()).collect();
        let base = format!("http://127.0.0.1:{port}/api/v1");
        let world = Self { _prometheus: prometheus, demo, http: reqwest::Client::new(), base, targets, dir };
        world.until_scraped().await;
        world
    }

    async fn until_scraped(&self) {
        let deadline = Instant::now() + UP_WITHIN;
        let wanted = self.targets.len();
        loop {
            let up = self.query("sum(up)").await.unwrap_or_default();
            if up.first().is_some_and(|(_, value)| *value == wanted as f64) {
                return;
            }
            let log = || std::fs::read_to_string(self.dir.path().join("prometheus.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "not all of {wanted} targets are scraped:\n{}", log());
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// The names of those that return nothing, or nothing but NaN, until the deadline.
    pub async fn without_data(&self, wanted: &[(String, String)]) -> Vec<String> {
        let deadline = Instant::now() + DATA_WITHIN;
        let mut left: Vec<&(String, String)> = wanted.iter().collect();
        loop {
            let mut still = Vec::new();
            for asked in left {
                let answer = self.query(&asked.1).await;
                let has_data = answer.is_ok_and(|values| values.iter().any(|(_, value)| !value.is_nan()));
                if !has_data {
                    still.push(asked);
                }
            }
            left = still;
            if left.is_empty() || Instant::now() > deadline {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let mut named = Vec::new();
        for (name, query) in left {
            named.push(format!("{name}: {query}: {:?}", self.query(query).await));
        }
        named
    }

    /// What an expression returns now, with the labels as they are written; an error as Prometheus says it.
    async fn query(&self, query: &str) -> Result<Vec<(String, f64)>, String> {
        let answer = self.get("query", &[("query", query)]).await?;
        let result = answer["result"].as_array().cloned().unwrap_or_default();
        let value = |row: &Value| row["value"][1].as_str().and_then(|text| text.parse().ok());
        Ok(result.iter().map(|row| (row["metric"].to_string(), value(row).unwrap_or(f64::NAN))).collect())
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let url = reqwest::Url::parse_with_params(&format!("{}/{path}", self.base), query).unwrap();
        let answer = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&answer.text().await.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// Rules that could not be evaluated.
    pub async fn broken_rules(&self) -> Vec<String> {
        let answer = self.get("rules", &[]).await.unwrap();
        let groups = answer["groups"].as_array().unwrap();
        assert!(groups.len() > 4, "the rules were not loaded");
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let broken = rules.filter(|rule| rule["health"] != "ok");
        broken.map(|rule| format!("{}: {}", rule["name"], rule["lastError"])).collect()
    }

    pub async fn firing(&self) -> Vec<String> {
        let firing = self.query("ALERTS{alertstate=\"firing\"}").await.unwrap();
        firing.into_iter().map(|(labels, _)| labels).collect()
    }

    /// Families that a process tells without a help text.
    pub async fn without_help(&self) -> BTreeSet<String> {
        let mut without = BTreeSet::new();
        for target in &self.targets {
            let text = self.http.get(format!("http://{target}/metrics")).send().await.unwrap();
            let text = text.text().await.unwrap();
            let named = |prefix: &str| -> BTreeSet<String> {
                let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
                lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
            };
            without.extend(named("# TYPE ").difference(&named("# HELP ")).cloned());
        }
        without
    }

    pub async fn end(mut self) {
        assert!(!self.demo.has_ended(), "the demo ended by itself");
    }
}
