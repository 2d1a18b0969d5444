"""What becomes of a server when a callback does not return: every way to end, in every place where PHP runs.

A worker's end is reported once, its manager is told how it ended, another worker takes its place, and nobody else's
connections notice. The end of the master or of the manager is the end of the server: in order, with nothing left.
"""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import TESTS, servers, start_php
from server import process_status, wait_until
from wire import Wire, open_websocket, upgrade_request

MODES = pytest.mark.parametrize("mode", ["base", "process"])
SEGV = signal.SIGSEGV
# What it leaves behind: exit code, signal, and a line of the output.
FATES = {
    "exit 0": (0, 0, "the script has called exit()"),
    "exit 7": (7, 0, "the script has called exit()"),
    "exit text": (0, 0, "the last words"),
    "throw": (255, 0, "Fatal error: Uncaught RuntimeException: thrown on purpose"),
    "memory": (255, 0, "Fatal error: Allowed memory size"),
    "error": (255, 0, "Fatal error: an error on purpose"),
    "undefined": (255, 0, "Fatal error: Uncaught Error: Call to undefined function nobody_has_defined_this()"),
    "segv": (0, SEGV, ""),
}
WORKERS = 10
OBSERVERS = 12

# How a client gets a worker to a place: by a message that asks for it, unless it says otherwise.
BY_MESSAGE = [
    "message", "after", "tick", "deferred", "watched", "go", "goWaited", "waited", "resumed", "atEnd", "workerStart",
    "workerStop", "workerExit", "closedByMethod", "bufferFull", "bufferEmpty",
]  # fmt: skip
BY_CONNECTING = ["connect", "open", "openWaited", "request", "requestWaited", "beforeHandshakeResponse", "close"]
ONLY_IN_COROUTINES = ["waited", "atEnd", "openWaited", "requestWaited"]
PLACES = {
    "websocket": BY_MESSAGE + BY_CONNECTING + ["closeWaited", "disconnect"],
    # Without coroutines, but for those that the script makes itself.
    "plain": [place for place in BY_MESSAGE + BY_CONNECTING if place not in ONLY_IN_COROUTINES] + ["disconnect"],
    "handshake": ["handshake", "handshakeWaited"],
    "raw": ["connect", "receive", "close", "closeWaited"],
}
CLOSED = ["close", "closeWaited", "disconnect", "closedByMethod"]
UNANSWERED = ["request", "requestWaited", "beforeHandshakeResponse", "handshake", "handshakeWaited"]


