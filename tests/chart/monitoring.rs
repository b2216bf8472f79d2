//! Boards and alerts come from grafana/, and from nowhere else.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::helm::{case, cases, list, read_yaml, render, text};
use crate::{chart, root, text_of};

/// Files of a folder of grafana/ with this ending, those in folders below left out.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("grafana").join(folder)).expect("grafana/");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
}

#[test]
fn the_boards_are_the_very_files_of_grafana() {
    let case = case("cluster-values");
    let boards = files("dashboards", "json");
    let maps: Vec<&Value> = case.of_kind("ConfigMap").collect();
    assert_eq!(maps.len(), boards.len());
    for board in boards {
        let name = board.file_name().expect("a name").to_string_lossy().into_owned();
        let map = maps.iter().find(|map| map["data"][&name].is_string());
        let map = map.unwrap_or_else(|| panic!("{name} is in no ConfigMap"));
        assert_eq!(text(&map["data"][&name]).trim(), text_of(&board).trim(), "{name}");
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        assert!(map.to_string().len() < 900_000, "{name} is too large for a ConfigMap");
    }
}

#[test]
fn the_alerts_are_the_very_rules_of_grafana() {
    let wanted: Vec<Value> =
        files("alerts", "yml").iter().flat_map(|file| list(&read_yaml(file)["groups"]).to_vec()).collect();
    assert!(!wanted.is_empty(), "there are rules");
    let rule = case("cluster-values").find("PrometheusRule", "helpline");
    assert_eq!(list(&rule["spec"]["groups"]), wanted);
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
}

#[test]
fn every_pod_that_has_metrics_is_scraped() {
    let case = case("cluster-values");
    let monitor = &case.find("PodMonitor", "helpline")["spec"];
    let chosen: BTreeSet<&str> = case
        .pods()
        .into_iter()
        .filter(|pod| pod.is_chosen_by(&monitor["selector"]))
        .map(|pod| pod.component())
        .collect();
    assert_eq!(chosen, BTreeSet::from(["proxy", "worker"]));
    let endpoint = &monitor["podMetricsEndpoints"][0];
    assert_eq!((text(&endpoint["port"]), text(&endpoint["path"])), ("admin", "/metrics"));
}

#[test]
fn nothing_of_the_operator_is_made_where_it_is_not() {
    for case in cases().iter().filter(|case| case.name != "cluster-values") {
        for kind in ["PodMonitor", "PrometheusRule", "ConfigMap"] {
            assert_eq!(case.of_kind(kind).count(), 0, "{}: {kind}", case.name);
        }
    }
}

#[test]
fn links_lead_to_where_the_runbooks_are_served() {
    let values = "monitoring: {docsUrl: 'https://wiki.example.org/docs/'}";
    let [case] = &render(&[&chart().join("ci/cluster-values.yaml")], &[("linked", values)])[..] else {
        panic!("one case")
    };
    assert_eq!(case.error, None);
    let rendered = |kind| case.of_kind(kind).map(Value::to_string).collect::<String>();
    for kind in ["PrometheusRule", "ConfigMap"] {
        assert!(!rendered(kind).contains("helpline.example"), "a link of {kind} leads nowhere");
    }
    assert!(rendered("PrometheusRule").contains("https://wiki.example.org/docs/runbooks/"));
}
