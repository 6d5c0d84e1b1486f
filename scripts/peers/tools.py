"""How each tool is called for a load, and where its figures are."""

import dataclasses
import json
import os
import pathlib
import re
import sys

PROMPT = "Hi"
MODEL = "mock"
# The tokenizer that AIPerf and guidellm look up in a hub cache; scripts/compare-peers.sh makes it.
TOKENIZER = "local/tok"
# More than guidellm sends, which stops at the end of its file.
PROMPTS = 100_000
# `vllm bench serve` counts requests and has no duration: the most per second that it is given for a load.
VLLM_REQUESTS_PER_S = 500


@dataclasses.dataclass
class Load:
    """Streams at a time, or requests per second. `expected` is the rate without a limit of the client."""

    streams: int | None
    rate: int | None
    seconds: int
    expected: float

    @property
    def name(self):
        return f"{self.streams:,} streams" if self.streams else f"{self.rate}/s"


@dataclasses.dataclass
class Place:
    """Where things are: the installed tools, a folder for this run, the mock."""

    home: pathlib.Path
    work: pathlib.Path
    origin: str

    @property
    def url(self):
        return self.origin + "/v1/chat/completions"

    @property
    def tokenizer(self):
        return self.home / "hf/hub" / f"models--{TOKENIZER.replace('/', '--')}" / "snapshots/0"

    @property
    def prompts(self):
        return self.home / "prompts.jsonl"

    def result(self):
        return json.loads((self.work / "result.json").read_text())


def said(rate=None, requests=None, failed=0, ttft=None, gap=None, latency=None):
    """What a tool reports: counts, requests per second, and pairs of p50 and p99 in milliseconds."""
    return {"rate": rate, "requests": requests, "failed": failed, "ttft": ttft, "gap": gap, "latency": latency}


def body(tokens):
    message = {"role": "user", "content": PROMPT}
    return json.dumps({"model": MODEL, "messages": [message], "max_tokens": tokens, "stream": True})


class Ours:
    name = "llmload-uring"

    def command(self, load, place):
        shape = ["--vus", str(load.streams)] if load.streams else ["--rate", str(load.rate)]
        return [
            os.environ["LLMLOAD"],
            "scripts/bench-stream.yaml",
            *shape,
            "--duration",
            f"{load.seconds}s",
            "--graceful-stop",
            "5s",
            "--target",
            place.url,
            "--cores",
            "1",
            "--quiet",
            "--no-validate",
            "--output",
            str(place.work / "result.json"),
        ]

    def figures(self, place, _log):
        document = place.result()
        metrics, totals = document["metrics"], document["totals"]
        pair = lambda name: (metrics[name]["p50"], metrics[name]["p99"])
        return said(
            document["rates"]["requests_per_second"],
            totals["ok"],
            totals["failed"],
            pair("ttft"),
            pair("tbt"),
            pair("latency"),
        )


class Vllm:
    name = "vllm bench serve"

    def command(self, load, place):
        rate = min(load.expected, VLLM_REQUESTS_PER_S)
        # With an infinite burstiness the gaps are constant; the default draws them and rescales them to the whole.
        shape = (
            ["--max-concurrency", str(load.streams)]
            if load.streams
            else ["--request-rate", str(load.rate), "--burstiness", "inf"]
        )
        return [
            os.environ["VLLM"],
            "bench",
            "serve",
            "--backend",
            "openai-chat",
            "--base-url",
            place.origin,
            "--endpoint",
            "/v1/chat/completions",
            "--model",
            MODEL,
            "--tokenizer",
            str(place.tokenizer),
            "--dataset-name",
            "random",
            "--random-input-len",
            "8",
            "--random-output-len",
            "50",
            "--num-prompts",
            str(round(rate * load.seconds)),
            *shape,
            "--percentile-metrics",
            "ttft,itl,e2el",
            "--metric-percentiles",
            "50,99",
            "--save-result",
            "--result-dir",
            str(place.work),
            "--result-filename",
            "result.json",
            "--disable-tqdm",
        ]

    def figures(self, place, _log):
        result = place.result()
        pair = lambda name: (result[f"p50_{name}_ms"], result[f"p99_{name}_ms"])
        return said(
            result["request_throughput"],
            result["completed"],
            result["failed"],
            pair("ttft"),
            pair("itl"),
            pair("e2el"),
        )


class Aiperf:
    name = "AIPerf"

    def command(self, load, place):
        shape = (
            ["--concurrency", str(load.streams)]
            if load.streams
            else ["--request-rate", str(load.rate), "--arrival-pattern", "constant"]
        )
        return [
            str(place.home / "aiperf/bin/aiperf"),
            "profile",
            "--model",
            MODEL,
            "--url",
            place.origin,
            "--endpoint-type",
            "chat",
            "--streaming",
            "--tokenizer",
            TOKENIZER,
            "--input-file",
            str(place.home / "prompts-aiperf.jsonl"),
            "--custom-dataset-type",
            "single_turn",
            *shape,
            "--benchmark-duration",
            str(load.seconds),
            "--benchmark-grace-period",
            "5",
            "--ui",
            "none",
            "--no-gpu-telemetry",
            "--no-server-metrics",
            "--artifact-dir",
            str(place.work),
        ]

    def figures(self, place, _log):
        result = json.loads((place.work / "profile_export_aiperf.json").read_text())
        pair = lambda name: (result[name]["p50"], result[name]["p99"]) if name in result else None
        failed = result.get("error_request_count", {}).get("avg", 0)
        return said(
            result["request_throughput"]["avg"],
            int(result["request_count"]["avg"]),
            int(failed),
            pair("time_to_first_token"),
            pair("inter_chunk_latency"),
            pair("request_latency"),
        )


