"""A worker that dies takes only its own connections along, and is replaced: at once, but not in a tight loop."""

import os
import re
import signal
import threading
import time

import pytest

from conftest import TESTS
from server import wait_until
from wire import open_websocket

CONNECTIONS = 20
REPLACED_SECONDS_MAX = 1.0
BACK_OFF_WINDOW = 3.0
# The pauses are 0.1 s, then longer each time up to 5 s (doubled: 6 starts); twice the slack in both directions.
STARTS_IN_WINDOW = range(3, 13)
BY_PROCESS = pytest.mark.parametrize("echo_server", ["rust-base", "php-base"], indirect=True)


class Load:
    """Connections that echo all the time, each on a thread of its own, and remember how that ended."""

    def __init__(self, port):
        self.wires = [open_websocket(port) for _ in range(CONNECTIONS)]
        self.counts = [0] * CONNECTIONS
        self.failures = {}
        self.stopping = False
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CONNECTIONS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        for wire in self.wires:
            wire.socket.close()

    def _run(self, number):
        wire = self.wires[number]
        try:
            while not self.stopping:
                wire.echo(f"{number}: {self.counts[number]}")
                self.counts[number] += 1
        except Exception as failure:  # a wrong echo is a failure as much as a lost connection
            self.failures[number] = failure

    def wait_progress(self, numbers):
        """Waits until each of these connections has been answered again."""
        before = list(self.counts)
        wait_until(lambda: all(self.counts[n] > before[n] for n in numbers), "more echoes")


@BY_PROCESS
def test_a_killed_worker_under_load(echo_server):
    server = echo_server(workers=2)
    victim, survivor = server.workers(2)
    with Load(server.port) as load:
        load.wait_progress(range(CONNECTIONS))
        owners = server.owners([victim, survivor])
        bereft = {n for n, wire in enumerate(load.wires) if owners[wire.local_port] == victim}
        safe = set(range(CONNECTIONS)) - bereft
        assert bereft and safe
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()

        def replacement_serves():
            fresh = set(server.workers()) - {victim, survivor}
            with open_websocket(server.port) as wire:
                wire.echo("hello")
                return server.owners(fresh).get(wire.local_port)

        wait_until(replacement_serves, "the new worker to serve", REPLACED_SECONDS_MAX)
        print(f"\nserved by a new worker after {time.monotonic() - killed:.3f} s")
        load.wait_progress(safe)
        wait_until(lambda: set(load.failures) == bereft, "the end of the killed worker's connections, and only those")
    server.terminate()
    assert server.wait_exit() == 0
    assert server.remaining() == []


@BY_PROCESS
def test_every_worker_killed_again_and_again(echo_server):
    server = echo_server(workers=2)
    for _ in range(3):
        old = server.workers(2)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda old=old: not set(old) & set(server.workers(2)), "two new workers")
        with open_websocket(server.port) as wire:
            wire.echo("hello")
    server.terminate()
    assert server.wait_exit() == 0


def test_a_worker_that_dies_at_once_is_restarted_with_back_off(php_server):
    server = php_server(TESTS / "php/crash_loop.php", "PORT", wait=False)

    def starts():
        times = [float(time) for time in re.findall(r"^started at ([\d.]+)$", server.stdout, re.M)]
        return times if times and times[-1] >= times[0] + BACK_OFF_WINDOW else None

    times = wait_until(starts, "starts over more than three seconds", 15)
    inside = [time for time in times if time < times[0] + BACK_OFF_WINDOW]
    print(f"\nstarts after {', '.join(f'{time - times[0]:.2f}' for time in times)} s")
    assert len(inside) in STARTS_IN_WINDOW
    pauses = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert pauses[-1] > pauses[0], "the pauses do not grow"
    server.terminate()
    assert server.wait_exit() == 0
    assert server.remaining() == []


def test_a_handler_that_throws(php_server):
    server = php_server(TESTS / "php/throw.php", "PORT")
    (old,) = server.workers(1)
    with open_websocket(server.port) as wire:
        wire.echo("hello")
        wire.text("throw")
        wire.until_closed()
    report = server.wait_output(
        r"Uncaught RuntimeException: the handler gave up in (\S+):\d+\nStack trace:\n(?:#.*\n)+"
    )
    assert report[1] == str(TESTS / "php/throw.php")
    assert "fail('the handler gav" in report[0]
    server.wait_output(rf"worker 0 \(pid {old}\) exited with code 255\b")
    wait_until(lambda: server.workers(1) != [old], "another worker")
    with open_websocket(server.port) as wire:
        wire.echo("hello again")
