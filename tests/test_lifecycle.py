"""Which event of the server's life comes when, and in which process: start and end, reload, stop, and max_request."""

import json
import os
import signal

import pytest

from story import Story, ask, result, tell
from wire import Wire

MODES = pytest.mark.parametrize("mode", ["base", "process"])
WORKERS = 2
CONNECTIONS = 6
OPERATION_NOT_SUPPORT = 507


@pytest.fixture
def story(php_server):
    return lambda mode, **options: Story(php_server, mode, **options)


def ended(story):
    """Waits for the end of the server; what was printed, as (event, worker's id or None, pid)."""
    assert story.server.wait_exit() == 0
    assert story.server.remaining() == []
    return [(event["event"], event.get("id"), event["pid"]) for event in story.events()]


def names_of(told, *names):
    return [name for name, _, _ in told if name in names]


def before(told, *names):
    """Whatever has the first of these names comes before all of the second, and so on."""
    places = [[place for place, (name, _, _) in enumerate(told) if name == wanted] for wanted in names]
    assert all(places), f"{names} in {told}"
    for earlier, later in zip(places, places[1:], strict=False):
        assert max(earlier) < min(later), f"{names} in {told}"


def processes_of(told, name):
    return [pid for event, _, pid in told if event == name]


def started(story, count=WORKERS):
    """The pids of the first workers, in the order of their ids."""
    story.wait_event("workerStart", count)
    events = story.events("workerStart")
    pids = {event["id"]: event["pid"] for event in events}
    return [pids[worker] for worker in range(count)]


def no_errors(story):
    assert "workerError" not in {event["event"] for event in story.events()}
    assert "ERROR" not in story.server.output and "Warning" not in story.server.output


# ---- start and end ----


@MODES
@pytest.mark.parametrize("how", ["SIGTERM", "shutdown"])
@pytest.mark.parametrize("connected", [False, True])
def test_from_start_to_shutdown(story, mode, how, connected):
    story = story(mode)
    workers = started(story)
    story.wait_event("managerStart")
    story.wait_event("start")
    wire = story.client()
    if how == "SIGTERM":
        if not connected:
            wire.socket.close()
            story.wait_event("close", fd=wire.fd)
        story.server.terminate()
    else:
        story.server.processes()
        if not connected:
            tell(wire, "shutdown").socket.close()
        else:
            assert result(wire, "shutdown") is True
    told = ended(story)
    wire.socket.close()
    master = story.server.pid
    singles = ("start", "managerStart", "beforeShutdown", "managerStop", "shutdown")
    assert sorted(names_of(told, *singles)) == sorted(singles)
    before(told, "start", "beforeShutdown", "workerStop", "managerStop", "shutdown")
    before(told, "managerStart", "beforeShutdown")
    before(told, "workerStart", "beforeShutdown")
    assert processes_of(told, "beforeShutdown") == processes_of(told, "shutdown") == [master]
    assert processes_of(told, "managerStart") == processes_of(told, "managerStop")
    (manager,) = processes_of(told, "managerStart")
    assert (manager == master) == (mode == "base")
    assert processes_of(told, "start") == [workers[0] if mode == "base" else master]
    assert sorted(processes_of(told, "workerStop")) == sorted(workers)
    assert {(id, pid) for name, id, pid in told if name == "workerStop"} == set(enumerate(workers))
    no_errors(story)


def test_worker_exit_comes_while_a_worker_waits_for_its_connections(story):
    story = story("base", worker_num=1)
    (worker,) = started(story, 1)
    with story.client() as wire:
        story.server.terminate()
        assert story.wait_event("workerExit")["pid"] == worker
        wire.skip_to_close()
    told = ended(story)
    before(told, "beforeShutdown", "workerExit", "workerStop")


@MODES
def test_who_is_who(story, mode):
    story = story(mode)
    workers = started(story)
    manager = story.wait_event("managerStart")["pid"]
    for worker in range(WORKERS):
        wire, _ = story.client_of(worker)
        seen = result(wire, "properties")
        assert seen["own_pid"] == seen["worker_pid"] == seen["getWorkerPid"] == workers[worker] == wire.pid
        assert seen["worker_id"] == seen["getWorkerId"] == worker
        assert seen["manager_pid"] == seen["getManagerPid"] == manager
        assert seen["master_pid"] == seen["getMasterPid"] == story.server.pid
        assert seen["mode"] == (1 if mode == "base" else 2)


