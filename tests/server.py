"""Servers under test: started on a free port, watched through /proc, stopped by their own process ids."""

import itertools
import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUST_ECHO = pathlib.Path(os.environ.get("WIREWOOL_ECHO", ROOT / "target/release/examples/echo"))
PEERS = pathlib.Path(os.environ.get("WIREWOOL_PEERS", ROOT / "target/peers/peers"))
EXTENSION = pathlib.Path(os.environ.get("WIREWOOL_EXT", ROOT / "build/wirewool.so"))
# -n: no php.ini, so that no other extension and no setting of this machine takes part. pcntl is compiled into
# Debian's php-cli, posix is a module of its own.
PHP = ["php", "-n", "-d", "extension=posix", "-d", f"extension={EXTENSION}"]

NUMBERS = itertools.count(1)  # of the servers started
START_SECONDS_MAX = 10
STOP_SECONDS_MAX = 10
MAX_WAIT_SECONDS = 3  # the default of the option max_wait_time
CRASHES = [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE]
CRASHED = re.compile(rf"was killed by signal \d+ \(({'|'.join(crash.name for crash in CRASHES)})\)")


def wait_until(condition, what, seconds=10.0):
    """Polls until `condition` returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.005)
    return result


def free_port():
    """A port nobody has, from below the range that outgoing connections are given theirs from."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue


def raise_descriptor_limit():
    """For this process and those it starts; returns how many descriptors each may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# ---- what /proc tells ----


def process_status(pid):
    """(state, parent, start time) of a process, or None when there is none or only its zombie is left."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else (fields[0], int(fields[1]), int(fields[19]))


def descendants(pid):
    """Every process below `pid`, as {pid: start time}."""
    living = {int(entry): process_status(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    found, parents = {}, {pid}
    while parents:
        children = {child: status[2] for child, status in living.items() if status and status[1] in parents}
        found |= children
        parents = set(children)
    return found


def tcp_sockets(port, state):
    """Server-side sockets of a port in a state ("0A" listening, "01" established): {inode: peer's port}."""
    sockets = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                sockets[fields[9]] = int(fields[2].rpartition(":")[2], 16)
    return sockets


def socket_inodes(pid):
    """The inodes of the sockets that a process has open."""
    inodes = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return inodes


def pss_bytes(pid):
    """Proportional set size: private memory plus this process's share of what it shares."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) * 1024


def stirred(pid):
    """How often a process's threads were switched to, and how many clock ticks they ran."""
    status = pathlib.Path(f"/proc/{pid}/task").glob("*/status")
    switches = sum(int(count) for path in status for count in re.findall(r"ctxt_switches:\s+(\d+)", path.read_text()))
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return switches, int(fields[11]) + int(fields[12])


# ---- a server ----


class Server:
    """A server process, its descendants, and what they print."""

    def __init__(self, command, port, directory):
        self.command = [str(part) for part in command]
        self.port = port
        # It is made to crash; otherwise a test in which a process crashes fails, whatever it looks at.
        self.may_crash = False
        number = next(NUMBERS)
        self._files = [directory / f"{number}.{stream}" for stream in ("stdout", "stderr")]
        # Appending, so that several processes never write over each other's lines.
        stdout, stderr = (open(path, "ab") for path in self._files)
        with stdout, stderr:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=directory
            )
        self._seen = {}

    @property
    def pid(self):
        return self.process.pid

    @property
    def stdout(self):
        return self._files[0].read_text(errors="replace")

    @property
    def stderr(self):
        return self._files[1].read_text(errors="replace")

    @property
    def output(self):
        return self.stdout + self.stderr

    def wait_listening(self):
        """Waits until the port accepts; without a connection of its own, which would take session id 1."""

        def listening():
            assert self.process.poll() is None, f"exited with {self.process.returncode} at start\n{self.report()}"
            return tcp_sockets(self.port, "0A")

        wait_until(listening, f"port {self.port} to listen", START_SECONDS_MAX)
        return self

    def events(self):
        """The lines of JSON that the script has printed, in order; none of which the end is still to come."""
        whole = self.stdout.rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in whole if line.startswith('{"event"')]

    def mark(self):
        """Where the output ends now, for `since`."""
        return len(self.stdout), len(self.stderr)

    def since(self, mark):
        """What was printed after `mark`."""
        return self.stdout[mark[0] :] + self.stderr[mark[1] :]

    def wait_output(self, pattern, *, since=(0, 0), seconds=10.0):
        """Waits for a regular expression in the output; returns the match."""
        compiled = re.compile(pattern, re.M)
        return wait_until(lambda: compiled.search(self.since(since)), f"output {pattern!r}", seconds)

    def wait_exit(self, seconds=STOP_SECONDS_MAX):
        """The exit code, as soon as the process has ended."""
        return self.process.wait(seconds)

    def processes(self):
        """The process and all below it, as {pid: start time}."""
        status = process_status(self.pid)
        living = ({self.pid: status[2]} if status else {}) | descendants(self.pid)
        self._seen |= living
        return living

    def remaining(self):
        """Those ever seen by `processes()` that still run."""
        return [pid for pid, start in self._seen.items() if (now := process_status(pid)) and now[2] == start]

    def workers(self, count=None):
        """The processes that have no children, once there are `count`: those that run handlers."""

        def leaves():
            living = self.processes()
            parents = {status[1] for pid in living if (status := process_status(pid))}
            found = sorted(set(living) - parents)
            return found if count is None or len(found) == count else None

        return wait_until(leaves, f"{count} workers")

    def owners(self, pids):
        """Which worker has which established connection: {client's port: pid}."""
        established = tcp_sockets(self.port, "01")
        return {established[inode]: pid for pid in pids for inode in socket_inodes(pid) if inode in established}

    def pss_bytes(self):
        return sum(pss_bytes(pid) for pid in self.processes())

    def terminate(self, signal_number=signal.SIGTERM):
        """Asks the server to stop."""
        self.processes()
        self.process.send_signal(signal_number)

    def stop(self):
        """SIGTERM, then SIGKILL for whatever is left after STOP_SECONDS_MAX."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                pass
        for pid in self.remaining():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return self.process.wait(STOP_SECONDS_MAX)

    def crash(self):
        """How one of its processes has crashed, if one has."""
        if -(self.process.returncode or 0) in CRASHES:
            return f"was killed by signal {-self.process.returncode}"
        found = CRASHED.search(self.output)
        return found and found.group()

    def report(self):
        """The command and the ends of what it printed."""
        parts = [f"$ {' '.join(self.command)}  (pid {self.pid}, exit code {self.process.poll()})"]
        parts += [f"--- {path.suffix[1:]}\n{path.read_text(errors='replace')[-6000:]}" for path in self._files]
        return "\n".join(parts)


def php_command(script, *arguments):
    assert EXTENSION.exists(), f"{EXTENSION} is missing: build the extension first"
    return [*PHP, script, *arguments]


def rust_command(*arguments):
    assert RUST_ECHO.exists(), f"{RUST_ECHO} is missing: cargo build --release --examples"
    return [RUST_ECHO, *arguments]


def client_command(*arguments):
    """The echo client, beside the echo server."""
    client = RUST_ECHO.with_name("echo_client")
    assert client.exists(), f"{client} is missing: cargo build --release --examples"
    return [client, *arguments]


def peers_command(*arguments):
    assert PEERS.exists(), f"{PEERS} is missing: cargo build --profile peers -p wirewool-peers"
    return [PEERS, *arguments]


def run(command, seconds=20):
    """Runs a command that is expected to end by itself."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds)
