"""What scripts/prometheus.sh asks a Prometheus.

  prometheus_check.py during URL DASHBOARD   every expression of the dashboard gives data while the run goes on
  prometheus_check.py after URL RESULT       the last figures are those of the result document
"""

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request

# What Grafana would put in place of its variables if all is shown.
VARIABLES = {"$__rate_interval": "10s", "$instance": ".*", "$endpoint": ".+", "$server": ".*"}
PATIENCE_S = 60


def ask(url, path, **parameters):
    """Returns `data` of an answer of Prometheus' API."""
    query = urllib.parse.urlencode(parameters, doseq=True)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=10) as answer:
        return json.load(answer)["data"]


def values(url, expression):
    """Returns the numbers of an instant query; one that is not finite is no data."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    found = [float(series["value"][1]) for series in ask(url, "query", query=expression)["result"]]
    return [value for value in found if math.isfinite(value)]


def wait_for(url, expression):
    """Waits until an expression is true for some series."""
    until = time.monotonic() + PATIENCE_S
    while not values(url, expression):
        if time.monotonic() > until:
            sys.exit(f"error: nothing for {expression} within {PATIENCE_S} s")
        time.sleep(0.2)


def variables(url, dashboard):
    """Evaluates the queries of the dashboard's variables; returns those that give nothing."""
    empty = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = variable["query"]["query"]
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        found = ask(url, f"label/{label}/values", **{"match[]": series})
        print(f"variable {variable['name']}: {', '.join(found) or 'NOTHING'}")
        if not found:
            empty.append(query)
    return empty


def during(url, path):
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    # Both targets have been scraped for as long as a rate looks back.
    wait_for(url, "min(count_over_time(up[30s])) >= 12 and min(up) == 1 and count(up) == 2")
    described = ask(url, "targets/metadata", metric="llm_requests")
    print(f"format of the scrapes: {'OpenMetrics' if described else 'text 0.0.4'}")
    empty, count = variables(url, dashboard), 0
    print(f"{'panel':<36} {'series':<10} newest values, of the first series of each expression")
    for panel in dashboard["panels"]:
        found = [values(url, target["expr"]) for target in panel.get("targets", [])]
        count += len(found)
        for target, of in zip(panel.get("targets", []), found):
            if not of:
                empty.append(f"{panel['title']}: {target['expr']}")
        if found:
            numbers = " ".join(str(len(of)) for of in found)
            firsts = "  ".join(f"{of[0]:.4g}" if of else "NOTHING" for of in found)
            print(f"{panel['title']:<36} {numbers:<10} {firsts}")
    print(f"{count} expressions, {len(empty)} without data")
    for query in empty:
        print(f"error: nothing for {query}")
    sys.exit(1 if empty or not described else 0)


def after(url, path):
    with open(path, encoding="utf-8") as file:
        totals = json.load(file)["totals"]
    wait_for(url, "max_over_time(llm_run_finished[2m]) == 1")
    wrong = 0
    for metric, of_document in [
        ("llm_requests_total", totals["ok"] + totals["failed"]),
        ("llm_failed_requests_total", totals["failed"]),
        ("llm_output_tokens_total", totals["output_tokens"]),
    ]:
        of_prometheus = sum(values(url, f"last_over_time({metric}[2m])"))
        verdict = "ok" if of_prometheus == of_document else "DIFFERS"
        wrong += of_prometheus != of_document
        print(f"{metric:<26} {of_prometheus:>8.0f}   result.json {of_document:>8}   {verdict}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    {"during": during, "after": after}[sys.argv[1]](*sys.argv[2:])