@MODES
def test_start_comes_once(story, mode):
    story = story(mode)
    wire, _ = story.client_of(0)
    tell(wire, "die", signal.SIGKILL)
    story.wait_event("workerStart", 2, id=0)
    os.kill(story.server.pid, signal.SIGUSR1)
    story.wait_event("afterReload")
    story.wait_event("workerStart", 3, id=0)
    assert len(story.events("start")) == len(story.events("managerStart")) == 1


@MODES
def test_one_worker_has_a_manager_and_only_the_master_minds_sigint(story, mode):
    story = story(mode, worker_num=1)
    with story.client() as wire:
        seen = result(wire, "properties")
        assert (seen["manager_pid"] == story.server.pid) == (mode == "base")
        others = {wire.pid, seen["manager_pid"]} - {story.server.pid}
        assert len(others) == (1 if mode == "base" else 2)
        # A terminal sends it to all of them.
        for pid in others:
            os.kill(pid, signal.SIGINT)
        assert ask(wire, "echo", "still here")["pid"] == wire.pid
        assert set(story.server.processes()) == {story.server.pid, *others}
        story.server.terminate(signal.SIGINT)
        wire.expect_close(1001)
    told = ended(story)
    before(told, "beforeShutdown", "workerStop", "managerStop", "shutdown")
    no_errors(story)


# ---- reload ----


@MODES
@pytest.mark.parametrize("how", ["SIGUSR1", "reload"])
def test_a_reload_replaces_all_workers(story, mode, how):
    story = story(mode)
    workers = started(story)
    wires = [story.client() for _ in range(CONNECTIONS)]
    if how == "SIGUSR1":
        os.kill(story.server.pid, signal.SIGUSR1)
    else:
        tell(wires[0], "reload")
        if mode == "process":
            assert b'"result":true' in wires[0].frame().payload
    story.wait_event("afterReload")
    fresh = {event["id"]: event["pid"] for event in story.wait_event("workerStart", 2 * WORKERS)[WORKERS:]}
    assert not set(fresh.values()) & set(workers)
    for wire in wires:
        if mode == "base":
            wire.skip_to_close() if how == "reload" else wire.expect_close(1001)
        else:
            answer = ask(wire, "echo", "kept")
            assert (answer["result"], answer["worker"], answer["pid"]) == ("kept", wire.worker, fresh[wire.worker])
    with story.client() as wire:
        assert wire.pid == fresh[wire.worker]
    story.wait_event("workerStop", WORKERS)
    told = [(event["event"], event.get("id"), event["pid"]) for event in story.events()]
    before(told, "beforeReload", "workerStop")
    before(told, "beforeReload", "afterReload")
    (manager,) = processes_of(told, "managerStart")
    assert processes_of(told, "beforeReload") == processes_of(told, "afterReload") == [manager]
    assert sorted(processes_of(told, "workerStop")) == sorted(workers)
    no_errors(story)


@pytest.mark.parametrize("at_once", [True, False])
def test_one_after_the_other_or_all_at_once(story, at_once):
    story = story("process", reload_async=at_once)
    started(story)
    wire, _ = story.client_of(0)
    tell(wire, "sleep", 1)
    story.wait_event("message", fd=wire.fd)
    os.kill(story.server.pid, signal.SIGUSR1)
    story.wait_event("afterReload")
    stopped = [event["id"] for event in story.events("workerStop")]
    assert stopped == ([1, 0] if at_once else [0, 1])
    assert b'"result":true' in wire.frame().payload
    no_errors(story)


def test_reload_while_a_reload_is_under_way(story):
    story = story("process")
    (wire, _), (other, _) = story.client_of(0), story.client_of(1)
    tell(wire, "sleep", 1)
    story.wait_event("message", fd=wire.fd)
    os.kill(story.server.pid, signal.SIGUSR1)
    story.wait_event("beforeReload")
    answer = ask(other, "reload")
    assert (answer["result"], answer["error"]) == (False, OPERATION_NOT_SUPPORT)
    story.wait_event("afterReload")
    assert ask(other, "reload")["result"] is True
    story.wait_event("afterReload", 2)