class Fates:
    """The server, and clients that look on while others lead it to its fate."""

    def __init__(self, start, mode, kind, **config):
        config = {"mode": mode, "kind": kind, **config}
        self.mode, self.kind = mode, kind
        self.server = start_php(start, TESTS / "php/fates.php", "PORT", json.dumps(config), wait=False)
        self.server.may_crash = True
        self.port = self.server.port
        # Before its workers are forked, it listens.
        self.wait_event("fate" if "armed" in config else "workerStart")
        self.observers = []
        self.dead, self.reloads = set(), 0

    def events(self, name, **fields):
        return [event for event in self.server.events() if event["event"] == name and event.items() >= fields.items()]

    def wait_event(self, name, **fields):
        return wait_until(lambda: self.events(name, **fields), f"event {name} {fields}")[0]

    def open(self):
        return Wire(self.port) if self.kind == "raw" else open_websocket(self.port)

    def ask(self, wire, text):
        wire.send(text.encode() + b"\n") if self.kind == "raw" else wire.text(text)
        return self.line(wire)

    def line(self, wire):
        return wire.take_until(b"\n").decode().strip() if self.kind == "raw" else wire.message()

    def who(self, wire):
        """Who answers, behind whatever is still to come."""
        answer = self.ask(wire, "who")
        while not answer.startswith("{"):
            answer = self.line(wire)
        return json.loads(answer)

    def look_on(self):
        """As many observers as there should be, some of them with other workers than the others; one to talk to."""
        alive = [(wire, who) for wire, who in self.observers if who["pid"] not in self.dead]
        while len(alive) < OBSERVERS or len({who["worker"] for _, who in alive}) == 1:
            wire = self.open()
            alive.append((wire, self.who(wire)))
            self.observers.append(alive[-1])
            assert len(self.observers) < 10 * OBSERVERS
        return alive[0][0]

    def trigger(self, place):
        """A client that leads a worker to a place."""
        wire = Wire(self.port)
        if place == "connect":
            return wire
        if self.kind == "raw":
            wire.send(b"who\n")
            if place.startswith("close"):
                wire.take_until(b"\n")
                wire.socket.close()
            return wire
        if place in ("request", "requestWaited"):
            return wire.request("/")
        if place == "disconnect":
            wire.get("/")
            wire.socket.close()
            return wire
        if place in ("open", "openWaited", "beforeHandshakeResponse", "handshake", "handshakeWaited"):
            wire.send(upgrade_request("/waits"))
            return wire
        wire.upgrade()
        fd = self.who(wire)["fd"]
        if place.startswith("close") and place != "closedByMethod":
            wire.socket.close()
        else:
            wire.text(f"lead {place}")
        if place == "bufferEmpty":
            # Nobody reads until it is full.
            self.wait_event("bufferFull", fd=fd)
            wire.message()
        return wire

    def batch(self, place):
        """All fates in one place, each of another worker; then all workers are there again."""
        for fate in FATES:
            self.row(place, fate)
            if place == "workerStart":
                # So that it is its successor who comes there next.
                self.wait_complete()
        for wire, who in self.observers if self.mode == "process" else []:
            assert (self.who(wire)["pid"] == who["pid"]) == (who["pid"] not in self.dead), (place, who)
        self.wait_complete()
        # Whoever dies again and again is kept waiting: not whoever leaves.
        self.ask(self.look_on(), "reload")
        self.reloads += 1
        wait_until(lambda: len(self.events("afterReload")) == self.reloads, "a reload")
        self.hang_up()
        # One that leaves only now must not meet what is meant for another.
        wait_until(lambda: len(self.living()) == WORKERS, "the end of the workers before them")

    def living(self):
        """The workers that are alive, those who leave included."""
        starts = self.events("workerStart")
        return [event for event in starts if event["pid"] not in self.dead and process_status(event["pid"])]

    def wait_complete(self):
        wait_until(lambda: len({event["worker"] for event in self.living()}) == WORKERS, "all workers")

    def wait_successor(self, met):
        def successors():
            return [event for event in self.events("workerStart", worker=met["worker"]) if event["pid"] != met["pid"]]

        wait_until(successors, f"the successor of {met}")

    def hang_up(self):
        for wire, _ in self.observers:
            wire.socket.close()
        self.observers = []

    def row(self, place, fate):
        """Somebody meets this fate: the report, what the manager is told, and what the others notice."""
        code, number, shown = FATES[fate]
        control = self.look_on()
        mark = self.server.mark()
        assert self.ask(control, f"arm {place} {fate}") == "arm"
        wire = self.trigger(place)
        met = self.wait_event("fate", place=place, fate=fate)
        # And its predecessor, if it had one until then.
        self.dead |= {who["pid"] for _, who in self.observers if who["worker"] == met["worker"]} | {met["pid"]}
        if code or number:
            error = self.wait_event("workerError", of=met["pid"])
            assert (error["id"], error["code"], error["signal"]) == (met["worker"], code, number), (place, fate)
        else:
            wait_until(lambda: process_status(met["pid"]) is None, f"the end of {met}")
            assert self.events("workerError", of=met["pid"]) == []
        assert not shown or self.server.since(mark).count(shown) == 1, (place, fate)
        self.observers = [(observer, who) for observer, who in self.observers if self.goes_on(observer, who)]
        self.look_after(wire, place, met)

    def look_after(self, wire, place, met):
        """What becomes of the connection that led there."""
        if place in CLOSED:
            wire.socket.close()
        elif self.mode == "base":
            wire.until_closed()
            wire.socket.close()
        elif place in UNANSWERED:
            answer = wire.response()
            assert answer.status == 500, (place, met)
            if answer["Connection"] == "close":
                assert wire.until_closed() == b""
            wire.socket.close()
        else:
            if place == "connect" and self.kind != "raw":
                wire.upgrade()
            elif place.startswith("open"):
                assert wire.response().status == 101
            self.observers.append((wire, met))

    def goes_on(self, observer, who):
        """Has this observer's connection survived, as it should? Those of a dead worker's are not asked yet."""
        if who["pid"] not in self.dead:
            assert self.who(observer)["pid"] == who["pid"], who
            return True
        if self.mode == "base":
            observer.until_closed()
            observer.socket.close()
        return self.mode == "process"


