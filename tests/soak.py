"""Servers in mode PROCESS that lose or replace workers all the time, under traffic: nothing but what a kill interrupts
may be missing. The same of tasks and task workers, in both modes. And PHP servers in both modes under nothing but
traffic: their memory stays as it is.

    soak.py SECONDS [PART …]
"""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import random
import re
import selectors
import signal
import sys
import tempfile
import time

from server import ROOT, Server, descendants, free_port, php_command, process_status, raise_descriptor_limit
from server import rust_command, tcp_sockets, wait_until
from test_many import open_many
from wire import TEXT, Wire, frame, open_websocket

CONNECTIONS = 500
WORKERS = 4
KILL_PAUSE = 0.2
RELOAD_PAUSE = 0.5
# An answer that takes so long is late, and the next message goes out; one that never comes is missing.
LATE_SECONDS = 2.0
# After the last kill: the manager lets a worker that died at once wait up to 5 s.
LAST_SECONDS = 12.0
STEP_SECONDS = 0.02
# What a worker's memory is compared with: that after so much of the time.
WARM_SHARE = 0.2
# So much more may be resident at the end: the pages of rings that fill for the first time when the machine is busy, of
# 1 MiB each, not a byte for each message. PHP's own count of what it uses may grow by less than one small thing a second.
RESIDENT_BYTES_MAX = 3 << 20
PHP_BYTES_MAX = 4096
BATCH = 1000
TASK_CONNECTIONS = 4
TASK_WORKERS = 4
# How many tasks of a connection are under way at once, but for those that are lost.
TASKS_AT_ONCE = 64
TASK_KILL_PAUSE = 0.5
TASK_LATE_SECONDS = 5.0


@dataclasses.dataclass
class Report:
    """What happened."""

    kills: int = 0
    reloads: int = 0
    messages: int = 0
    late: int = 0
    missing: int = 0
    slept: int = 0
    resident_bytes: int = 0
    php_bytes: int = 0

    def __str__(self):
        return ", ".join(f"{value} {name}" for name, value in dataclasses.asdict(self).items())


class Echo:
    """One connection: it sends the next number when the last one is answered, or late."""

    def __init__(self, client, report):
        self.client = client
        self.report = report
        self.unread = b""
        self.sent = 0
        # Numbers that are not answered yet, in order; those that are skipped stay here.
        self.owed = []
        self.highest = 0
        self.since = 0.0
        self.next()

    def next(self):
        self.sent += 1
        self.owed.append(self.sent)
        self.since = time.monotonic()
        self.report.messages += 1
        data = frame(TEXT, str(self.sent))
        assert self.client.send(data) == len(data)

    def is_late(self, now):
        return self.is_waiting() and now - self.since > LATE_SECONDS

    def is_waiting(self):
        return self.owed and self.owed[-1] == self.sent

    def receive(self):
        """Takes what came; is everything answered that may still be?"""
        data = self.client.recv(65536)
        assert data, f"a connection was closed after {self.highest} answers"
        self.unread += data
        while len(self.unread) >= 2 and len(self.unread) >= 2 + self.unread[1]:
            assert self.unread[0] == 0x80 | TEXT, self.unread[:20]
            number = int(self.unread[2 : 2 + self.unread[1]])
            self.unread = self.unread[2 + self.unread[1] :]
            assert number in self.owed, f"{number} was answered twice, or never sent: {self.owed}"
            assert number > self.highest, f"{number} came behind {self.highest}"
            self.highest = number
            self.owed.remove(number)


@contextlib.contextmanager
def echoes(port, report):
    """Connections that echo whenever `run` is called."""
    clients = open_many(port, CONNECTIONS)
    with selectors.DefaultSelector() as selector:
        everyone = [Echo(client, report) for client in clients]
        for echo in everyone:
            selector.register(echo.client, selectors.EVENT_READ, echo)

        def run(seconds, more=True):
            """Goes on for so long, or without `more` until nobody waits any more."""
            end = time.monotonic() + seconds
            while (now := time.monotonic()) < end and (more or any(echo.is_waiting() for echo in everyone)):
                for key, _ in selector.select(min(STEP_SECONDS, end - now)):
                    key.data.receive()
                    if more and not key.data.is_waiting():
                        key.data.next()
                if more:
                    late = [echo for echo in everyone if echo.is_late(now)]
                    report.late += len(late)
                    for echo in late:
                        echo.next()

        try:
            yield run, everyone
        finally:
            for client in clients:
                client.close()


