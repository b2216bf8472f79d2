"""Renders the chart with Helm and validates what comes out; for tests/chart/.

Standard input: {"chart": directory, "cases": [{"name", "files": [paths], "text": YAML or null}], "read": [paths]}.
Standard output: {"cases": [{"name", "error": text or null, "notes": text or null, "documents": [...], "invalid": [texts]}],
"read": {path: what the YAML file holds}}.
A `helm` in PATH renders; without one its engine as a library does (PyPI helm-python-sdk). Only the library shows NOTES.txt.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import warnings

import kubernetes_validate
import yaml

RELEASE, NAMESPACE, KUBERNETES = "helpline", "chat", "1.32"
# Of the Prometheus Operator: the validator has no schema for them.
CUSTOM = {"PodMonitor", "PrometheusRule"}


def merged(base, over):
    """As Helm merges values files: objects by key, everything else is replaced."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


def values_of(case):
    values = {}
    for path in case["files"]:
        with open(path, encoding="utf-8") as file:
            values = merged(values, yaml.safe_load(file) or {})
    return merged(values, yaml.safe_load(case.get("text") or "") or {})


def with_binary(chart, values):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        command = ["helm", "template", RELEASE, chart, "--namespace", NAMESPACE, "--values", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr)
    return {"all.yaml": done.stdout}


def with_library():
    import helm_python

    charts = {}

    def render(chart, values):
        loaded = charts.setdefault(chart, None) or helm_python.Chart.load(chart)
        charts[chart] = loaded
        try:
            return loaded.render(values, name=RELEASE, namespace=NAMESPACE, is_install=True)
        except helm_python.HelmError as error:
            raise ValueError(str(error)) from error

    return render


def invalid(document):
    named = f'{document.get("kind")} {document.get("metadata", {}).get("name")}'
    if document.get("kind") in CUSTOM:
        return []
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f'{named}: {".".join(str(part) for part in error.path)}: {error.message}']
    except Exception as error:  # Whatever it cannot judge has not been judged to be good.
        return [f"{named}: {error!r}"]
    return []


def run(render, chart, case):
    result = {"name": case["name"], "error": None, "notes": None, "documents": [], "invalid": []}
    try:
        files = render(chart, values_of(case))
    except ValueError as error:
        return {**result, "error": str(error)}
    for path, text in files.items():
        if path.endswith("NOTES.txt"):
            result["notes"] = text
            continue
        try:
            documents = [document for document in yaml.load_all(text, Loader=UniqueKeys) if document]
        except yaml.YAMLError as error:
            result["invalid"].append(f"{path}: {error}")
            continue
        result["documents"] += documents
        result["invalid"] += [problem for document in documents for problem in invalid(document)]
    return result


class UniqueKeys(yaml.SafeLoader):
    """A key that stands twice in an object is refused: the cluster would take one of them, or neither."""


def unique(loader, node, deep=False):
    seen = set()
    for key, _ in node.value:
        name = key.value
        if isinstance(name, str) and name in seen:
            raise yaml.YAMLError(f"{name!r} stands twice{key.start_mark}")
        if isinstance(name, str):
            seen.add(name)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


UniqueKeys.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, lambda loader, node: unique(loader, node, deep=True)
)


def main():
    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    read = {}
    for path in asked.get("read", []):
        with open(path, encoding="utf-8") as file:
            read[path] = yaml.load(file, Loader=UniqueKeys)
    cases = asked.get("cases", [])
    if cases:
        render = with_binary if shutil.which("helm") else with_library()
        cases = [run(render, asked["chart"], case) for case in cases]
    json.dump({"cases": cases, "read": read}, sys.stdout, default=str)


if __name__ == "__main__":
    main()
