"""Reads the exports of a run with the code of another tool: exports_check.py TOOL FOLDER RUN…

scripts/exports-check.sh calls it. It starts itself again in the Python of the tool (VLLM_PYTHON and so on), and prints a
line for each check. The exit status is 1 if one fails, and 0 if the tool is absent."""

import json
import math
import os
import subprocess
import sys

PYTHONS = {
    "vllm": "VLLM_PYTHON",
    "aiperf": "AIPERF_PYTHON",
    "guidellm": "GUIDELLM_PYTHON",
    "llm-d": "AIPERF_PYTHON",
}
failed = []


def check(what, ok, seen=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}{': ' + str(seen) if seen != '' else ''}")
    if not ok:
        failed.append(what)


def near(what, ours, theirs, tolerance=1e-6):
    """Compares two lists of figures by name."""
    wrong = [
        f"{key} {ours[key]} instead of {value}"
        for key, value in theirs.items()
        if not math.isclose(ours[key], value, rel_tol=1e-9, abs_tol=tolerance)
    ]
    check(what, not wrong, "; ".join(wrong) or f"{len(theirs)} figures")


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def vllm(folder, name):
    from pathlib import Path

    from vllm.benchmarks.lib.endpoint_request_func import RequestFuncOutput
    from vllm.benchmarks.plot import construct_timeline_data, generate_timeline_plot
    from vllm.benchmarks.serve import calculate_metrics

    detailed, summary = read(f"{folder}/{name}.detailed.json"), read(f"{folder}/{name}.vllm.json")
    lists = "input_lens output_lens ttfts itls latencies start_times queue_times generated_texts errors".split()
    rows = list(zip(*(detailed[key] for key in lists), strict=True))
    outputs = [
        RequestFuncOutput(
            success=error == "", generated_text=text, latency=latency, output_tokens=output, ttft=ttft, itl=itl,
            prompt_len=prompt, error=error, start_time=start, client_queue_time=queue,
        )
        for prompt, output, ttft, itl, latency, start, queue, text, error in rows
    ]
    found, lengths = calculate_metrics([], outputs, detailed["duration"], None, [50.0, 99.0], {})
    check(f"vllm {name}: the lengths are those of its requests", lengths == detailed["output_lens"])
    theirs = {
        "completed": found.completed, "failed": found.failed, "total_input_tokens": found.total_input,
        "total_output_tokens": found.total_output, "request_throughput": found.request_throughput,
        "output_throughput": found.output_throughput, "total_token_throughput": found.total_token_throughput,
        "max_output_tokens_per_s": found.max_output_tokens_per_s,
        "max_concurrent_requests": found.max_concurrent_requests,
    }
    for metric in "ttft", "tpot", "itl", "e2el":
        for stat in "mean", "median", "std":
            theirs[f"{stat}_{metric}_ms"] = getattr(found, f"{stat}_{metric}_ms")
        for p, value in getattr(found, f"percentiles_{metric}_ms"):
            theirs[f"p{int(p)}_{metric}_ms"] = value
    near(f"vllm {name}: its own statistics of our requests", detailed, theirs, 1e-5)
    shared = {key: value for key, value in detailed.items() if key in summary}
    check(f"vllm {name}: the short form says the same", shared == summary)
    data = [
        {"start_time": row[5], "ttft": row[2], "itl": row[3], "latency": row[2] + sum(row[3]), "prompt_len": row[0],
         "output_tokens": row[1]}
        for row in rows
    ]
    timeline = construct_timeline_data(data, [0.025, 0.05], ["low", "middle", "high"])
    check(f"vllm {name}: its timeline", len(timeline) == len(data) + sum(len(row[3]) for row in rows),
          f"{len(timeline)} segments")
    try:
        generate_timeline_plot(data, Path(folder) / f"{name}.timeline.html", itl_thresholds=[0.025, 0.05])
    except ImportError as error:
        print(f"skipped: vllm {name}: its plot needs a package: {error}")


