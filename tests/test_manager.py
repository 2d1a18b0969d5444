"""The manager sends as the crew does: to connections, workers and task workers, whoever of them is replaced meanwhile."""

import json
import os
import signal

import pytest

from conftest import TESTS
from server import process_status, wait_until
from wire import open_websocket

MODES = pytest.mark.parametrize("mode", ["base", "process"])
WORKER, TASK_WORKER, MANAGER = 0, 1, 2
OVERFLOW = 1009


@pytest.fixture
def start(php_server):
    return lambda **config: php_server(TESTS / "php/manager.php", "PORT", json.dumps(config))


def events(server, name, **fields):
    told = [event for event in server.events() if event["event"] == name]
    return [event for event in told if event.items() >= fields.items()]


def wait_events(server, name, count=1, **fields):
    def find():
        return len(found := events(server, name, **fields)) >= count and found

    return wait_until(find, f"{count} events {name} {fields}")


def pid_of(server, place):
    return events(server, "workerStart", id=place)[-1]["pid"]


def kill(server, place):
    """A process of the crew dies, and another one starts."""
    count = len(events(server, "workerStart", id=place))
    os.kill(pid_of(server, place), signal.SIGKILL)
    wait_events(server, "workerStart", count + 1, id=place)
    # Behind that the manager goes on, the dead one has its message, and the living one works.
    wait_events(server, "message", at=place, data=f"follow {place}", pid=pid_of(server, place))
    hear(server)


def hear(server):
    """A client hears the manager's numbers, one after the other, and its worker."""
    with open_websocket(server.port) as wire:
        wire.text("hello")
        heard, echo = [], None
        while len(heard) < 20 or echo is None:
            told = json.loads(wire.message())
            if "pushed" in told:
                heard.append(told["pushed"])
            else:
                echo = told
        assert heard == list(range(heard[0], heard[0] + len(heard)))
        assert echo == {"echo": "hello", "task": [WORKER, "own"]}


def check(numbers, lost):
    """Each once and in order, but for those that a process that died was at."""
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - numbers[0] + 1 - len(numbers) <= lost, numbers


@MODES
def test_the_manager_sends_to_everybody(start, mode):
    server = start(mode=mode)
    (manager,) = wait_events(server, "manager")
    assert (manager["pid"] == server.pid) == (mode == "base")
    assert manager["id"] == [-1, False, False, False]
    assert (manager["stop"], manager["waits"], manager["stats"]) == (False, False, [])
    hear(server)
    for _ in range(3):
        kill(server, WORKER)
        kill(server, TASK_WORKER)
        starts = len(events(server, "workerStart"))
        os.kill(server.pid, signal.SIGUSR1)
        wait_events(server, "workerStart", starts + 2)
        hear(server)
    server.terminate()
    assert server.wait_exit() == 0
    assert server.remaining() == []
    for place in (WORKER, TASK_WORKER):
        told = [event for event in events(server, "message", at=place) if isinstance(event["data"], int)]
        assert {event["from"] for event in told} == {MANAGER}
        check([event["data"] for event in told], lost=3)
    for name in ("finish", "called"):
        told = events(server, name)
        assert {event["pid"] for event in told} == {manager["pid"]}
        assert {event["result"][0] for event in told} == {MANAGER}
        check([event["result"][1] for event in told], lost=3)
    assert events(server, "refused") == []
    assert "given up" not in server.output


def test_the_master_sends_nothing_and_says_so(start):
    (started,) = wait_events(start(mode="process"), "start")
    assert started["refused"] == [
        [False, "Swoole\\WebSocket\\Server::push(): connections cannot be sent to from the master"],
        [False, "Swoole\\Server::sendMessage(): messages cannot be sent from the master"],
        [False, "Swoole\\Server::task(): task method can't be executed in the master process"],
    ]


@MODES
def test_what_has_no_room_waits_or_is_refused_and_the_manager_goes_on(start, mode):
    count = 400
    server = start(mode=mode, flood=count)
    (flooded,) = wait_events(server, "flooded")
    assert 0 < flooded["accepted"] < count
    assert flooded["error"] == OVERFLOW
    told = wait_events(server, "message", flooded["accepted"])
    assert [event["data"] for event in told] == [str(number) for number in range(flooded["accepted"])]
    assert {event["bytes"] for event in told} == {64 << 10}
    server.terminate()
    assert server.wait_exit() == 0
    assert len(events(server, "message")) == flooded["accepted"]


@MODES
def test_the_manager_has_nothing_of_its_children_and_they_nothing_of_it(start, mode):
    server = start(mode=mode)
    (manager,) = wait_events(server, "manager")
    wait_events(server, "message", at=WORKER)

    def counts():
        worker = pid_of(server, WORKER)
        assert process_status(worker)[1] == manager["pid"]
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (manager["pid"], worker)]

    # The first one was forked before the manager had anything.
    before = counts()
    for _ in range(3):
        kill(server, WORKER)
    wait_until(lambda: counts() == before, f"{before} descriptors", seconds=5)