def manager_of(server):
    (manager,) = (pid for pid in descendants(server.pid) if process_status(pid)[1] == server.pid)
    return manager


def kill_one(manager, report):
    """Kills one of the manager's workers, if there is one just now."""
    workers = list(descendants(manager))
    if workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(random.choice(workers), signal.SIGKILL)
            report.kills += 1


def killing(server, seconds, report):
    """Workers are killed: at most the one message is missing that each of them had begun with."""
    manager = manager_of(server)
    with echoes(server.port, report) as (run, everyone):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            kill_one(manager, report)
            run(KILL_PAUSE)
        run(LAST_SECONDS, more=False)
        report.missing = sum(len(echo.owed) for echo in everyone)
        assert report.missing <= report.kills, report
        # All of them are still there, and each is served.
        for echo in everyone:
            echo.owed.clear()
            echo.next()
        run(LAST_SECONDS, more=False)
        assert not any(echo.owed for echo in everyone), f"{sum(len(e.owed) for e in everyone)} connections are dead"
        yield


def reloading(server, seconds, report):
    """All workers are replaced again and again: nothing is missing."""
    with echoes(server.port, report) as (run, everyone):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            server.process.send_signal(signal.SIGUSR1)
            report.reloads += 1
            run(RELOAD_PAUSE)
        run(LAST_SECONDS, more=False)
        report.missing = sum(len(echo.owed) for echo in everyone)
        assert report.missing == 0, report
        yield


class Tasks:
    """One connection that has tasks done: as many at once as may be, each until it comes back."""

    def __init__(self, port, report):
        self.wire = open_websocket(port, timeout=LAST_SECONDS)
        self.report = report
        self.sent = 0
        # Since when each of them is under way.
        self.owed = {}

    def fill(self, now):
        under_way = sum(now - since < TASK_LATE_SECONDS for since in self.owed.values())
        for _ in range(TASKS_AT_ONCE - under_way):
            self.sent += 1
            self.send(self.sent, now)
            self.report.messages += 1

    def send(self, number, now):
        self.owed[number] = now
        self.wire.text(str(number))

    def receive(self, now):
        """Takes what came, at least one message."""
        more = True
        while more:
            first, _, number = self.wire.message().rpartition(" ")
            assert first in ("", "refused"), f"task {number} is {first}"
            since = self.owed.pop(int(number), None)
            assert since is not None, f"task {number} came back twice"
            self.report.late += now - since >= TASK_LATE_SECONDS
            if first == "refused":
                self.send(int(number), now)
            more = len(self.wire.unread) > 1 and len(self.wire.unread) >= 2 + self.wire.unread[1]


def lost_tasks(server):
    return len(re.findall(r"task \d+ is lost: ", server.output))


def tasks(server, seconds, report):
    """Task workers are killed: at most the one task is missing that each of them was at, and the log says so."""
    with selectors.DefaultSelector() as selector:
        everyone = [Tasks(server.port, report) for _ in range(TASK_CONNECTIONS)]
        for one in everyone:
            selector.register(one.wire.socket, selectors.EVENT_READ, one)

        def run(until, more=True):
            while (now := time.monotonic()) < until and (more or lost_tasks(server) < sum(len(o.owed) for o in everyone)):
                if more:
                    for one in everyone:
                        one.fill(now)
                for key, _ in selector.select(STEP_SECONDS):
                    key.data.receive(now)

        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            run(min(now + TASK_KILL_PAUSE, end))
            with Wire(server.port) as wire:
                victim = random.choice(wire.get("/").json()["pids"])
            if victim:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    report.kills += 1
        run(time.monotonic() + LAST_SECONDS, more=False)
        report.missing = sum(len(one.owed) for one in everyone)
        assert report.missing == lost_tasks(server) <= report.kills, f"{report}; {lost_tasks(server)} are reported"
        with Wire(server.port) as wire:
            begun = wire.get("/").json()["begun"]
        assert report.messages - report.kills <= begun <= report.messages, f"{report}; {begun} were begun"
        for one in everyone:
            one.wire.socket.close()
        yield