class Guidellm:
    name = "guidellm"

    def command(self, load, place):
        shape = f"kind=concurrent,streams={load.streams}" if load.streams else f"kind=constant,rate={load.rate}"
        return [
            str(place.home / "guidellm/bin/guidellm"),
            "run",
            "--backend",
            f"kind=openai_http,target={place.origin},model={MODEL},request_format=/v1/chat/completions",
            "--profile",
            shape,
            "--constraint",
            f"kind=max_duration,seconds={load.seconds}",
            "--tokenizer",
            f"kind=hf_auto,model={TOKENIZER}",
            "--data",
            f"kind=json_file,path={place.prompts}",
            "--output",
            f"kind=json,path={place.work / 'result.json'}",
            "--disable-console",
        ]

    def figures(self, place, _log):
        metrics = place.result()["benchmarks"][0]["metrics"]
        totals = metrics["request_totals"]

        def pair(name, scale=1):
            of = metrics[name]["successful"]["percentiles"]
            return of["p50"] * scale, of["p99"] * scale

        return said(
            metrics["requests_per_second"]["successful"]["mean"],
            totals["successful"],
            totals["errored"],
            pair("time_to_first_token_ms"),
            pair("inter_token_latency_ms"),
            pair("request_latency", 1000),
        )


class K6:
    name = "k6"

    def command(self, load, place):
        shape = f"VUS={load.streams}" if load.streams else f"RATE={load.rate}"
        return [
            str(place.home / "k6/bin/k6"),
            "run",
            "--quiet",
            "--no-usage-report",
            "--summary-export",
            str(place.work / "result.json"),
            "-e",
            f"URL={place.url}",
            "-e",
            shape,
            "-e",
            f"SECONDS={load.seconds}",
            "-e",
            f"BODY={body(50)}",
            "scripts/k6/stream.js",
        ]

    def figures(self, place, _log):
        metrics = place.result()["metrics"]
        pair = lambda name: (metrics[name]["p(50)"], metrics[name]["p(99)"])
        failed = metrics["http_req_failed"]
        return said(
            metrics["http_reqs"]["rate"], failed["fails"], failed["passes"], latency=pair("http_req_duration")
        )


class Oha:
    name = "oha"

    def command(self, load, place):
        shape = (
            ["-c", str(load.streams)] if load.streams else ["-c", "500", "-q", str(load.rate), "--latency-correction"]
        )
        return [
            os.environ["OHA"],
            "--no-tui",
            "--output-format",
            "json",
            *shape,
            "-z",
            f"{load.seconds}s",
            "-w",
            "-m",
            "POST",
            "-T",
            "application/json",
            "-d",
            body(50),
            place.url,
        ]

    def figures(self, _place, log):
        text = log.read_text()
        result = json.loads(text[text.index("{") :])
        summary, percentiles = result["summary"], result["latencyPercentiles"]
        good = result["statusCodeDistribution"].get("200", 0)
        failed = sum(result["errorDistribution"].values())
        return said(
            summary["requestsPerSec"], good, failed, latency=(percentiles["p50"] * 1000, percentiles["p99"] * 1000)
        )


class Wrk:
    name = "wrk"

    def command(self, load, place):
        if load.rate:
            return None  # it has no rate
        script = place.work / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [==[{body(50)}]==]\n"
        )
        return [
            os.environ["WRK"],
            "-t1",
            f"-c{load.streams}",
            f"-d{load.seconds}s",
            "--timeout",
            "30s",
            "--latency",
            "-s",
            str(script),
            place.url,
        ]

    def figures(self, _place, log):
        text = log.read_text()
        units = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}

        def percentile(name):
            number, unit = re.search(rf"^\s+{name}%\s+([\d.]+)(us|ms|s|m)$", text, re.M).groups()
            return float(number) * units[unit]

        requests = int(re.search(r"(\d+) requests in", text).group(1))
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        return said(rate, requests, int(bad.group(1)) if bad else 0, latency=(percentile(50), percentile(99)))


# In the order of the tables.
TOOLS = {
    "ours": Ours(),
    "vllm": Vllm(),
    "aiperf": Aiperf(),
    "guidellm": Guidellm(),
    "k6": K6(),
    "oha": Oha(),
    "wrk": Wrk(),
}


def write_prompts(home):
    """Writes the prompts for guidellm, and for AIPerf, which begins again at the end of the file."""
    (home / "prompts.jsonl").write_text((json.dumps({"prompt": PROMPT}) + "\n") * PROMPTS)
    (home / "prompts-aiperf.jsonl").write_text(json.dumps({"text": PROMPT}) + "\n")


if __name__ == "__main__":
    sys.exit("run scripts/compare-peers.sh")
