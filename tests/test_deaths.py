"""The death of each process of a server: who notices, what becomes of its connections, and that nothing stays behind."""

import json
import os
import signal

import pytest

from conftest import start_kind
from server import descendants, process_status, wait_until
from story import Story, ask, result, tell
from wire import Closed, Wire, open_websocket

BOTH = pytest.mark.parametrize("mode", ["base", "process"])
CONNECTIONS = 12
# By which a handler may end its own process, and what workerError is told of it: exit code and signal.
SUDDEN_ENDS = [
    ("die", signal.SIGKILL, 0, signal.SIGKILL),
    ("die", signal.SIGSEGV, 0, signal.SIGSEGV),
    ("exit", 3, 3, 0),
]


@pytest.fixture
def story(php_server):
    return lambda mode, **options: Story(php_server, mode, **options)


def manager_of(server):
    """The manager's process: the master's only child, which has children itself."""
    (manager,) = (pid for pid in descendants(server.pid) if process_status(pid)[1] == server.pid)
    assert descendants(manager)
    return manager


def wait_gone(server):
    wait_until(lambda: server.remaining() == [], "the end of all processes")


def settled(observer, count):
    """So many connections are left, and the table, its list and the statistics agree on it."""
    wait_until(lambda: result(observer, "count") == count, f"{count} connections")
    assert len(result(observer, "fds")) == count
    assert result(observer, "stats")["connection_num"] == count


# ---- a worker ----


@pytest.mark.parametrize("call, argument, code, number", SUDDEN_ENDS)
def test_a_workers_death_in_base(story, call, argument, code, number):
    story = story("base")
    story.server.may_crash = number == signal.SIGSEGV
    survivor, others = story.client_of(0)
    victim, more = story.client_of(1)
    everyone = [survivor, victim, *others, *more]
    tell(victim, call, argument)
    error = story.wait_event("workerError")
    assert (error["id"], error["of"], error["code"], error["signal"]) == (1, victim.pid, code, number)
    assert error["pid"] == story.server.pid
    for wire in everyone:
        if wire.worker == 1:
            assert wire.until_closed() == b""
        else:
            assert ask(wire, "echo", "still here")["pid"] == survivor.pid
    settled(survivor, sum(wire.worker == 0 for wire in everyone))
    story.wait_event("workerStart", count=2, id=1)
    successor, _ = story.client_of(1)
    assert successor.pid != victim.pid
    story.server.terminate()
    assert story.server.wait_exit() == 0
    wait_gone(story.server)


@pytest.mark.parametrize("call, argument, code, number", SUDDEN_ENDS)
def test_a_workers_death_in_process(story, call, argument, code, number):
    story = story("process")
    story.server.may_crash = number == signal.SIGSEGV
    wires = [story.client() for _ in range(CONNECTIONS)]
    victim = next(wire for wire in wires if wire.worker == 1)
    tell(victim, call, argument)
    error = story.wait_event("workerError")
    assert (error["id"], error["of"], error["code"], error["signal"]) == (1, victim.pid, code, number)
    assert error["pid"] == manager_of(story.server)
    for wire in wires:
        answer = ask(wire, "echo", "still here")
        assert (answer["result"], answer["worker"]) == ("still here", wire.worker)
        assert (answer["pid"] == wire.pid) == (wire.worker == 0)
    settled(wires[0], CONNECTIONS)
    for wire in wires[1:]:
        wire.socket.close()
    settled(wires[0], 1)
    story.server.terminate()
    assert story.server.wait_exit() == 0
    wait_gone(story.server)


def test_what_a_dead_worker_had_not_begun_is_done_by_its_successor(story):
    story = story("process", worker_num=1)
    wires = [story.client() for _ in range(CONNECTIONS)]
    tell(wires[0], "sleep", 0.5)
    story.wait_event("message", fd=wires[0].fd)
    for wire in wires[1:]:
        for number in range(3):
            tell(wire, "echo", number)
    os.kill(wires[0].pid, signal.SIGKILL)
    for wire in wires[1:]:
        assert [json.loads(wire.message())["result"] for _ in range(3)] == [0, 1, 2]
    assert ask(wires[0], "echo", "the answer that never came")["result"] == "the answer that never came"


