"""Processes of the script's own beside a server: they do not outlive it, and do nothing in its name."""

import json
import os
import signal

import pytest

from conftest import TESTS
from server import process_status, socket_inodes, tcp_sockets, wait_until
from wire import Wire

MODES = pytest.mark.parametrize("mode", ["base", "process"])
COROUTINES = pytest.mark.parametrize("coroutines", [False, True], ids=["plain", "coroutines"])
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")


@pytest.fixture
def start(php_server):
    """start(mode, coroutines=True, **config): starts php/children.php, whose processes all run."""

    def start(mode, coroutines=True, port=None, **config):
        config = json.dumps({"mode": mode, "coroutines": coroutines, **config})
        server = php_server(TESTS / "php/children.php", "PORT", config, port=port)
        wait_until(lambda: len(events(server, "workerStart")) == 2 and events(server, "process"), "all processes")
        server.processes()
        return server

    return start


def events(server, name):
    return [event for event in server.events() if event["event"] == name]


def asked(server, target):
    with Wire(server.port) as wire:
        return wire.get(target).json()


# ---- those that the server keeps running ----


def killed_in_order(server, mode, also_manager):
    """Kills the master, and the manager before it can do anything about that."""
    (process,) = (event["pid"] for event in events(server, "process"))
    manager = process_status(process)[1]
    assert (manager == server.pid) == (mode == "base")
    if also_manager:
        os.kill(manager, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    if also_manager:
        os.kill(manager, signal.SIGKILL)
    server.wait_exit()


@pytest.mark.parametrize("mode, also_manager", [("base", False), ("process", False), ("process", True)])
@pytest.mark.parametrize("user", [None, pytest.param("nobody", marks=AS_ROOT)])
def test_a_process_that_ignores_sigterm_does_not_outlive_the_server(start, mode, also_manager, user):
    server = start(mode, ignores=True, **({"user": user} if user else {}))
    killed_in_order(server, mode, also_manager)
    wait_until(lambda: server.remaining() == [], "the end of all processes")
    assert asked(start(mode, port=server.port), "/") is None


@MODES
def test_who_accepts_nothing_has_no_listener(start, mode):
    server = start(mode)
    (listener,) = tcp_sockets(server.port, "0A")
    (process,) = (event["pid"] for event in events(server, "process"))
    manager = process_status(process)[1]
    having = {pid for pid in server.processes() if listener in socket_inodes(pid)}
    workers = {event["id"]: event["pid"] for event in events(server, "workerStart")}
    assert having == {server.pid, manager} | ({workers[0]} if mode == "base" else set())
    os.kill(workers[0], signal.SIGTERM)
    wait_until(lambda: len(events(server, "workerStart")) == 3, "the next worker")
    assert asked(server, "/") is None


# ---- those that a callback makes ----


@MODES
@COROUTINES
def test_a_forks_copy_of_an_answer_says_nothing(start, mode, coroutines):
    server = start(mode, coroutines)
    assert asked(server, "/fork") == [True, 3]
    assert asked(server, "/") is None
    assert "WARNING" not in server.output and "ERROR" not in server.output, server.output


BOTH_WAYS = ["dlot 1", True, False]
WITH_LOOP = ["1signal", "slept", 0]
ENDS = [[0, 0], [7, 0], [255, 0], [255, 0], [0, 15], [0, 2], [0, 10], [0, 13]]


@MODES
@COROUTINES
@pytest.mark.parametrize("where", ["/", "/task/"], ids=["worker", "task worker"])
def test_a_child_of_a_callback(start, mode, coroutines, where):
    server = start(mode, coroutines)
    workers = server.processes()
    for _ in range(2):
        assert asked(server, f"{where}both_ways") == BOTH_WAYS
        assert asked(server, f"{where}with_loop") == WITH_LOOP
    assert asked(server, f"{where}executed") == ["got this\n", 5]
    assert asked(server, f"{where}ends") == [end for end in ENDS for _ in (False, True)]
    said, code = asked(server, f"{where}in_the_servers_name")
    assert (said, code) == ("[false,false,false,false,false,0,false] 4 its own", 0)
    assert server.processes() == workers
    # What is released or called at the end of the script is the worker's.
    assert not events(server, "destructed") and not events(server, "end of script")
    assert not events(server, "not its own")
    server.terminate()
    assert server.wait_exit() == 0
    assert {event["pid"] for event in events(server, "destructed")} <= set(workers)


@MODES
def test_a_child_of_a_process_of_the_scripts_own(start, mode):
    (process,) = events(start(mode), "process")
    assert (process["child"], process["loop"]) == (BOTH_WAYS, WITH_LOOP)


@MODES
def test_master_and_manager_make_no_children(start, mode):
    server = start(mode)
    refused = wait_until(lambda: events(server, "managerStart"), "the manager")
    refused += events(server, "start") if mode == "process" else []
    assert {event["thrown"] for event in refused} == {
        "a process cannot be made in the server's master or manager: use addProcess(), or make it in a worker"
    }


@MODES
@COROUTINES
def test_a_child_that_stays_keeps_nothing_of_the_server(start, mode, coroutines):
    server = start(mode, coroutines)
    child = asked(server, "/stays")
    try:
        with Wire(server.port) as other, Wire(server.port) as wire:
            assert other.get("/").json() is None
            assert wire.get("/", "Connection: close").json() is None
            assert wire.until_closed() == b""
            (worker,) = (event["pid"] for event in events(server, "workerStart") if event["id"] == 0)
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: len(events(server, "workerStart")) == 3, "the next worker")
            assert (other.until_closed() == b"") if mode == "base" else other.get("/").json() is None
        # Those of a worker that has ended are left alone.
        assert process_status(child)
        server.terminate()
        assert server.wait_exit() == 0
        assert process_status(child)
        assert asked(start(mode, coroutines, port=server.port), "/both_ways") == BOTH_WAYS
    finally:
        os.kill(child, signal.SIGKILL)
