"""Runs the Autobahn test suite against the two echo servers and the echo client, and compares its verdicts with
expected-server.csv and expected-client.csv."""

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

from server import (
    ROOT,
    Server,
    client_command,
    free_port,
    php_command,
    rust_command,
    tcp_sockets,
    wait_until,
)  # noqa: E402

EXPECTED = {role: FOLDER / f"expected-{role}.csv" for role in ("server", "client")}
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
    """The suite and one of ours on the other side."""

    def __init__(self, name, logs):
        self.name = name
        self.folder = logs / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.log = self.folder / "suite.log"
        self.suite = None

    def start_suite(self, patterns, **other_side):
        specification = {
            "outdir": str(self.folder),
            # The suite ends a connection with a close frame, whatever it found wrong, so that the answer counts.
            "options": {"failByDrop": False},
            **other_side,
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
        stop(self.suite)

    def wait(self):
        """Until the suite has run."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.suite.wait(SUITE_SECONDS_MAX)

    def planned(self):
        """The names of the cases that the suite means to run."""
        found = re.search(r"Cases = \[(.*)\]", self.log.read_text(errors="replace"))
        return re.findall(r"'([\d.]+)'", found[1]) if found else []

    def verdicts(self):
        """Waits for the suite: {case: verdict}, and the names of the cases it meant to run."""
        self.wait()
        # Without a report there is no verdict, so that every case is missing.
        index = self.folder / "index.json"
        report = json.loads(index.read_text()).get(self.name, {}) if index.exists() else {}
        verdicts = {case: Verdict(row["behavior"], row["behaviorClose"]) for case, row in report.items()}
        return verdicts, self.planned()


class ServerRun(Run):
    """One server, and the suite as its client."""

    role = "server"

    def __init__(self, name, logs, command, port):
        super().__init__(name, logs)
        self.server = Server(command, port, self.folder)

    def begin(self, patterns):
        self.server.wait_listening()
        url = f"ws://127.0.0.1:{self.server.port}"
        self.start_suite(patterns, servers=[{"agent": self.name, "url": url}])

    def end(self):
        super().end()
        self.server.stop()


class ClientRun(Run):
    """One client, and the suite as its server."""

    role = "client"
    client = None

    def begin(self, patterns):
        port = free_port()
        url = f"ws://127.0.0.1:{port}"
        self.start_suite(patterns, url=url)
        wait_until(lambda: tcp_sockets(port, "0A"), "the suite to listen")
        cases = [f"{url}/runCase?case={number + 1}&agent={self.name}" for number in range(len(self.planned()))]
        command = client_command("--deflate", *cases, f"{url}/updateReports?agent={self.name}")
        with open(self.folder / "client.log", "wb") as log:
            self.client = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def wait(self):
        """The client asks for the report in the end; the suite would go on to serve."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.client.wait(SUITE_SECONDS_MAX)

    def end(self):
        stop(self.client)
        super().end()


def stop(process):
    if process is not None:
        process.kill()
        process.wait()


def judge(role, verdict, wanted):
    """What is wrong with a case, or None."""
    if verdict is None:
        return "has no verdict"
    if verdict.behaviour not in GOOD or verdict.close not in GOOD_CLOSE:
        return f"is {verdict.behaviour}, its close {verdict.close}"
    if wanted is None:
        return f"is {verdict.behaviour}, its close {verdict.close}, and not in {EXPECTED[role].name}"
    if verdict != wanted:
        return f"is {verdict.behaviour}, its close {verdict.close}; wanted {wanted.behaviour} and {wanted.close}"
    return None


def in_order(cases):
    return sorted(cases, key=lambda case: [int(part) for part in case.split(".")])


def read_expected(role):
    if not EXPECTED[role].exists():
        return {}
    with open(EXPECTED[role], newline="") as file:
        return {row["case"]: Verdict(row["behaviour"], row["close"]) for row in csv.DictReader(file)}


def write_expected(role, expected):
    with open(EXPECTED[role], "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["case", "behaviour", "close"])
        table.writerows([case, *expected[case]] for case in in_order(expected))


def run_suite(patterns, logs):
    """[(run, verdicts, the cases meant to run)], all at the same time."""
    rust_port, php_port = free_port(), free_port()
    rust = rust_command("--port", rust_port, "--mode", "base", "--deflate")
    php = php_command(ROOT / "examples/echo.php", php_port, "base", 1, "deflate")
    with contextlib.ExitStack() as running:
        runs = []
        for make in (
            lambda: ServerRun("rust", logs, rust, rust_port),
            lambda: ServerRun("php", logs, php, php_port),
            lambda: ClientRun("rust-client", logs),
        ):
            runs.append(make())
            running.callback(runs[-1].end)
        for run in runs:
            run.begin(patterns)
        return [(run, *run.verdicts()) for run in runs]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("--update", action="store_true", help="write the verdicts to the tables of expected ones")
    parser.add_argument("--logs", type=pathlib.Path, default=ROOT / "target/autobahn", help="the folder for reports")
    arguments = parser.parse_args()
    logs = arguments.logs.resolve()
    patterns = PRESETS[arguments.preset]

    results = run_suite(patterns, logs)
    expected = {role: read_expected(role) for role in EXPECTED}
    if arguments.update:
        # The second server has to agree with the first. Cases outside the preset keep their rows.
        for role in EXPECTED:
            kept = {case: row for case, row in expected[role].items() if not matches(case, patterns)}
            expected[role] = kept | next(verdicts for run, verdicts, _ in results if run.role == role)
            write_expected(role, expected[role])

    passed, complaints = 0, []
    for run, verdicts, planned in results:
        wanted = expected[run.role]
        cases = {case for case in wanted if matches(case, patterns)} | set(planned) | set(verdicts)
        for case in in_order(cases):
            wrong = judge(run.role, verdicts.get(case), wanted.get(case))
            if wrong is None:
                passed += 1
            else:
                complaints.append(f"{run.name}: case {case} {wrong}")
        if not planned:
            complaints.append(f"{run.name}: the suite did not begin: see {run.log}")
    print(*complaints, sep="\n", end="\n" if complaints else "")
    if complaints:
        print(f"reports: {logs}/*/index.html")
    print(f"{passed} passed, {len(complaints)} failed")
    return 1 if complaints else 0


def matches(case, patterns):
    return any(fnmatch.fnmatchcase(case, pattern) for pattern in patterns)


if __name__ == "__main__":
    sys.exit(main())
