"""Compares the result of a run with what a real server counted or logged meanwhile. Called by scripts/real-servers.sh:

    idle SERVER COUNTERS                   exit code 0 if the server has nothing to do
    check SERVER RUN STATUS KEPT FOLDER    compares KEPT.json, the printed KEPT.txt and KEPT.log (what the server logged
                                           meanwhile) with FOLDER/before.* and FOLDER/after.*; prints PASS or FAIL of
                                           each check and a row of the table; exit code 1 if one fails
    heading                                prints the head of the table

Each request is one of three on the server: answered, begun and cut by us (a time-out, or the end of the run), or never
seen (no connection). A question before the load counts on the server too, with up to 16 tokens; the run prints each.
"""

import json
import re
import sys
from collections import Counter

# A question before the load asks for at most so many tokens.
QUESTION_TOKENS_MAX = 16
# Of these the server may not have read the request, or goes on with it.
CUT = ("interrupted", "cancelled", "timeout_first_token", "timeout_idle", "timeout_total", "reset", "truncated")
UNSEEN = ("connect_failed", "timeout_connect", "tls_failed", "client_resource")
PATH = re.compile(r"/v1/(chat/completions|responses|completions|messages)$")


def metrics(path):
    """Values by name and labels, of Prometheus text."""
    values = {}
    with open(path) as file:
        for line in file:
            if not line.startswith("#") and " " in line:
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
    return values


def summed(values, name, *labels):
    return int(sum(v for k, v in values.items() if re.split("[{ ]", k)[0] == name and all(x in k for x in labels)))


def idle(server, path):
    if server in ("nginx", "llmsim"):
        with open(path) as file:
            return 0 if json.load(file)["active_requests"] == 0 else 1
    busy = {"llama.cpp": ("llamacpp:requests_processing", "llamacpp:requests_deferred")}
    names = busy.get(server, ("vllm:num_requests_running", "vllm:num_requests_waiting"))
    return 0 if sum(summed(metrics(path), name) for name in names) == 0 else 1


class Run:
    def __init__(self, server, name, status, kept, folder):
        with open(kept + ".json") as file:
            self.document = json.load(file)
        with open(kept + ".txt") as file:
            printed = file.read()
        with open(kept + ".log", errors="replace") as file:
            self.log = file.read()
        self.server, self.name, self.status, self.folder = server, name, int(status), folder
        self.totals = self.document["totals"]
        self.by = Counter(self.totals["by_outcome"])
        asked = re.findall(r"^validation: POST [^:]*(?:: (\d+))?", printed, re.MULTILINE)
        self.questions, self.question_statuses = len(asked), Counter(asked)
        self.cut = sum(self.by[name] for name in CUT)
        self.seen = self.totals["requests"] - sum(self.by[name] for name in UNSEEN)
        self.failed, self.theirs = False, []

    def check(self, holds, text):
        print(f"{'PASS' if holds else 'FAIL'}  {text}")
        self.failed |= not holds

    def count(self, what, ours, theirs, more=0, why=""):
        """Ours and theirs are equal, or theirs is up to `more` more, for the reason given."""
        allowed = f", or up to {more} more: {why}" if more else ""
        self.check(ours <= theirs <= ours + more, f"{what}: ours {ours}, the server's {theirs}{allowed}")

    def metrics(self, when):
        return metrics(f"{self.folder}/{when}.counters")

    def grown(self, name, *labels):
        return summed(self.metrics("after"), name, *labels) - summed(self.metrics("before"), name, *labels)

    def stats(self, key):
        def read(when):
            with open(f"{self.folder}/{when}.counters") as file:
                return json.load(file)[key]

        return read("after") - read("before")

    def tokens(self, theirs, questions=None, each=QUESTION_TOKENS_MAX, of_cut=True):
        """Tokens of good answers. A server may count what it made for requests that were cut, up to their limit."""
        questions = self.questions if questions is None else questions
        details = self.document["details"]
        ours = sum(row["output_tokens"] for row in details if not row["error"])
        more, why = questions * each, [f"{questions} questions before the load"] if questions else []
        if of_cut and self.cut:
            more += sum(row["asked_output_tokens"] for row in details if row["error"] in CUT)
            why.append(f"{self.cut} cut")
        self.count("tokens of good answers", ours, theirs, more, ", ".join(why))


def llama_cpp(run):
    begun = len(re.findall(r"launch_slot_: .*processing task", run.log))
    ended = len(re.findall(r"release: .*stop processing", run.log))
    run.theirs.append(f"{begun} tasks begun, {ended} ended")
    run.count("requests", run.totals["ok"] + run.questions, begun, run.cut, "cut before or after they had a slot")
    run.check(begun == ended, f"tasks of its slots: {begun} begun, {ended} ended")
    made = run.grown("llamacpp:tokens_predicted_total")
    run.theirs.append(f"{made} tokens")
    run.tokens(made)


def finished_at_vllm(run):
    """How many requests it finished, and how many it aborted because their clients had gone."""
    name = "vllm:request_success_total"
    finished = sum(run.grown(name, f'finished_reason="{reason}"') for reason in ("stop", "length"))
    return finished, run.grown(name, 'finished_reason="abort"')


def vllm(run):
    finished, aborted = finished_at_vllm(run)
    run.theirs.append(f"{finished} finished, {aborted} aborted")
    run.count("finished requests", run.totals["ok"] + run.questions, finished, run.cut, "cut as they ended")
    run.check(aborted <= run.cut, f"aborted requests: ours cut {run.cut}, the server's {aborted}")
    statuses(run, Counter(re.findall(r'"POST \S+ HTTP/1.1" (\d+)', run.log)))
    made = run.grown("vllm:generation_tokens_total")
    run.theirs.append(f"{made} tokens")
    run.tokens(made)


