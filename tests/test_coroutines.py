"""Callbacks that wait: others go on meanwhile, in order where order is promised, and ends are not waited for in vain."""

import itertools
import json
import os
import pathlib
import re
import resource
import signal
import threading
import urllib.parse

import pytest

from conftest import TESTS
from server import wait_until
from wire import CLOSE, TEXT, Wire, close_payload, frame, open_websocket, upgrade_request

MODES = pytest.mark.parametrize("mode", ["base", "process"])
TRY_AGAIN_LATER = 1013
STUCK_SECONDS = 0.5
MIB = 1 << 20


class Waiting:
    """The server, what it has printed, and clients that tell it what to do."""

    def __init__(self, php_server, mode, **config):
        config = json.dumps({"mode": mode, **config})
        self.server = php_server(TESTS / "php/coroutines.php", "PORT", config)
        self.mode, self.port = mode, self.server.port

    def client(self):
        """A WebSocket client with the attribute `fd`."""
        wire = open_websocket(self.port)
        wire.fd = self.newest("connect")
        return wire

    def newest(self, event):
        self.wait_event(event)
        return max(event["fd"] for event in self.events(event))

    def events(self, *names, **fields):
        told = self.server.events()
        return [event for event in told if (not names or event["event"] in names) and event.items() >= fields.items()]

    def names(self, fd):
        """What happened to a connection, in order."""
        return [event["event"] for event in self.events(fd=fd)]

    def serves_requests(self):
        with Wire(self.port) as wire:
            assert wire.get("/anything").json() == "anything"

    def still_serves(self):
        with self.client() as wire:
            assert ask(wire, "echo", "still here") == "still here"

    def release(self, name):
        """Lets who holds this name go on, in a server with one worker; true if somebody did."""
        with Wire(self.port) as wire:
            return wire.get(f"/release/{urllib.parse.quote(name)}").json()

    def wait_event(self, name, count=1, **fields):
        found = wait_until(
            lambda: len(some := self.events(name, **fields)) >= count and some, f"{count} events {name} {fields}"
        )
        return found[0] if count == 1 else found


@pytest.fixture
def waiting(php_server):
    return lambda mode, **config: Waiting(php_server, mode, **config)


def wish(*what):
    return frame(TEXT, json.dumps(what))


def ask(wire, *what):
    """The result of a call."""
    wire.send(wish(*what))
    return answer(wire, what[0])


def answer(wire, to):
    text = wire.message()
    while text.startswith("tick of "):  # a timer in a worker sends to everybody
        text = wire.message()
    verb, result = json.loads(text)
    assert verb == to
    return result


# ---- messages ----


@MODES
def test_who_waits_holds_up_nobody(waiting, mode):
    waiting = waiting(mode)
    with waiting.client() as one, waiting.client() as other:
        one.send(wish("hold", "it"))
        waiting.wait_event("message begins", fd=one.fd)
        assert ask(other, "echo", "while it waits") == "while it waits"
        assert ask(one, "echo", "and it itself") == "and it itself"
        assert ask(other, "release", "it") is True
        assert answer(one, "hold") == "it"


@MODES
def test_callbacks_of_a_connection_start_in_order_and_overlap(waiting, mode):
    waiting, count = waiting(mode), 30
    with waiting.client() as one, waiting.client() as other:
        one.send(b"".join(wish("hold", f"number {number}") for number in range(count)))
        begun = waiting.wait_event("message begins", count, fd=one.fd)
        cids = [event["cid"] for event in begun]
        assert cids == sorted(set(cids))
        assert [event["running"] for event in begun] == list(range(1, count + 1))
        for number in reversed(range(count)):
            assert ask(other, "release", f"number {number}") is True
        assert [answer(one, "hold") for _ in range(count)] == [f"number {n}" for n in reversed(range(count))]


@MODES
def test_a_push_after_the_end(waiting, mode):
    waiting = waiting(mode)
    with waiting.client() as one:
        one.send(wish("hold", "it"))
        waiting.wait_event("message begins", fd=one.fd)
    # The close callback does not wait for the message's.
    waiting.wait_event("close ends", fd=one.fd)
    assert waiting.events("message ends", fd=one.fd) == []
    assert waiting.release("it")
    assert waiting.wait_event("refused", fd=one.fd)["data"] == '["hold","it"]'
    waiting.wait_event("message ends", fd=one.fd)
    waiting.still_serves()