@MODES
@pytest.mark.parametrize("kind", PLACES)
def test_a_worker_meets_its_fate(start_server, mode, kind):
    fates = Fates(start_server, mode, kind)
    for place in PLACES[kind]:
        fates.batch(place)
    fates.server.terminate()
    assert fates.server.wait_exit() == 0
    assert fates.server.remaining() == []


@pytest.mark.parametrize("place", ["start", "startTimer"])
def test_the_first_worker_meets_its_fate(start_server, place):
    started = [Fates(start_server, "base", "websocket", armed=[place, fate], set={"worker_num": 2}) for fate in FATES]
    for fate, fates in zip(FATES, started, strict=True):
        code, number, shown = FATES[fate]
        met = fates.wait_event("fate")
        assert met["worker"] == 0
        fates.wait_successor(met)
        assert shown in fates.server.output
        errors = [(error["of"], error["code"], error["signal"]) for error in fates.events("workerError")]
        assert errors == ([(met["pid"], code, number)] if code or number else [])
        # Its successor is no beginning.
        assert len(fates.events("start")) <= 1
        fates.server.terminate()
        assert fates.server.wait_exit() == 0


# ---- master and manager ----

OF_MANAGER = ["managerStart", "managerTimer", "managerTask", "workerError", "beforeReload", "afterReload", "managerStop"]
OF_MASTER = ["beforeShutdown", "shutdown"]
ON_START = ["start", "startTimer"]  # the master's in mode process, a worker's in mode base
AT_ONCE = ["managerStart", "managerTimer", "managerTask", *ON_START]


def the_end_of_a_server(start, mode, place, fate):
    """The server ends: what it leaves behind."""
    code, number, shown = FATES[fate]
    armed = {"armed": [place, fate]} if place in AT_ONCE else {}
    fates = Fates(start, mode, "websocket", set={"worker_num": 2, "task_worker_num": 1}, **armed)
    wires = []
    if place not in AT_ONCE:
        wires = [fates.open(), fates.open()]
        assert fates.ask(wires[0], f"arm {place} {fate}") == "arm"
        wires[0].text(f"lead {place}")
    fates.server.processes()
    met = fates.wait_event("fate")
    for wire in wires:
        wire.until_closed()
        wire.socket.close()
    if met["pid"] == fates.server.pid:
        expected = -number if number else code
    else:
        assert mode == "process" and place in OF_MANAGER
        expected = 1 if code or number else 0
        assert not expected or fates.server.wait_output(r"ERROR\tthe manager (exited with code|was killed by signal)")
    assert fates.server.wait_exit() == expected, (place, fate, fates.server.report())
    wait_until(lambda: fates.server.remaining() == [], "the end of all processes")
    assert shown in fates.server.output
    # The master's own script ends with what has ended its callback.
    returned = "start() has returned" in fates.server.stdout
    assert returned == (met["pid"] != fates.server.pid)


@pytest.mark.parametrize(
    "mode, place",
    [("base", place) for place in OF_MANAGER + OF_MASTER]
    + [("process", place) for place in OF_MANAGER + OF_MASTER + ON_START],
)
def test_a_master_or_manager_meets_its_fate(tmp_path, mode, place):
    with servers(tmp_path) as start, ThreadPoolExecutor(4) as pool:
        for row in [pool.submit(the_end_of_a_server, start, mode, place, fate) for fate in FATES]:
            row.result()