class Flood:
    """One connection that sends batches of one text, and waits for each of them to come back."""

    def __init__(self, port):
        self.wire = open_websocket(port)

    def send(self, text):
        self.wire.send(frame(TEXT, text) * BATCH)
        missing = (2 + len(text)) * BATCH
        while missing > 0:
            missing -= len(self.wire.socket.recv(1 << 16))

    def flood(self, seconds, text):
        """How many messages came back meanwhile."""
        sent, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(text)
            sent += BATCH
        return sent


def resident_bytes(pid):
    fields = (line.split() for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return next(int(field[1]) for field in fields if field[0] == "Pss:") << 10


def php_bytes(port):
    with Wire(port) as wire:
        return wire.get("/").json()


def flat(server, seconds, report):
    """Messages, then messages whose handler sleeps: neither leaves anything behind in the worker."""
    worker = next(pid for pid in descendants(server.pid) if not descendants(pid))
    flood = Flood(server.port)
    for text in ("echo", "sleep"):
        warm, rest = (seconds * share / 2 for share in (WARM_SHARE, 1 - WARM_SHARE))
        count = flood.flood(warm, text)
        resident, used = resident_bytes(worker), php_bytes(server.port)
        count += flood.flood(rest, text)
        report.resident_bytes = max(report.resident_bytes, resident_bytes(worker) - resident)
        report.php_bytes = max(report.php_bytes, php_bytes(server.port) - used)
        report.messages += count
        report.slept += count if text == "sleep" else 0
    flood.wire.socket.close()
    assert report.resident_bytes <= RESIDENT_BYTES_MAX, report
    assert report.php_bytes <= PHP_BYTES_MAX, report
    yield


def php_tasks(mode):
    return lambda port: php_command(ROOT / "tests/php/soak_tasks.php", port, mode, TASK_WORKERS)


def php_flat(mode):
    return lambda port: php_command(ROOT / "tests/php/flat.php", port, mode)


def php(port):
    return php_command(ROOT / "tests/php/soak.php", port, WORKERS)


def rust(port):
    return rust_command("--port", port, "--mode", "process", "--workers", WORKERS, "--reactors", 2)


PARTS = {
    f"{name}-{language}": (part, command)
    for (name, part), (language, command) in itertools.product(
        {"kill": killing, "reload": reloading}.items(), {"php": php, "rust": rust}.items()
    )
}
for mode in ("base", "process"):
    PARTS |= {f"tasks-{mode}": (tasks, php_tasks(mode)), f"flat-{mode}": (flat, php_flat(mode))}


def live_count(port):
    """How many connections the server itself counts, but for the one that asks."""
    with Wire(port) as wire:
        return wire.get("/").json() - 1


def temporary_files():
    """What servers could leave behind outside of their directory."""
    return {path for place in ("/tmp", "/dev/shm") for path in pathlib.Path(place).glob("*wirewool*")}


def soak(name, seconds):
    """Runs one part against a server of its own; then nothing of it may be left."""
    part, command = PARTS[name]
    report = Report()
    before = temporary_files()
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        server = Server(command(port), port, pathlib.Path(directory))
        try:
            server.wait_listening()
            for _ in part(server, seconds, report):
                if "php" in name:
                    wait_until(lambda: live_count(server.port) == CONNECTIONS, f"{CONNECTIONS} connections to be counted")
            server.terminate()
            assert server.wait_exit() == 0
            wait_until(lambda: server.remaining() == [], "the end of all processes")
            assert not tcp_sockets(server.port, "0A"), "the port is still taken"
            left = [path.name for path in pathlib.Path(directory).iterdir() if path.suffix not in (".stdout", ".stderr")]
            assert not left, f"the server has left {left}"
        except BaseException:
            print(server.report(), file=sys.stderr)
            raise
        finally:
            server.stop()
    assert temporary_files() <= before
    return report


def main(seconds, *names):
    raise_descriptor_limit()
    for name in names or PARTS:
        print(f"{name}: {soak(name, float(seconds))}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