@MODES
def test_a_close_callback_that_waits_keeps_the_fd(waiting, mode):
    waiting = waiting(mode, holds=["close"])
    with waiting.client() as one:
        assert ask(one, "echo", 1) == 1
    waiting.wait_event("close begins", fd=one.fd)
    waiting.still_serves()
    assert waiting.release(f"close {one.fd}")
    closing = waiting.wait_event("closing", fd=one.fd)
    assert (closing["info"], closing["exist"]) == (True, True)
    waiting.wait_event("close ends", fd=one.fd)


@MODES
def test_disconnect_does_not_wait_for_the_close_callback(waiting, mode):
    waiting = waiting(mode, holds=["close"])
    with waiting.client() as one:
        one.send(wish("disconnect", one.fd, 4000, "enough"))
        one.expect_close(4000, b"enough")
        waiting.wait_event("message ends", fd=one.fd)
        told = ["connect", "open begins", "open ends", "message begins", "close begins"]
        assert [name for name in waiting.names(one.fd) if name != "refused"] == [*told, "message ends"]
    assert waiting.release(f"close {one.fd}")
    waiting.wait_event("close ends", fd=one.fd)
    assert len(waiting.events("close begins", fd=one.fd)) == 1
    waiting.still_serves()


# ---- beginnings ----


@MODES
def test_an_open_callback_that_waits(waiting, mode):
    waiting = waiting(mode, holds=["open"])
    with waiting.client() as one:
        assert ask(one, "echo", "already") == "already"
        assert waiting.names(one.fd)[:3] == ["connect", "open begins", "message begins"]
        assert waiting.release(f"open {one.fd}")
        waiting.wait_event("open ends", fd=one.fd)


@MODES
def test_a_handshake_callback_that_waits(waiting, mode):
    waiting = waiting(mode, holds=["handshake"])
    with Wire(waiting.port) as one:
        one.send(upgrade_request())
        fd = waiting.wait_event("handshake begins")["fd"]
        waiting.serves_requests()
        assert waiting.release(f"handshake {fd}")
        assert one.response().status == 101
        assert ask(one, "echo", "hello") == "hello"
    waiting.wait_event("close ends", fd=fd)


@MODES
def test_a_handshake_callback_whose_client_has_gone(waiting, mode):
    waiting = waiting(mode, holds=["handshake"])
    with Wire(waiting.port) as one:
        one.send(upgrade_request())
        fd = waiting.wait_event("handshake begins")["fd"]
        # Not just the end of what it sends: it might still take an answer.
        one.abort()
    waiting.wait_event("close ends", fd=fd)
    assert waiting.release(f"handshake {fd}")
    assert waiting.wait_event("answered", fd=fd)["result"] is False
    waiting.serves_requests()


@MODES
def test_a_request_callback_that_waits(waiting, mode):
    waiting = waiting(mode, holds=["request"])
    with Wire(waiting.port) as one:
        one.request("/hold").request("/next")
        fd = waiting.wait_event("request begins")["fd"]
        waiting.serves_requests()
        # The next one of the same connection waits for the answer.
        assert waiting.events("other begins", fd=fd) == []
        assert waiting.release(f"request {fd}")
        assert one.response().json() == "hold"
        assert one.response().json() == "next"


# ---- one callback of a connection at a time ----


@MODES
def test_serial_callbacks_never_overlap(waiting, mode):
    waiting = waiting(mode, set={"websocket_serial": True}, holds=["open", "close"])
    with waiting.client() as one:
        waiting.wait_event("open begins", fd=one.fd)
        one.send(wish("hold", "it") + wish("echo", 1) + frame(CLOSE, close_payload(1000)))
        waiting.serves_requests()
        assert waiting.names(one.fd) == ["connect", "open begins"]
        assert waiting.release(f"open {one.fd}")
        waiting.wait_event("message begins", fd=one.fd)
        waiting.serves_requests()
        assert waiting.release("it")
        assert [answer(one, verb) for verb in ("hold", "echo")] == ["it", 1]
        one.expect_close(1000)
    waiting.wait_event("close begins", fd=one.fd)
    assert waiting.release(f"close {one.fd}")
    waiting.wait_event("close ends", fd=one.fd)
    told = [(event["event"], event.get("running", 1)) for event in waiting.events(fd=one.fd)]
    begun = [name for name, _ in told if name.endswith(" begins")]
    assert begun == ["open begins", "message begins", "message begins", "close begins"]
    assert {running for _, running in told} == {1}


