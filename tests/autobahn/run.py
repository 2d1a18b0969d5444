"""Runs the Autobahn test suite against the two echo servers and compares its verdicts with expected.csv."""

import argparse
import collections
import contextlib
import csv
import fnmatch
import json
import pathlib
import re
import shutil
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from server import ROOT, Server, free_port, php_command, rust_command  # noqa: E402

EXPECTED = FOLDER / "expected.csv"
SUITE = [ROOT / ".venv-autobahn/bin/python", "-W", "ignore", "-m", "autobahntestsuite"]
SUITE_SECONDS_MAX = 45 * 60

# INFORMATIONAL is the verdict where the protocol leaves the answer open, NON-STRICT where it was right but late.
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")
GOOD_CLOSE = ("OK", "INFORMATIONAL")

# Groups 12 and 13 compress; each of their parts has 18 sizes and ways to fragment, of which the first ones and one of
# the fragmented take little time. Group 9 is about long messages.
SOME_SIZES = (1, 2, 3, 4, 5, 6, 11)
COMPRESSED = [(12, part) for part in range(1, 6)] + [(13, part) for part in range(1, 8)]
PRESETS = {
    "fast": [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)],
    "ci": [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
    + [f"{group}.{part}.{size}" for group, part in COMPRESSED for size in SOME_SIZES],
    "all": ["*"],
}

Verdict = collections.namedtuple("Verdict", "behaviour close")


class Run:
    """One server and the suite as its client."""

    def __init__(self, name, command, port, logs):
        self.name = name
        self.folder = logs / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.log = self.folder / "suite.log"
        self.server = Server(command, port, self.folder)
        self.suite = None

    def begin(self, patterns):
        self.server.wait_listening()
        specification = {
            "outdir": str(self.folder),
            # The suite ends a connection with a close frame, whatever it found wrong, so that the answer counts.
            "options": {"failByDrop": False},
            "servers": [{"agent": self.name, "url": f"ws://127.0.0.1:{self.server.port}"}],
            "cases": patterns,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        path = self.folder / "specification.json"
        path.write_text(json.dumps(specification, indent=2))
        with open(self.log, "wb") as log:
            self.suite = subprocess.Popen([*SUITE, path], stdout=log, stderr=subprocess.STDOUT)

    def end(self):
        """Stops what still runs of it."""
        if self.suite is not None:
            self.suite.kill()
            self.suite.wait()
        self.server.stop()

    def verdicts(self):
        """Waits for the suite: {case: verdict}, and the names of the cases it meant to run."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.suite.wait(SUITE_SECONDS_MAX)
        # Without a report there is no verdict, so that every case is missing.
        index = self.folder / "index.json"
        report = json.loads(index.read_text()).get(self.name, {}) if index.exists() else {}
        planned = re.search(r"Cases = \[(.*)\]", self.log.read_text(errors="replace"))
        cases = re.findall(r"'([\d.]+)'", planned[1]) if planned else []
        return {case: Verdict(row["behavior"], row["behaviorClose"]) for case, row in report.items()}, cases


def judge(verdict, wanted):
    """What is wrong with a case, or None."""
    if verdict is None:
        return "has no verdict"
    if verdict.behaviour not in GOOD or verdict.close not in GOOD_CLOSE:
        return f"is {verdict.behaviour}, its close {verdict.close}"
    if wanted is None:
        return f"is {verdict.behaviour}, its close {verdict.close}, and not in {EXPECTED.name}"
    if verdict != wanted:
        return f"is {verdict.behaviour}, its close {verdict.close}; wanted {wanted.behaviour} and {wanted.close}"
    return None


def in_order(cases):
    return sorted(cases, key=lambda case: [int(part) for part in case.split(".")])


def read_expected():
    if not EXPECTED.exists():
        return {}
    with open(EXPECTED, newline="") as file:
        return {row["case"]: Verdict(row["behaviour"], row["close"]) for row in csv.DictReader(file)}


def write_expected(expected):
    with open(EXPECTED, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["case", "behaviour", "close"])
        table.writerows([case, *expected[case]] for case in in_order(expected))


def run_suite(patterns, logs):
    """{server: (verdicts, the cases meant to run)}, both servers at the same time."""
    rust_port, php_port = free_port(), free_port()
    rust = rust_command("--port", rust_port, "--mode", "base", "--deflate")
    php = php_command(ROOT / "examples/echo.php", php_port, "base", 1, "deflate")
    with contextlib.ExitStack() as running:
        runs = []
        for name, command, port in (("rust", rust, rust_port), ("php", php, php_port)):
            runs.append(Run(name, command, port, logs))
            running.callback(runs[-1].end)
        for run in runs:
            run.begin(patterns)
        return {run.name: run.verdicts() for run in runs}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("--update", action="store_true", help=f"write the verdicts to {EXPECTED.name}")
    parser.add_argument("--logs", type=pathlib.Path, default=ROOT / "target/autobahn", help="the folder for reports")
    arguments = parser.parse_args()
    logs = arguments.logs.resolve()
    patterns = PRESETS[arguments.preset]

    results = run_suite(patterns, logs)
    expected = read_expected()
    if arguments.update:
        # The second server has to agree with the first. Cases outside the preset keep their rows.
        kept = {case: row for case, row in expected.items() if not matches(case, patterns)}
        first, _ = next(iter(results.values()))
        expected = kept | first
        write_expected(expected)

    passed, complaints = 0, []
    for name, (verdicts, planned) in results.items():
        cases = {case for case in expected if matches(case, patterns)} | set(planned) | set(verdicts)
        for case in in_order(cases):
            wrong = judge(verdicts.get(case), expected.get(case))
            if wrong is None:
                passed += 1
            else:
                complaints.append(f"{name}: case {case} {wrong}")
        if not planned:
            complaints.append(f"{name}: the suite did not begin: see {logs / name / 'suite.log'}")
    print(*complaints, sep="\n", end="\n" if complaints else "")
    if complaints:
        print(f"reports: {logs}/*/index.html")
    print(f"{passed} passed, {len(complaints)} failed")
    return 1 if complaints else 0


def matches(case, patterns):
    return any(fnmatch.fnmatchcase(case, pattern) for pattern in patterns)


if __name__ == "__main__":
    sys.exit(main())
