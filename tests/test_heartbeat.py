"""Silence: who says nothing is closed with 1001, who says anything stays, and so does who is protected."""

import contextlib
import json
import os
import pathlib
import time

import pytest

from conftest import KINDS
from server import descendants, raise_descriptor_limit, stirred, wait_until
from test_many import open_many
from wire import CLOSE, PING, PONG, TEXT, Wire, frame, open_websocket

SCRIPT = pathlib.Path(__file__).parent / "php/heartbeat.php"
IDLE_SECONDS = 2
PAUSE_SECONDS = 0.05
REASON = b"idle timeout"
CLIENTS = 1000
MODES = pytest.mark.parametrize("mode", ["base", "process"])


@pytest.fixture
def php(php_server):
    """php(mode, **options): starts php/heartbeat.php."""
    return lambda mode, **options: php_server(SCRIPT, "PORT", mode, json.dumps(options))


@pytest.fixture(params=KINDS)
def server(request, php, rust_server):
    """server(**options): starts a server of each kind with two workers; the options are PHP's."""
    language, mode = request.param.split("-")

    def start(**options):
        if language == "php":
            return php(mode, **options)
        return rust_server(mode, 2, **{name.removeprefix("websocket_"): value for name, value in options.items()})

    return start


def has_ended(wire):
    """Did the server say anything to a client that expects nothing but the end?"""
    wire.socket.setblocking(False)
    try:
        wire.unread += wire.socket.recv(1 << 16)
        return bool(wire.unread)
    except BlockingIOError:
        return False
    finally:
        wire.socket.settimeout(10)


def clock_ticks(server):
    """How long its processes have run."""
    return sum(stirred(pid)[1] for pid in [server.pid, *descendants(server.pid)])


def closes(server, fd=None):
    return [event for event in server.events() if event["event"] == "close" and fd in (None, event["fd"])]


def opened(server, uri):
    return [event["fd"] for event in server.events() if event.get("uri") == uri]


def fd_of(server, uri):
    return wait_until(lambda: opened(server, uri), f"{uri} to open")[0]


def call(wire, what, *arguments):
    return json.loads(wire.text(json.dumps({"do": what, "with": arguments})).message())


def test_the_silent_are_closed_and_others_stay(server):
    server = server(heartbeat_idle_time=IDLE_SECONDS, heartbeat_check_interval=0.1)
    port = server.port
    with (
        open_websocket(port) as silent,
        open_websocket(port) as pings,
        open_websocket(port) as speaks,
        Wire(port) as stranger,
    ):
        begun = time.monotonic()
        while not has_ended(silent):
            pings.send(frame(PING))
            speaks.send(frame(TEXT, "x"))
            time.sleep(PAUSE_SECONDS)
        assert time.monotonic() - begun > IDLE_SECONDS / 2, "closed long before it was late"
        silent.expect_close(1001, REASON)
        assert stranger.until_closed() == b""
        pings.send(frame(CLOSE, b"\x03\xe8"))
        assert pings.skip_to_close().code == 1000
        speaks.send(frame(CLOSE, b"\x03\xe8"))
        assert speaks.skip_to_close().code == 1000


def test_a_websocket_is_pinged_and_closed_without_an_answer(server):
    server = server(websocket_ping_interval=0.5)
    with open_websocket(server.port) as answers, open_websocket(server.port) as silent:
        for _ in range(3):
            ping = answers.frame()
            assert (ping.opcode, ping.payload) == (PING, b"")
            answers.send(frame(PONG))
        assert silent.frame().opcode == PING
        silent.expect_close(1001, REASON)
        answers.send(frame(CLOSE, b"\x03\xe8"))
        assert answers.skip_to_close().code == 1000
    assert not [event for event in server.events() if event["event"] == "frame"], "pongs are the server's"


def test_what_is_sent_counts_against_max_idle_time(php):
    server = php("process", max_idle_time=1, open_websocket_pong_frame=True)
    with open_websocket(server.port, "/sent-to") as sent_to, open_websocket(server.port) as talker:
        fd = fd_of(server, "/sent-to")
        with open_websocket(server.port) as idle:
            while not has_ended(idle):
                assert call(talker, "push", fd, "x") is True
                time.sleep(PAUSE_SECONDS)
            idle.expect_close(1001, REASON)
        assert sent_to.message() == "x"
        sent_to.text("y")
        while sent_to.message() == "x":
            pass