@MODES
def test_serial_callbacks_lose_nothing_of_a_full_backlog(waiting, tmp_path, mode):
    waiting, flag = waiting(mode, set={"websocket_serial": True}), tmp_path / "flag"
    with waiting.client() as one:
        one.send(wish("until", str(flag)))
        waiting.wait_event("message begins", fd=one.fd)
        before = waiting.server.pss_bytes()
        sent = fill(one, lambda number: wish("echo", number, "x" * 10_000))
        assert waiting.server.pss_bytes() - before < 64 * MIB
        # Not even the worker's others are served: it takes nothing more.
        flag.touch()
        assert answer(one, "until") == str(flag)
        assert [answer(one, "echo") for _ in range(sent)] == list(range(sent))
        assert {event["running"] for event in waiting.events("message begins", fd=one.fd)} == {1}
        waiting.still_serves()


def fill(wire, message_of):
    """Sends numbered messages until nobody takes any more; how many, the last one whole as well."""
    wire.socket.settimeout(STUCK_SECONDS)
    for number in itertools.count():
        unsent = memoryview(message_of(number))
        try:
            while unsent:
                unsent = unsent[wire.socket.send(unsent) :]
        except TimeoutError:
            rest = bytes(unsent)
            break
    wire.socket.settimeout(10)
    # The rest of it goes as soon as there is room.
    threading.Thread(target=wire.socket.sendall, args=[rest], daemon=True).start()
    return number + 1


# ---- who runs where ----


@MODES
def test_ids(waiting, mode):
    waiting = waiting(mode)
    with waiting.client() as one:
        first, parent = ask(one, "ids")
        assert first > 0 and parent == -1
        assert ask(one, "ids")[0] > first
        outer, parent_of_inner, inner = ask(one, "child")
        assert parent_of_inner == outer < inner
        for event in ("workerStart", "connect"):
            assert waiting.wait_event(event)["cid"] > 0
        assert waiting.wait_event("managerStart")["cid"] == -1
        assert waiting.wait_event("start")["cid"] > 0


@MODES
def test_without_coroutines(waiting, mode):
    waiting = waiting(mode, set={"enable_coroutine": False})
    with waiting.client() as one:
        assert ask(one, "ids") == [-1, False]
        assert ask(one, "sleep outside") == "API must be called in the coroutine"
        cid = ask(one, "go")
        assert cid > 0
        assert answer(one, "inside") is True
        ask(one, "timer")
        assert answer(one, "due") == -1
        for event in ("start", "workerStart", "connect", "open begins"):
            assert waiting.wait_event(event)["cid"] == -1


@MODES
def test_timers_push_to_clients(waiting, mode):
    waiting = waiting(mode, at={"workerStart": "tick"})
    with waiting.client() as one, waiting.client() as other:
        assert [one.message() for _ in range(5)] == ["tick of workerStart"] * 5
        assert other.message() == "tick of workerStart"
        waiting.server.terminate()
        one.skip_to_close()


@MODES
@pytest.mark.parametrize("place", ["managerStart", "start"])
def test_timers_of_master_and_manager(waiting, mode, place):
    waiting = waiting(mode, at={place: "tick"})
    pid = waiting.wait_event(place)["pid"]
    assert {event["pid"] for event in waiting.wait_event(f"{place} tick", 5)} == {pid}
    assert (pid == waiting.server.pid) == ((mode, place) in [("base", "managerStart"), ("process", "start")])
    waiting.still_serves()
    waiting.server.process.send_signal(signal.SIGUSR1)
    waiting.wait_event("afterReload ends")
    count = len(waiting.events(f"{place} tick"))
    if (mode, place) != ("base", "start"):  # the tick of a worker that was replaced
        waiting.wait_event(f"{place} tick", count + 5)
    waiting.server.terminate()
    assert waiting.server.wait_exit() == 0
    assert waiting.server.remaining() == []
    assert "ERROR" not in waiting.server.output


@MODES
def test_beginnings_that_wait(waiting, mode):
    waiting = waiting(mode, at={"start": "sleep", "workerStart": "sleep", "managerStart": "go"})
    waiting.wait_event("start ends")
    waiting.wait_event("workerStart ends")
    manager = waiting.wait_event("managerStart")["pid"]
    assert waiting.wait_event("managerStart slept")["pid"] == manager
    waiting.still_serves()


