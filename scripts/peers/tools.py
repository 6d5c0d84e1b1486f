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
    source = "`--output`: `metrics.ttft`, `tbt`, `latency`, from due"

    def command(self, load, place):
        shape = f"--vus {load.streams}" if load.streams else f"--rate {load.rate}"
        options = f"{shape} --duration {load.seconds}s --graceful-stop 5s --cores 1 --quiet --no-validate"
        target = ["--target", place.url, "--output", str(place.work / "result.json")]
        return [os.environ["LLMLOAD"], "scripts/bench-stream.yaml", *options.split(), *target]

    def figures(self, place, _log):
        document = place.result()
        metrics, totals = document["metrics"], document["totals"]

        def pair(name):
            return metrics[name]["p50"], metrics[name]["p99"]

        reported = document["rates"]["requests_per_second"]
        return said(reported, totals["ok"], totals["failed"], pair("ttft"), pair("tbt"), pair("latency"))


class Vllm:
    """It counts requests and has no duration."""

    name = "vllm bench serve"
    source = "`--save-result`: `pNN_ttft_ms`, `itl`, `e2el`, from the send"
    api = "--backend openai-chat --endpoint /v1/chat/completions"

    def command(self, load, place):
        count = round(min(load.expected, VLLM_REQUESTS_PER_S) * load.seconds)
        # With an infinite burstiness the gaps are constant; the default draws them and rescales them to the whole.
        shape = f"--max-concurrency {load.streams}" if load.streams else f"--request-rate {load.rate} --burstiness inf"
        data = "--dataset-name random --random-input-len 8 --random-output-len 50"
        asked = "--percentile-metrics ttft,itl,e2el --metric-percentiles 50,99 --save-result --disable-tqdm"
        options = f"bench serve {self.api} --model {MODEL} --num-prompts {count} {shape} {data} {asked}"
        where = ["--base-url", place.origin, "--tokenizer", str(place.tokenizer)]
        kept = ["--result-dir", str(place.work), "--result-filename", "result.json"]
        return [os.environ["VLLM"], *options.split(), *where, *kept]

    def figures(self, place, _log):
        result = place.result()

        def pair(name):
            return result[f"p50_{name}_ms"], result[f"p99_{name}_ms"]

        rate, done, failed = (result[name] for name in ("request_throughput", "completed", "failed"))
        return said(rate, done, failed, pair("ttft"), pair("itl"), pair("e2el"))


class VllmCompletions(Vllm):
    """The API without an event for the role."""

    name = "vllm bench serve (completions)"
    api = "--backend openai --endpoint /v1/completions"


class Aiperf:
    name = "AIPerf"
    source = (
        "`profile_export_aiperf.json`: `time_to_first_token`, `inter_chunk_latency`, `request_latency`, from the send"
    )

    def command(self, load, place):
        at_a_rate = f"--request-rate {load.rate} --arrival-pattern constant"
        shape = f"--concurrency {load.streams}" if load.streams else at_a_rate
        data = "--custom-dataset-type single_turn --endpoint-type chat --streaming"
        quiet = "--ui none --no-gpu-telemetry --no-server-metrics"
        time = f"--benchmark-duration {load.seconds} --benchmark-grace-period 5"
        options = f"profile --model {MODEL} --tokenizer {TOKENIZER} {shape} {data} {time} {quiet}"
        files = ["--input-file", str(place.home / "prompts-aiperf.jsonl"), "--artifact-dir", str(place.work)]
        return [str(place.home / "aiperf/bin/aiperf"), *options.split(), "--url", place.origin, *files]

    def figures(self, place, _log):
        result = json.loads((place.work / "profile_export_aiperf.json").read_text())

        def pair(name):
            return (result[name]["p50"], result[name]["p99"]) if name in result else None

        rate, done = result["request_throughput"]["avg"], int(result["request_count"]["avg"])
        failed = int(result.get("error_request_count", {}).get("avg", 0))
        times = map(pair, ("time_to_first_token", "inter_chunk_latency", "request_latency"))
        return said(rate, done, failed, *times)


