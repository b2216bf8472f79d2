//! Reads what is in grafana/ and docs/runbooks/.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One alert of grafana/alerts/helpline.yml.
#[derive(Debug, Default)]
pub struct Alert {
    pub name: String,
    pub expr: String,
    pub severity: String,
    pub has_summary: bool,
    pub has_description: bool,
    /// The page's file name.
    pub runbook: String,
}

/// Reads the file by its lines: it is written in one way, and promtool sees to it that it is YAML.
pub fn alerts() -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    let (mut in_expr, mut indent) = (false, 0);
    for line in text("grafana/alerts/helpline.yml").lines() {
        let (trimmed, depth) = (line.trim(), line.len() - line.trim_start().len());
        if let Some(name) = trimmed.strip_prefix("- alert: ") {
            alerts.push(Alert { name: name.to_owned(), ..Alert::default() });
        }
        if trimmed.starts_with("- record:") || trimmed.starts_with("- name:") {
            in_expr = false;
            alerts.push(Alert::default());
        }
        let Some(alert) = alerts.last_mut() else { continue };
        if let Some(expr) = trimmed.strip_prefix("expr: ") {
            (in_expr, indent) = (expr == ">-", depth);
            alert.expr = if in_expr { String::new() } else { expr.to_owned() };
        } else if in_expr && depth > indent {
            alert.expr = format!("{} {trimmed}", alert.expr);
        } else {
            in_expr = false;
        }
        if let Some(labels) = trimmed.strip_prefix("labels: {severity: ") {
            alert.severity = labels.trim_end_matches('}').to_owned();
        }
        alert.has_summary |= trimmed.starts_with("summary: ");
        alert.has_description |= trimmed.starts_with("description: ");
        if let Some((_, page)) =
            trimmed.strip_prefix("runbook_url: ").and_then(|url| url.split_once("/runbooks/"))
        {
            alert.runbook = page.to_owned();
        }
    }
    alerts.retain(|alert| !alert.name.is_empty());
    alerts
}

/// Every comparison returns 0 or 1.
pub fn with_bool(expr: &str) -> String {
    [" > ", " < ", " == "]
        .iter()
        .fold(expr.to_owned(), |expr, sign| expr.replace(sign, &format!("{sign}bool ")))
}

/// A query with Grafana's variables filled in, as by somebody who has chosen nothing.
pub fn filled_in(query: &str) -> String {
    query.replace("$namespace", ".*").replace("$worker", ".*").replace("$__rate_interval", "30s")
}

#[derive(Debug)]
pub struct Board {
    pub name: String,
    pub panels: Vec<Panel>,
    pub links_to_others: bool,
}

#[derive(Debug)]
pub struct Panel {
    pub title: String,
    pub description: String,
    pub unit: String,
    /// Legend and expression.
    pub queries: Vec<(String, String)>,
    /// File names of pages.
    pub runbooks: Vec<String>,
}

pub fn boards() -> Vec<Board> {
    let boards: Vec<Board> = in_dir("grafana/dashboards").iter().map(|path| board(path)).collect();
    assert_eq!(boards.len(), 5, "the boards are not where they were");
    boards
}

fn board(path: &str) -> Board {
    let board: Value = serde_json::from_str(&text(path)).unwrap();
    let say = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let panels =
        each(&board["panels"]).into_iter().filter(|panel| panel["type"] != "row").map(|panel| Panel {
            title: say(&panel["title"]),
            description: say(&panel["description"]),
            unit: say(&panel["fieldConfig"]["defaults"]["unit"]),
            queries: each(&panel["targets"])
                .iter()
                .map(|to| (say(&to["legendFormat"]), say(&to["expr"])))
                .collect(),
            runbooks: each(&panel["links"])
                .iter()
                .filter_map(|link| Some(say(&link["url"]).split_once("/runbooks/")?.1.to_owned()))
                .collect(),
        });
    let name = Path::new(path).file_stem().unwrap().to_string_lossy().into_owned();
    let links_to_others = each(&board["links"]).iter().any(|link| link["type"] == "dashboards");
    Board { name, panels: panels.collect(), links_to_others }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn text(path: &str) -> String {
    maybe(path).unwrap_or_else(|| panic!("{path} cannot be read"))
}

pub fn maybe(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

/// The files of a directory, sorted.
pub fn in_dir(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(dir)).unwrap_or_else(|error| panic!("{dir}: {error}"));
    let mut names: Vec<String> =
        entries.map(|entry| format!("{dir}/{}", entry.unwrap().file_name().to_string_lossy())).collect();
    names.sort();
    names
}

/// What a page tells to run of our own program: in code of its own, or within a line.
pub fn commands(page: &str) -> Vec<String> {
    let inline = page.split('`').filter(|code| code.starts_with("helpline ") && !code.contains('\n'));
    let lines = page.lines().map(str::trim).filter(|line| line.starts_with("helpline "));
    inline.chain(lines).map(str::to_owned).collect()
}

/// The subcommand, and the flags that it is given.
pub fn words_and_flags(command: &str) -> (Vec<&str>, Vec<&str>) {
    let command = command.split('#').next().unwrap_or_default();
    let is_word =
        |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    let words = command.split_whitespace().skip(1).take_while(is_word).collect();
    let flags = command.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
    (words, flags.map(|flag| flag.split('=').next().unwrap_or(flag)).collect())
}

/// The names of metrics in a page. Roles and tables of the database look alike: they have another beginning.
pub fn metrics(page: &str) -> Vec<String> {
    let names = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = names.filter(|name| name.starts_with("helpline_"));
    let roles = ["helpline_worker", "helpline_proxy", "helpline_web"];
    names.filter(|name| !roles.contains(name)).map(str::to_owned).collect()
}