@MODES
def test_a_descriptor_that_a_worker_watches(waiting, mode):
    waiting = waiting(mode, at={"workerStart": "watch"})
    with waiting.client() as one:
        for text in ("hello", "again"):
            one.send(wish("write", text))
            assert {one.message(), one.message()} == {f"read {text}", json.dumps(["write", len(text)], separators=",:")}
            event = waiting.wait_event("read", data=text)
            assert (event["pid"], event["cid"] > 0) == (ask(one, "pid"), True)


# ---- the end of a worker ----


@MODES
@pytest.mark.parametrize("how", ["reload", "shutdown"])
def test_a_coroutine_without_an_end_is_ended(waiting, mode, how):
    waiting = waiting(mode, at={"workerStart": "for ever"}, set={"max_wait_time": 1})
    with waiting.client() as one:
        assert one.message() == "still here"
        old = waiting.wait_event("workerStart")["pid"]
        if how == "reload":
            os.kill(waiting.server.pid, signal.SIGUSR1)
            waiting.wait_event("workerStart", 2)
            waiting.server.wait_output(rf"\*{old}\]\tWARNING\tworker exit timeout, forced termination")
            waiting.wait_event("workerStop", pid=old)
        if how == "reload" and mode == "process":
            while (said := one.message()) == "still here" and not waiting.events("workerStop", pid=old):
                pass
            assert said == "still here"
        else:
            waiting.server.terminate() if how == "shutdown" else None
            assert one.skip_to_close().code == 1001
    if how == "reload":
        waiting.server.terminate()
    assert waiting.server.wait_exit() == 0
    assert waiting.server.remaining() == []
    assert "did not end in time" not in waiting.server.output
    assert waiting.server.output.count("forced termination") == (2 if how == "reload" else 1)
    # Nothing of it runs behind that: neither the loop nor what comes after it.
    assert waiting.events("workerStart ends") == []


@MODES
def test_what_is_done_before_the_end_may_wait(waiting, mode):
    waiting = waiting(mode, at={"beforeShutdown": "ask"})
    with waiting.client() as one:
        waiting.server.terminate()
        # The server is as it was meanwhile.
        assert waiting.wait_event("beforeShutdown asked")["answer"] == '"hello"'
        assert one.skip_to_close().code == 1001
    assert waiting.server.wait_exit() == 0
    (before,) = waiting.events("beforeShutdown")
    assert (before["pid"], before["cid"] > 0) == (waiting.server.pid, True)
    order = [event["event"] for event in waiting.server.events()]
    assert order.index("beforeShutdown ends") < order.index("workerStop")
    assert "WARNING" not in waiting.server.output


@MODES
def test_what_is_done_before_the_end_must_end(waiting, mode):
    waiting = waiting(mode, at={"beforeShutdown": "for ever"}, set={"max_wait_time": 1})
    with waiting.client() as one:
        waiting.server.terminate()
        assert one.skip_to_close().code == 1001
    assert waiting.server.wait_exit() == 0
    assert waiting.server.remaining() == []
    assert "\tWARNING\tbeforeShutdown has not come to its end in time" in waiting.server.output
    assert waiting.events("beforeShutdown ends") == []


@MODES
def test_worker_exit_comes_again_while_a_timer_is_alive(waiting, mode):
    waiting = waiting(mode, at={"workerStart": "long timer"}, set={"max_wait_time": 1})
    waiting.wait_event("workerStart")
    waiting.server.terminate()
    waiting.wait_event("workerExit", 3)
    assert waiting.server.wait_exit() == 0
    assert waiting.server.output.count("worker exit timeout, forced termination") == 1


@MODES
def test_a_worker_that_clears_its_timers_ends_at_once(waiting, mode):
    waiting = waiting(mode, at={"workerStart": "long timer", "workerExit": "clear"}, set={"max_wait_time": 60})
    waiting.wait_event("workerStart")
    waiting.server.terminate()
    assert waiting.server.wait_exit() == 0
    assert len(waiting.events("workerExit")) == 1
    assert "forced termination" not in waiting.server.output


