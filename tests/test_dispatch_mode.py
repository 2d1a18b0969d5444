"""Which worker gets what in mode SWOOLE_PROCESS, for each dispatch_mode."""

import collections
import json

import pytest

from server import process_status, wait_until
from story import Story, ask, result, tell
from test_many import source_address
from wire import open_websocket

WORKERS = 3
ROUNDS = 5
ONE_AFTER_THE_OTHER, BY_FD, IDLEST, BY_ADDRESS, BY_USER = range(1, 6)


@pytest.fixture
def story(php_server):
    return lambda mode: Story(php_server, "process", worker_num=WORKERS, reactor_num=1, dispatch_mode=mode)


def worker_of(wire):
    """Who gets a message of this connection."""
    return ask(wire, "echo", "who?")["worker"]


def assert_ends_are_told(story, wires):
    """Whoever gets the messages: once each, to the worker that the fd says."""
    for wire in wires:
        wire.socket.close()
    for wire in wires:
        assert story.wait_event("close", fd=wire.fd)["worker"] == wire.fd % WORKERS
        assert len(story.events("close", fd=wire.fd)) == 1


def client_from(story, number):
    """A client with a loopback address of its own; who has greeted it."""
    wire = open_websocket(story.port, source=source_address(number))
    return wire, json.loads(wire.message())["worker"]


def test_one_after_the_other(story):
    story = story(ONE_AFTER_THE_OTHER)
    wires = [story.client() for _ in range(2)]
    got = [worker_of(wires[number % 2]) for number in range(WORKERS * ROUNDS)]
    assert collections.Counter(got) == dict.fromkeys(range(WORKERS), ROUNDS)
    assert all(after == (before + 1) % WORKERS for before, after in zip(got, got[1:], strict=False)), got
    assert_ends_are_told(story, wires)


def test_by_fd(story):
    story = story(BY_FD)
    wires = [story.client() for _ in range(2 * WORKERS)]
    for wire in wires:
        assert wire.worker == wire.fd % WORKERS
        assert {worker_of(wire) for _ in range(ROUNDS)} == {wire.worker}
        wire.socket.close()
        assert story.wait_event("close", fd=wire.fd)["worker"] == wire.worker


def test_the_idlest(story):
    story = story(IDLEST)
    wires = [story.client() for _ in range(WORKERS)]
    # All but one sleep, one after the other: each of them was idle when it was chosen.
    for wire in wires[1:]:
        tell(wire, "sleep", 1)
        story.wait_event("message", fd=wire.fd)
    asleep = {event["worker"] for event in story.events("message")}
    assert len(asleep) == WORKERS - 1
    (idle,) = set(range(WORKERS)) - asleep
    pid = story.events("workerStart", worker=idle)[0]["pid"]
    for _ in range(4 * ROUNDS):
        assert worker_of(wires[0]) == idle
        # It answers before it is idle again.
        wait_until(lambda: process_status(pid)[0] == "S", "the worker to wait")
    for wire in wires[1:]:
        assert json.loads(wire.message())["worker"] in asleep
    assert_ends_are_told(story, wires)


def test_by_address(story):
    story = story(BY_ADDRESS)
    homes = {}
    for number in range(8):
        for _ in range(2):
            wire, greeter = client_from(story, number)
            assert {worker_of(wire) for _ in range(ROUNDS)} == {greeter}
            assert homes.setdefault(number, greeter) == greeter
    assert len(set(homes.values())) > 1, "one worker has all addresses"


def test_by_user(story):
    story = story(BY_USER)
    wires = [story.client() for _ in range(2)]
    for user, wire in zip((4, 5), wires, strict=True):
        assert wire.worker == wire.fd % WORKERS
        assert worker_of(wire) == wire.worker
        assert result(wire, "bind", wire.fd, user) is True
        assert {worker_of(wire) for _ in range(ROUNDS)} == {user % WORKERS}
        wire.socket.close()
        assert story.wait_event("close", fd=wire.fd)["worker"] == user % WORKERS