@MODES
def test_the_script_hears_once_as_of_a_peer_that_went(php, mode):
    server = php(mode, heartbeat_idle_time=0.5)
    with open_websocket(server.port, "/silent") as silent, open_websocket(server.port, "/late") as late:
        silent.expect_close(1001, REASON)
        late.expect_close(1001, REASON)
    fds = {fd_of(server, "/silent"), fd_of(server, "/late")}
    wait_until(lambda: len(closes(server)) == 2, "both to be closed")
    assert {event["fd"] for event in closes(server)} == fds
    assert all(event["reactor"] >= 0 for event in closes(server))
    server.stop()
    assert len(closes(server)) == 2
    assert not [event for event in server.events() if event["event"] == "disconnect"]


@MODES
def test_protect_and_heartbeat_work_from_every_process(php, mode):
    server = php(mode, heartbeat_idle_time=IDLE_SECONDS)
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(open_websocket(server.port, "/protected")) for _ in range(4)]
        fds = wait_until(lambda: fds if len(fds := opened(server, "/protected")) == 4 else None, "four to open")
        workers = {}
        while len(workers) < 2:
            wire = open_websocket(server.port)
            if (worker := call(wire, "getWorkerId")) in workers:
                wire.socket.close()
            else:
                workers[worker] = stack.enter_context(wire)

        def silent_for():
            for wire in workers.values():
                assert call(wire, "protect", 9999) is False
            return time.time() - call(wire, "getClientInfo", fds[-1])["last_recv_time"]

        wait_until(lambda: silent_for() > IDLE_SECONDS + 0.1, "all of them to be late")
        done = [call(workers[0], "release", fds[0]), call(workers[1], "release", fds[1])]
        call(workers[0], "let_manager_release", fds[2])
        event = wait_until(lambda: next((e for e in server.events() if e["event"] == "manager"), None), "the manager")
        assert [*done, event["released"]] == [[True, [fd], [fd]] for fd in fds[:3]]
        wait_until(lambda: {event["fd"] for event in closes(server)} >= set(fds[:3]), "three to be closed")
        wires[3].echo("stays")
        answers = sorted(wire.until_closed() for wire in wires if wire is not wires[3])
        assert answers == [b"\x88\x0e\x03\xe9" + REASON] * 3
    with open_websocket(php(mode).port) as wire:
        assert call(wire, "heartbeat", True) is False


@MODES
def test_whoever_waits_for_the_server_is_not_silent(php, mode):
    server = php(mode, heartbeat_idle_time=0.5, worker_num=1)
    with Wire(server.port) as asks:
        asks.request("/?sleep=1.5")
        assert asks.response().body == b"awake"
        assert asks.until_closed() == b""
    # While a handler blocks its worker, nobody listens to those who speak.
    with open_websocket(server.port) as blocks, open_websocket(server.port) as speaks:
        blocks.text(json.dumps({"do": "block", "with": [1.5]}))
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            speaks.text("x")
            time.sleep(PAUSE_SECONDS)
        speaks.send(frame(CLOSE, b"\x03\xe8"))
        assert speaks.skip_to_close().code == 1000


@pytest.mark.timeout(120)
@MODES
def test_a_great_silence(php, mode, record_property):
    clients = int(os.environ.get("SILENT_CLIENTS", CLIENTS))
    assert raise_descriptor_limit() > clients + 500, "too few descriptors allowed (ulimit -n) for this test"
    server = php(mode, heartbeat_idle_time=IDLE_SECONDS)
    wires = [Wire.over(client) for client in open_many(server.port, clients // 10)]
    protected = [open_websocket(server.port, "/protected") for _ in range(clients // 10)]
    silent = [Wire.over(client) for client in open_many(server.port, clients - clients // 5)]
    begun = time.monotonic()
    ticks = clock_ticks(server)
    try:
        left = silent
        while left:
            for wire in wires:
                wire.send(frame(PING))
            left = [wire for wire in left if not has_ended(wire)]
            time.sleep(PAUSE_SECONDS)
        seconds = time.monotonic() - begun
        ticks = clock_ticks(server) - ticks
        print(f"\n{mode}: {len(silent)} silent clients were closed after {seconds:.1f} s and {ticks} clock ticks")
        record_property("seconds", seconds)
        for wire in silent:
            assert wire.frame().opcode == CLOSE
        for wire in protected:
            wire.echo("stays")
        for wire in wires:
            wire.send(frame(TEXT, "stays"))
            while (received := wire.frame()).opcode == PONG:
                pass
            assert received.text == "stays"
        wait_until(lambda: len(closes(server)) >= len(silent), "all to be told of")
        assert len(closes(server)) == len({event["fd"] for event in closes(server)}) == len(silent)
    finally:
        for wire in wires + protected + silent:
            wire.socket.close()