def litellm(run):
    posts = Counter(re.findall(r'"POST \S+ HTTP/1.1" (\d+)', run.log))
    run.theirs.append(", ".join(f"{status} x {n}" for status, n in sorted(posts.items())))
    statuses(run, posts)
    # A look at its health asks each of its models one question.
    health = len(re.findall(r'"GET /health HTTP', run.log))
    ours, what = run.totals["ok"] + run.questions + health, "finished at the vLLM behind it, which GET /health asks"
    run.count(what, ours, finished_at_vllm(run)[0], run.cut, "cut as they ended")
    made = run.grown("vllm:generation_tokens_total")
    run.theirs.append(f"{made} tokens at vLLM")
    run.tokens(made, run.questions + health)


def statuses(run, theirs):
    """Each answer by its status, the questions before the load included. The server may log what we cut as well."""
    ours = Counter(run.totals["by_status"]) + run.question_statuses
    for status in sorted(set(ours) | set(theirs)):
        run.count(f"answers with status {status}", ours[status], theirs[status], run.cut, "cut")


def nginx(run):
    """Its log has the id of each request: they are compared one by one."""
    lines = [line.split() for line in run.log.splitlines()]
    posts = [(line[0], line[4]) for line in lines if line[1] == "POST" and PATH.search(line[2])]
    logged = {identity: status for status, identity in posts if identity != "-"}
    details = [row for row in run.document["details"] if row.get("x_request_id")]
    alike = sum(1 for row in details if logged.get(row["x_request_id"]) == str(row.get("status", "499")))
    cut = {row["x_request_id"] for row in details if row["error"] in CUT}
    strangers = set(logged) - {row["x_request_id"] for row in details}
    run.theirs.append(", ".join(f"{status} x {n}" for status, n in sorted(Counter(s for s, _ in posts).items())))
    missing = [row for row in details if row["x_request_id"] not in logged and row["error"] not in (*CUT, *UNSEEN)]
    run.check(
        alike + len(cut) >= len(details) > 0 and not missing,
        f"requests whose status in the log is ours, by their ids: {alike} of {len(details)}, {len(cut)} cut",
    )
    run.check(len(strangers) <= run.questions, f"ids in the log that are not of the load: {len(strangers)}")
    run.count("POSTs in the log", run.seen + run.questions - run.cut, len(posts), run.cut, "cut")

    def accepted(when):
        with open(f"{run.folder}/{when}.status") as file:
            return [int(n) for n in file.read().splitlines()[2].split()]

    # The second look at this page is a request on a connection of its own.
    _, handled, requests = (after - before - 1 for before, after in zip(accepted("before"), accepted("after")))
    run.check(requests == len(lines), f"requests by stub_status: {requests}, lines of the log {len(lines)}")
    opened = run.totals["connections_opened"]
    run.check(handled >= opened, f"connections: ours {opened}, nginx handled {handled}, questions and checks included")
    llmsim(run, Counter(status for status, _ in posts)["429"])


def llmsim(run, kept_from_it=0):
    """A proxy before it answers some requests by itself. It counts the tokens of an answer when it has ended."""
    all_of_them, errors = run.stats("total_requests"), run.stats("total_errors")
    run.theirs.append(f"{all_of_them} requests, {errors} errors by llmsim")
    ours = run.seen + run.questions - run.cut - kept_from_it
    run.count("requests by llmsim", ours, all_of_them, run.cut, "cut")
    server_errors = sum(n for status, n in run.totals["by_status"].items() if status != "200") - kept_from_it
    run.check(errors == server_errors, f"errors: ours {server_errors}, llmsim's {errors}")
    made = run.stats("completion_tokens")
    run.theirs.append(f"{made} tokens")
    # It ignores a limit of tokens: an answer to a question is about as long as the longest of the run.
    run.tokens(made, None, 2 * max(row["output_tokens"] for row in run.document["details"]), of_cut=False)


CHECKS = {"llama.cpp": llama_cpp, "vllm": vllm, "litellm": litellm, "nginx": nginx, "llmsim": llmsim}


def check(server, name, status, kept, folder):
    run = Run(server, name, status, kept, folder)
    totals, verdict = run.totals, run.document["run"]
    kinds = ", ".join(f"{outcome} {count}" for outcome, count in sorted(run.by.items()) if count and outcome != "ok")
    print(f"      {totals['requests']} requests: ok {totals['ok']}{', ' + kinds if kinds else ''};"
          f" exit code {run.status} ({verdict['verdict']})")
    # 99: a threshold of the profile failed, on latencies of tiny models on a shared CPU.
    run.check(run.status in (0, 99) and run.status == verdict["exit_code"], f"exit code {run.status}")
    CHECKS[server](run)
    medians = [run.document["metrics"].get(name, {}).get("p50") for name in ("ttft", "latency")]
    seconds = " | ".join("-" if median is None else f"{median / 1000:.2f}" for median in medians)
    print(f"| {server} | {name} | {totals['requests']} | {totals['ok']} | {kinds or '-'} | {totals['output_tokens']} |"
          f" {'; '.join(run.theirs)} | {seconds} | {'FAIL' if run.failed else 'agrees'} |")
    return 1 if run.failed else 0


def heading():
    print("| server | run | requests | ok | others | tokens | the server's own counts | ttft p50, s | latency p50 | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    return 0


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    sys.exit({"idle": idle, "check": check, "heading": heading}[command](*arguments))