def test_task_workers_alone_cannot_be_reloaded(story):
    story = story("process")
    with story.client() as wire:
        answer = ask(wire, "reload", True)
        assert (answer["result"], answer["error"]) == (False, OPERATION_NOT_SUPPORT)
        os.kill(story.server.pid, signal.SIGUSR2)
        assert ask(wire, "echo", "still here")["pid"] == wire.pid
    assert story.events("beforeReload") == []


# ---- stop ----


@MODES
@pytest.mark.parametrize("arguments", [[], [-1], [1]])
def test_a_worker_stops_itself(story, mode, arguments):
    story = story(mode)
    workers = started(story)
    wire, _ = story.client_of(1)
    tell(wire, "stop", *arguments)
    assert b'"result":true' in wire.frame().payload
    assert story.wait_event("workerStop")["pid"] == workers[1]
    fresh = story.wait_event("workerStart", 3)[2]
    assert (fresh["id"], fresh["pid"] != workers[1]) == (1, True)
    if mode == "base":
        wire.expect_close(1001)
    else:
        assert ask(wire, "echo", "kept")["pid"] == fresh["pid"]
    no_errors(story)


@MODES
def test_a_worker_stops_another_one(story, mode):
    story = story(mode)
    workers = started(story)
    wire, _ = story.client_of(0)
    assert result(wire, "stop", 1) is True
    assert story.wait_event("workerStop")["pid"] == workers[1]
    fresh = story.wait_event("workerStart", 3)[2]
    assert (fresh["id"], fresh["pid"] != workers[1]) == (1, True)
    assert ask(wire, "echo", "not me")["pid"] == workers[0]
    answer = ask(wire, "stop", WORKERS)
    assert answer["result"] is False and "worker_id" in answer["warnings"][0]
    no_errors(story)


def test_what_a_worker_sends_before_it_stops_comes_before_its_successor(story):
    story = story("process", worker_num=1, socket_buffer_size=64 << 20)
    large, count, numbers = "x" * (1 << 20), 16, list(range(20))
    for _ in range(5):
        with story.client() as wire:
            # More than a ring holds: it waits in the worker that stops.
            tell(wire, "repeat", wire.fd, large, count)
            tell(wire, "stop")
            for number in numbers:
                tell(wire, "echo", number)
            assert [wire.message() == large for _ in range(count)] == [True] * count
            answers = [json.loads(wire.message()) for _ in range(2 + len(numbers))]
            assert [answer["result"] for answer in answers] == [True, True, *numbers]
            assert answers[1]["pid"] == wire.pid != answers[2]["pid"]
    no_errors(story)


# ---- max_request ----


@pytest.mark.parametrize("clients", [1, 3])
def test_max_request_replaces_after_exactly_so_many(story, clients):
    most, workers = 7, 4
    story = story("process", worker_num=1, max_request=most, max_request_grace=0)
    wires = [story.client() for _ in range(clients)]
    for number in range(workers * most):
        answer = ask(wires[number % clients], "echo", number)
        assert answer["result"] == number
    story.wait_event("workerStop", workers)
    stops = [event["pid"] for event in story.events("workerStop")]
    assert len(set(stops)) == len(stops)
    counts = [len(story.events("message", pid=pid)) + len(story.events("open", pid=pid)) for pid in stops]
    assert counts == [most] * len(stops), counts
    no_errors(story)


def test_max_request_when_many_are_under_way(story):
    most, messages = 5, 12 * 5
    story = story("process", worker_num=1, max_request=most, max_request_grace=0)
    with story.client() as wire:
        for number in range(messages):
            tell(wire, "echo", number)
        assert [json.loads(wire.message())["result"] for _ in range(messages)] == list(range(messages))
    stops = [event["pid"] for event in story.wait_event("workerStop", messages // most)]
    counts = [len(story.events("message", pid=pid)) + len(story.events("open", pid=pid)) for pid in stops]
    assert set(counts) == {most}, counts
    no_errors(story)


def test_max_request_counts_requests_in_base(story):
    most = 5
    story = story("base", worker_num=1, max_request=most, max_request_grace=0)
    for number in range(most):
        with Wire(story.port) as wire:
            assert wire.get("/").status == 200
    old = story.wait_event("workerStop")["pid"]
    assert len(story.events("request", pid=old)) == most
    story.wait_event("workerStart", 2)
    with Wire(story.port) as wire:
        assert wire.get("/").json()["pid"] != old
    no_errors(story)