def aiperf(folder, name):
    from pathlib import Path

    import numpy
    from aiperf.common.models.export_models import JsonExportData
    from aiperf.common.models.record_models import MetricRecordInfo
    from aiperf.plot.core.data_loader import DataLoader

    place = Path(folder) / f"{name}.aiperf"
    with open(place / "profile_export.jsonl", encoding="utf-8") as lines:
        records = [MetricRecordInfo.model_validate_json(line) for line in lines]
    check(f"aiperf {name}: its model reads the records", bool(records), f"{len(records)} records")
    text = (place / "profile_export_aiperf.json").read_text(encoding="utf-8")
    data = JsonExportData.model_validate_json(text)
    check(f"aiperf {name}: its model reads the summary", data.request_count.avg == len(records),
          f"{data.request_count.avg:.0f} requests")
    summary = json.loads(text)
    wrong = []
    tags = [tag for tag, value in summary.items() if isinstance(value, dict) and "p99" in value]
    for tag in tags:
        values = [record.metrics[tag].value for record in records if tag in record.metrics]
        values = numpy.concatenate([numpy.atleast_1d(value) for value in values]).astype(float)
        theirs = {"avg": values.mean(), "std": values.std(), "min": values.min(), "max": values.max(),
                  "sum": values.sum(), "count": len(values)}
        theirs |= {f"p{p}": numpy.percentile(values, p) for p in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
        wrong += [f"{tag} {key} {summary[tag][key]} instead of {value}" for key, value in theirs.items()
                  if not math.isclose(summary[tag][key], value, rel_tol=1e-6, abs_tol=1e-5)]
    check(f"aiperf {name}: the summary is that of the records", not wrong and len(tags) > 15,
          "; ".join(wrong) or f"{len(tags)} metrics")
    run = DataLoader().load_run(place)
    check(f"aiperf {name}: the loader of `aiperf plot`", len(run.requests) == len(records),
          f"{len(run.requests)} rows")


def guidellm(folder, name):
    from guidellm.schemas.base.info import RequestInfo, RequestTimings
    from guidellm.schemas.base.request import UsageMetrics
    from guidellm.schemas.base.request_stats import GenerativeRequestStats

    with open(f"{folder}/{name}.aiperf/profile_export.jsonl", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    wrong = []
    for record in records:
        metrics = {key: value["value"] for key, value in record["metrics"].items()}
        begin, first = record["metadata"]["request_start_ns"] / 1e9, metrics["time_to_first_token"] / 1e3
        last = first + sum(metrics["inter_chunk_latency"]) / 1e3
        timings = RequestTimings(
            request_start=begin, first_token_iteration=begin + first, first_output_token_iteration=begin + first,
            last_token_iteration=begin + last, request_end=begin + metrics["request_latency"] / 1e3,
            resolve_end=begin + last, request_iterations=20, token_iterations=len(metrics["inter_chunk_latency"]) + 1,
        )
        tokens = metrics["output_sequence_length"]
        stats = GenerativeRequestStats(
            request_id=record["metadata"]["x_request_id"], info=RequestInfo(timings=timings),
            input_metrics=UsageMetrics(text_tokens=metrics["input_sequence_length"]),
            output_metrics=UsageMetrics(text_tokens=tokens),
        )
        pairs = [
            (stats.time_to_first_token_ms, metrics["time_to_first_token"]),
            (stats.inter_token_latency_ms, metrics["inter_token_latency"]),
            (stats.request_latency * 1e3, metrics["request_latency"]),
            (stats.prompt_tokens, metrics["input_sequence_length"]),
            (stats.output_tokens, tokens),
        ]
        # Its instants are doubles of seconds since 1970, which keep a quarter of a microsecond.
        wrong += [pair for pair in pairs if not math.isclose(*pair, abs_tol=0.002)]
    check(f"guidellm {name}: its statistics of our requests", bool(records) and not wrong,
          wrong[:3] or f"{len(records)} requests")


def llm_d(folder, name):
    sys.path.insert(0, os.environ["LLM_D"])
    # The package itself imports more than the models need.
    import importlib
    import types

    for package in ("llmdbenchmark", "llmdbenchmark.analysis", "llmdbenchmark.analysis.benchmark_report"):
        module = types.ModuleType(package)
        module.__path__ = [os.path.join(os.environ["LLM_D"], *package.split("."))]
        sys.modules.setdefault(package, module)
    models = importlib.import_module("llmdbenchmark.analysis.benchmark_report.schema_v0_2_1")
    report = models.BenchmarkReportV021(**read(f"{folder}/{name}.report.json"))
    aggregate = report.results.request_performance.aggregate
    detailed = read(f"{folder}/{name}.detailed.json")
    check(f"llm-d {name}: its model of version {report.version} reads the report",
          aggregate.requests.total == detailed["num_prompts"], f"{aggregate.requests.total} requests")
    ours = {
        "ttft": aggregate.latency.time_to_first_token.mean * 1e3, "p99": aggregate.latency.time_to_first_token.p99 * 1e3,
        "tpot": aggregate.latency.time_per_output_token.mean * 1e3,
        "itl": aggregate.latency.inter_token_latency.mean * 1e3,
        "e2el": aggregate.latency.request_latency.mean * 1e3,
    }
    theirs = {"ttft": detailed["mean_ttft_ms"], "p99": detailed["p99_ttft_ms"], "tpot": detailed["mean_tpot_ms"],
              "itl": detailed["mean_itl_ms"], "e2el": detailed["mean_e2el_ms"]}
    near(f"llm-d {name}: the figures are those of the vLLM export", ours, theirs, 1e-5)


def k6(folder, name):
    """Reads k6's summary with `compare`, which reads those of k6 itself."""
    command = [os.environ["LLMLOAD"], "compare", f"{folder}/{name}.json", f"{folder}/{name}.k6.json", "--format", "json"]
    compared = subprocess.run(command, capture_output=True, text=True, check=False)
    check(f"k6 {name}: our reader of k6's summaries", compared.returncode == 0, compared.stderr.strip())
    document, summary = read(f"{folder}/{name}.json"), read(f"{folder}/{name}.k6.json")["metrics"]
    service = document["metrics"]["service_time"]
    near(f"k6 {name}: http_req_duration is service_time", summary["http_req_duration"],
         {"avg": service["mean"], "med": service["p50"], "p(95)": service["p95"], "max": service["max"]})


def main():
    tool, folder, *names = sys.argv[1:]
    wanted = os.environ.get(PYTHONS.get(tool, ""), sys.executable)
    if tool == "llm-d" and not os.path.isdir(os.environ["LLM_D"]):
        print("skipped: llm-d: needs a checkout of llm-d-benchmark (LLM_D)")
        return 0
    if not os.path.exists(wanted):
        print(f"skipped: {tool}: needs its Python ({PYTHONS[tool]})")
        return 0
    if os.environ.get("IN_PEER") != tool and tool in PYTHONS:
        return subprocess.run([wanted, "-B", *sys.argv], env={**os.environ, "IN_PEER": tool}, check=False).returncode
    for name in names:
        globals()[tool.replace("-", "_")](folder, name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