@BOTH
def test_a_worker_that_dies_while_a_connection_closes(story, mode):
    story = story(mode)
    observer, others = story.client_of(0)
    victim = None
    while victim is None:
        wire = story.client("/kill-when-closed")
        victim = wire if wire.worker == 1 else others.append(wire)
    left = [wire for wire in others if wire.worker == 0 or mode == "process"]
    victim.socket.close()
    story.wait_event("workerError", id=1, of=victim.pid, signal=signal.SIGKILL)
    settled(observer, 1 + len(left))
    assert len(story.events("close", fd=victim.fd)) == 1


def test_a_request_whose_handler_dies_in_process(story):
    story = story("process", worker_num=1)
    with Wire(story.port) as wire:
        assert wire.get("/kill").status == 500
        assert wire.until_closed() == b""
    with Wire(story.port) as wire:
        assert wire.get("/").status == 200


def test_a_request_whose_handler_dies_in_base(story):
    story = story("base", worker_num=1)
    with Wire(story.port) as wire:
        wire.request("/kill")
        with pytest.raises(Closed):
            wire.response()
    story.wait_event("workerStart", count=2)
    with Wire(story.port) as wire:
        assert wire.get("/").status == 200


# ---- manager and master ----


def test_the_managers_death(story):
    story = story("process")
    wires = [story.client() for _ in range(CONNECTIONS)]
    story.server.processes()
    os.kill(manager_of(story.server), signal.SIGKILL)
    for wire in wires:
        with wire:
            wire.expect_close(1001)
    assert story.server.wait_exit() == 1
    story.server.wait_output(r"the manager was killed by signal 9 .*: without it no worker is replaced, and the server ends")
    wait_gone(story.server)


@BOTH
def test_the_masters_death(story, mode):
    story = story(mode)
    wires = [story.client() for _ in range(CONNECTIONS)]
    story.server.processes()
    os.kill(story.server.pid, signal.SIGKILL)
    assert story.server.wait_exit() == -signal.SIGKILL
    for wire in wires:
        with wire:
            wire.expect_close(1001) if mode == "base" else wire.until_closed()
    wait_gone(story.server)
    with pytest.raises(ConnectionRefusedError):
        Wire(story.port)


# ---- the same in Rust ----


@BOTH
def test_a_rust_workers_death(start_server, mode):
    server = start_kind(start_server, f"rust-{mode}", workers=2)
    wires = [open_websocket(server.port) for _ in range(CONNECTIONS)]
    for wire in wires:
        wire.echo("hello")
    victim, survivor = server.workers(2)
    owners = server.owners([victim, survivor]) if mode == "base" else {}
    os.kill(victim, signal.SIGKILL)
    server.wait_output(rf"worker \d \(pid {victim}\) was killed by signal 9")
    for wire in wires:
        if owners.get(wire.local_port) == victim:
            assert wire.until_closed() == b""
        else:
            wire.echo("still here")
    server.terminate()
    assert server.wait_exit() == 0
    wait_gone(server)


@pytest.mark.parametrize("process", ["manager", "master"])
def test_the_death_of_a_rust_manager_or_master(start_server, process):
    server = start_kind(start_server, "rust-process", workers=2)
    wires = [open_websocket(server.port) for _ in range(CONNECTIONS)]
    server.processes()
    os.kill(server.pid if process == "master" else manager_of(server), signal.SIGKILL)
    for wire in wires:
        with wire:
            wire.expect_close(1001) if process == "manager" else wire.until_closed()
    assert server.wait_exit() == (1 if process == "manager" else -signal.SIGKILL)
    wait_gone(server)


def test_the_death_of_a_rust_master_in_base(start_server):
    server = start_kind(start_server, "rust-base", workers=2)
    wires = [open_websocket(server.port) for _ in range(CONNECTIONS)]
    server.processes()
    os.kill(server.pid, signal.SIGKILL)
    for wire in wires:
        with wire:
            wire.expect_close(1001)
    wait_gone(server)
