"""Plants faults and sees whether the tests notice them; planted-faults.sh says how it is called."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "target" / "planted"
TREE, BUILD = PLACE / "tree", PLACE / "build"
# Faults that go into one build, and those of one test in it: such a test has four threads, each of which a fault ends.
GROUP_MAX, SAME_TEST_MAX = 32, 3
TEST_SECONDS_MAX = 400


class Fault:
    def __init__(self, path):
        self.name = path.stem
        self.text = path.read_text()
        head = dict(re.findall(r"^# (test|fault|row|says|apart): (.+)$", self.text, re.M))
        self.target, self.test = head["test"].split()
        self.fault, self.says = head["fault"], head.get("says")
        self.not_with = head.get("apart", "").split()
        self.files = set(re.findall(r"^\+\+\+ b/(\S+)", self.text, re.M))
        self.places = places(self.text)
        self.seen = None


def places(text):
    """The files and lines that a patch changes."""
    found, file = [], None
    for line in text.splitlines():
        if line.startswith("+++ b/"):
            file = line[6:].split("\t")[0]
        elif at := re.match(r"@@ -(\d+)(?:,(\d+))?", line):
            found.append((file, int(at[1]), int(at[1]) + int(at[2] or 1)))
    return found


def differ(one, other):
    """Whether two faults change different lines, and neither makes the test of the other fail."""
    for a, b in ((one, other), (other, one)):
        if any(a.name.startswith(name) for name in b.not_with):
            return False
    return all(a[0] != b[0] or a[2] < b[1] or b[2] < a[1] for a in one.places for b in other.places)


def say(text):
    print(text, flush=True)


def names_of_files():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )
    if listed.returncode == 0:
        return listed.stdout.split("\0")
    # A checkout without its history.
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
    return [str(name) for name in found if name.parts[0] not in ("target", ".git")]


def refresh():
    """Makes the copy equal to the tree; a file that has not changed keeps its time, so that little is built again."""
    wanted = {name for name in names_of_files() if name and (ROOT / name).is_file()}
    for name in wanted:
        source, copy = ROOT / name, TREE / name
        if copy.is_file() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        shutil.copy(source, copy)
    for path in TREE.rglob("*"):
        if path.is_file() and str(path.relative_to(TREE)) not in wanted:
            path.unlink()
    # Dependencies are the same as those of the tree.
    for part in ("deps", "build", ".fingerprint"):
        built = ROOT / "target" / "debug" / part
        if built.is_dir() and not (BUILD / "debug" / part).exists():
            subprocess.run(["mkdir", "-p", BUILD / "debug"], check=True)
            subprocess.run(["cp", "-a", "--reflink=auto", built, BUILD / "debug"], check=True)


def applies(fault):
    command = ["patch", "-p1", "--forward", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-"]
    dry = subprocess.run([*command, "--dry-run"], cwd=TREE, input=fault.text, text=True, capture_output=True)
    if dry.returncode != 0:
        return False
    subprocess.run(command, cwd=TREE, input=fault.text, text=True, check=True, capture_output=True)
    return True


def restore(files):
    """Puts back what the files had before, whatever has become of the tree meanwhile."""
    for path, content in files.items():
        path.write_bytes(content)


def call(words, seconds=None):
    """Runs a command in the copy. Returns its exit code, `None` if it did not end in time, and all that it said."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(BUILD), "CARGO_MANIFEST_DIR": str(TREE)}
    try:
        done = subprocess.run(
            words, cwd=TREE, env=environment, text=True, errors="replace", timeout=seconds,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        end_what_is_left()
    return done.returncode, done.stdout


def adopt_orphans():
    """Makes processes whose parents have ended children of this one, so that none can escape it."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def end_what_is_left():
    """Ends what a test has left behind that was meant to fail at just that."""
    while True:
        parents = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, rest = entry.read_text().split(" (", 1)
                parents[int(pid)] = int(rest.rsplit(") ", 1)[1].split()[1])
            except (OSError, ValueError):
                pass
        left = [pid for pid, parent in parents.items() if parent == os.getpid()]
        if not left:
            return
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def build(targets):
    """Returns the program of each target's tests, or what the compiler said."""
    programs = {}
    # One call for each: together cargo would build the program with other features.
    for target in sorted(targets):
        words = ["--lib"] if target == "lib" else ["--test", target]
        code, said = call(["nice", "cargo", "test", "--locked", *words, "--no-run"])
        found = re.search(r"^ *Executable .*\((.+)\)$", said, re.M)
        if code != 0 or not found:
            return None, said
        programs[target] = TREE / found[1]
    return programs, None


def run_test(program, test):
    """Runs one test. Returns what became of it in a word, and what it printed."""
    code, said = call([program, "--exact", test, "--nocapture"], seconds=TEST_SECONDS_MAX)
    if code is None:
        return f"no end within {TEST_SECONDS_MAX} s", said
    if "running 1 test" not in said:
        return "no such test", said
    if code == 0:
        needs = re.search(r"^skipped: \S+ (needs .*)$", said, re.M)
        return f"skipped: {needs[1]}" if needs else "passed", said
    return ("failed" if "panicked at" in said else f"ended with {code}, without an assertion"), said


def reason(said):
    """The first lines of what the assertion said."""
    lines = re.split(r"panicked at [^\n]*\n", said, maxsplit=1)[-1].splitlines()
    text = " ".join(line.strip() for line in lines[:3] if not line.startswith("note:"))
    text = re.sub(r"[^\x20-\x7e]", "?", text.replace(str(TREE), ".").replace(str(ROOT), "."))
    return text[:110] + ("..." if len(text) > 110 else "")


def judge(fault, programs):
    became, said = run_test(programs[fault.target], fault.test)
    if became == "failed" and fault.says and fault.says not in said:
        became = f"failed, but did not say {fault.says!r}"
    return f"failed: {reason(said)}" if became == "failed" else became


def plant(group):
    """Builds a group of faults and fills in what was seen of each."""
    changed = {TREE / name for fault in group for name in fault.files}
    changed = {path: path.read_bytes() for path in changed if path.is_file()}
    try:
        for fault in group:
            if not applies(fault):
                fault.seen = "does not apply"
        planted = [fault for fault in group if fault.seen is None]
        programs, complaint = build({fault.target for fault in planted}) if planted else (None, None)
        for fault in planted if programs else []:
            fault.seen = judge(fault, programs)
            if noticed(fault) or skipped(fault) or len(group) == 1 or "--once" in sys.argv:
                show(fault)
    finally:
        restore(changed)
    if complaint is not None and len(planted) == 1:
        errors = [line for line in complaint.splitlines() if line.startswith("error")]
        planted[0].seen = f"does not compile: {(errors or ['?'])[0][:100]}"
    if len(group) == 1 and (group[0].seen or "").startswith("does not"):
        show(group[0])
    if "--once" in sys.argv:
        return
    again = [fault for fault in planted if fault.seen is None]
    if len(group) > 1:
        # What was not noticed in company may have been hidden by another fault.
        again += [fault for fault in group if fault.seen and not noticed(fault) and not skipped(fault)]
    for fault in again:
        fault.seen = None
        plant([fault])


def noticed(fault):
    return (fault.seen or "").startswith("failed: ")


def skipped(fault):
    return (fault.seen or "").startswith("skipped: ")


def show(fault):
    say(f"{fault.name:<44} {fault.target} {fault.test}\n{'':>4}{fault.fault}\n{'':>4}{fault.seen}")


def groups(faults):
    """Puts faults together that change different places and that their tests tell apart."""
    made = []
    for fault in faults:
        for group in made:
            same = [other for other in group if other.test == fault.test]
            told_apart = not same or (len(same) < SAME_TEST_MAX and fault.says and all(o.says for o in same))
            fits = len(group) < GROUP_MAX and fault.target == group[0].target
            if fits and told_apart and all(differ(fault, other) for other in group):
                group.append(fault)
                break
        else:
            made.append([fault])
    return sorted(made, key=len, reverse=True)


def control(faults):
    """The same tests with nothing planted have to pass, else their failure says nothing."""
    programs, complaint = build({fault.target for fault in faults})
    if programs is None:
        sys.exit(f"error: the tree does not compile\n{complaint[-2000:]}")
    wrong = 0
    for target, test in sorted({(fault.target, fault.test) for fault in faults}):
        became, said = run_test(programs[target], test)
        if became == "failed":
            # A machine that does something else as well may be too slow for a test of times.
            became, said = run_test(programs[target], test)
        if became != "passed" and not became.startswith("skipped"):
            wrong += 1
            say(f"{'nothing planted':<44} {target} {test}: {became}: {reason(said)}")
    say(f"nothing planted: {wrong} of {len({f.test for f in faults})} tests failed")
    return wrong


def main():
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    if options - {"--list", "--no-control", "--once"}:
        print("usage: planted-faults.sh [--list] [--no-control] [--once] [NAME...]", file=sys.stderr)
        return 2
    faults = [Fault(path) for path in sorted((ROOT / "tests" / "planted").glob("*.patch"))]
    faults = [fault for fault in faults if not names or any(fault.name.startswith(name) for name in names)]
    if not faults:
        sys.exit(f"error: no patch in tests/planted begins with {' or '.join(names) or 'anything'}")
    made = groups(faults)
    if "--list" in options:
        for i, group in enumerate(made):
            for fault in group:
                print(f"{i + 1:>3}  {fault.name:<44} {fault.target} {fault.test}")
        return 0
    adopt_orphans()
    refresh()
    wrong = 0 if "--no-control" in options else control(faults)
    for group in made:
        plant(group)
    missed = [fault for fault in faults if not noticed(fault) and not skipped(fault)]
    not_run = [fault for fault in faults if skipped(fault)]
    say(f"{len(faults)} faults: {len(faults) - len(missed) - len(not_run)} noticed, {len(not_run)} skipped, "
        f"{len(missed)} not noticed")
    return 1 if missed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