@MODES
@pytest.mark.parametrize("how", ["reload", "shutdown"])
def test_what_was_begun_is_answered_before_a_worker_ends(waiting, tmp_path, mode, how):
    waiting, flag = waiting(mode, set={"max_wait_time": 10}), tmp_path / "flag"
    with waiting.client() as one, Wire(waiting.port) as request:
        request.request(f"/until/{urllib.parse.quote(str(flag), safe='')}")
        waiting.wait_event("other begins")
        one.send(wish("until", str(flag)))
        waiting.wait_event("message begins")
        old = waiting.wait_event("workerStart")["pid"]
        waiting.server.process.send_signal(signal.SIGUSR1 if how == "reload" else signal.SIGTERM)
        waiting.wait_event("workerExit", pid=old)
        if mode == "base":
            # Nothing more is begun there.
            one.send(wish("echo", "too late"))
        flag.touch()
        assert answer(one, "until") == str(flag)
        assert request.response().json() == str(flag)
        if (mode, how) == ("process", "reload"):
            assert ask(one, "pid") != old
        else:
            one.expect_close(1001)
            assert request.until_closed() == b""
    waiting.wait_event("workerStop", pid=old)
    assert "forced termination" not in waiting.server.output


@MODES
def test_what_waits_too_long_is_closed(waiting, mode):
    waiting = waiting(mode, set={"max_wait_time": 1})
    with waiting.client() as one:
        one.send(wish("hold", "it"))
        waiting.wait_event("message begins")
        waiting.server.terminate()
        one.expect_close(1001)
    assert waiting.server.wait_exit() == 0
    assert waiting.server.output.count("worker exit timeout, forced termination") == 1
    if mode == "base":
        assert len(waiting.events("close ends")) == 1


def test_a_reload_while_many_handlers_wait_loses_nothing(waiting, tmp_path):
    waiting, flag = waiting("process", set={"max_wait_time": 10}), tmp_path / "flag"
    wires = [waiting.client() for _ in range(40)]
    requests = [Wire(waiting.port).request(f"/until/{urllib.parse.quote(str(flag), safe='')}") for _ in range(10)]
    for wire in wires:
        wire.send(wish("until", str(flag)))
    waiting.wait_event("message begins", len(wires))
    waiting.wait_event("other begins", len(requests))
    old = waiting.wait_event("workerStart")["pid"]
    os.kill(waiting.server.pid, signal.SIGUSR1)
    new = waiting.wait_event("workerStart", 2)[1]["pid"]
    # The successor serves already, the same connections too.
    assert ask(wires[0], "pid") == new
    assert waiting.events("workerStop") == []
    flag.touch()
    for wire in requests:
        assert wire.response().json() == str(flag)
    for wire in wires:
        assert answer(wire, "until") == str(flag)
        assert ask(wire, "pid") == new
        wire.socket.close()
    waiting.wait_event("workerStop", pid=old)
    assert "WARNING" not in waiting.server.output and "ERROR" not in waiting.server.output


# ---- many ----


@MODES
def test_beyond_max_coroutine(waiting, tmp_path, mode):
    waiting, flag = waiting(mode, set={"max_coroutine": 20}), tmp_path / "flag"
    with waiting.client() as one, waiting.client() as other:
        one.send(b"".join(wish("until", str(flag)) for _ in range(20)))
        waiting.wait_event("message begins", 20, fd=one.fd)
        other.send(wish("echo", "one too many"))
        other.expect_close(TRY_AGAIN_LATER)
        waiting.server.wait_output(rf"WARNING\tconnection {other.fd} is closed: there are 20 coroutines already")
        with Wire(waiting.port) as third:
            third.send(upgrade_request())
            assert b"101" not in third.until_closed()
        flag.touch()
        assert [answer(one, "until") for _ in range(20)] == [str(flag)] * 20
    waiting.still_serves()
    waiting.wait_event("close ends", fd=other.fd)


@MODES
def test_ten_thousand_coroutines_asleep(waiting, mode):
    waiting, count = waiting(mode, memory_limit="512M"), 10_000
    with waiting.client() as one, waiting.client() as other:
        assert ask(one, "crowd", count, 1000) == count
        for number in range(100):
            assert ask(other, "echo", number) == number
        assert ask(other, "stats") > count
        assert ask(one, "wake all") >= count
        assert ask(other, "stats") < 10
        waiting.still_serves()


@MODES
def test_as_many_coroutines_as_the_process_can_have(waiting, mode):
    waiting = waiting(mode, memory_limit="2G")
    with waiting.client() as one:
        pid = ask(one, "pid")
        used = int(re.search(r"VmSize:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024
        resource.prlimit(pid, resource.RLIMIT_AS, (used + 512 * MIB, used + 512 * MIB))
        made = ask(one, "crowd", 10_000, 0.5)
        assert 10 < made < 1000
        assert "no more stacks" in waiting.wait_event("crowded")["warning"]
        assert [ask(one, "echo", number) for number in range(10)] == list(range(10))
        assert ask(one, "pid") == pid
    waiting.still_serves()