class Guidellm:
    name = "guidellm"
    source = (
        "`kind=json`, successful requests: `time_to_first_token_ms`, `inter_token_latency_ms` (a mean of each "
        "request), `request_latency`, from the send"
    )

    def command(self, load, place):
        shape = f"kind=concurrent,streams={load.streams}" if load.streams else f"kind=constant,rate={load.rate}"
        backend = f"kind=openai_http,target={place.origin},model={MODEL},request_format=/v1/chat/completions"
        options = {
            "--backend": backend,
            "--profile": shape,
            "--constraint": f"kind=max_duration,seconds={load.seconds}",
            "--tokenizer": f"kind=hf_auto,model={TOKENIZER}",
            "--data": f"kind=json_file,path={place.prompts}",
            "--output": f"kind=json,path={place.work / 'result.json'}",
        }
        pairs = [word for option in options.items() for word in option]
        return [str(place.home / "guidellm/bin/guidellm"), "run", *pairs, "--disable-console"]

    def figures(self, place, _log):
        metrics = place.result()["benchmarks"][0]["metrics"]
        totals = metrics["request_totals"]

        def pair(name, scale=1):
            of = metrics[name]["successful"]["percentiles"]
            return of["p50"] * scale, of["p99"] * scale

        rate = metrics["requests_per_second"]["successful"]["mean"]
        times = pair("time_to_first_token_ms"), pair("inter_token_latency_ms"), pair("request_latency", 1000)
        return said(rate, totals["successful"], totals["errored"], *times)


class K6:
    name = "k6"
    source = "`--summary-export`: `http_req_duration`, from the send; it reads no events"

    def command(self, load, place):
        shape = f"VUS={load.streams}" if load.streams else f"RATE={load.rate}"
        values = [f"URL={place.url}", shape, f"SECONDS={load.seconds}", f"BODY={body(50)}"]
        values = [word for value in values for word in ("-e", value)]
        kept = ["--summary-export", str(place.work / "result.json")]
        return [str(place.home / "k6/bin/k6"), "run", "--quiet", *kept, *values, "scripts/k6/stream.js"]

    def figures(self, place, _log):
        metrics = place.result()["metrics"]
        failed, latency = metrics["http_req_failed"], metrics["http_req_duration"]
        pair = latency["p(50)"], latency["p(99)"]
        return said(metrics["http_reqs"]["rate"], failed["fails"], failed["passes"], latency=pair)


class Oha:
    name = "oha"
    source = "`--output-format json`: `latencyPercentiles`, from the send, at a rate from due; it reads no events"

    def command(self, load, place):
        shape = f"-c {load.streams}" if load.streams else f"-c 500 -q {load.rate} --latency-correction"
        # -w: what is in flight at the end is waited for.
        options = f"--no-tui --output-format json {shape} -z {load.seconds}s -w -m POST -T application/json"
        return [os.environ["OHA"], *options.split(), "-d", body(50), place.url]

    def figures(self, _place, log):
        text = log.read_text()
        result = json.loads(text[text.index("{") :])
        percentiles = result["latencyPercentiles"]
        good = result["statusCodeDistribution"].get("200", 0)
        failed = sum(result["errorDistribution"].values())
        pair = percentiles["p50"] * 1000, percentiles["p99"] * 1000
        return said(result["summary"]["requestsPerSec"], good, failed, latency=pair)


class Wrk:
    """It prints text, and has no rate."""

    name = "wrk"
    source = "the `--latency` that it prints, from the send; it reads no events"

    def command(self, load, place):
        if load.rate:
            return None
        script = place.work / "post.lua"
        script.write_text(
            "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n"
            f"wrk.body = [==[{body(50)}]==]\n"
        )
        options = f"-t1 -c{load.streams} -d{load.seconds}s --timeout 30s --latency"
        return [os.environ["WRK"], *options.split(), "-s", str(script), place.url]

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
    "vllm-completions": VllmCompletions(),
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
