"""Tasks: what is left to task workers is done once, comes back as it was sent, and what is lost with one is reported."""

import json
import os
import signal

import pytest

from conftest import TESTS
from server import process_status, tcp_sockets, wait_until
from wire import open_websocket

MODES = pytest.mark.parametrize("mode", ["base", "process"])
# In coroutines: the callbacks of workers, and those of task workers.
COROUTINES = pytest.mark.parametrize(
    "coroutines", [(False, False), (True, False), (True, True)], ids=["plain", "workers", "all"]
)
MIB = 1 << 20
# Error numbers.
TIMED_OUT, NOT_DONE = 2003, 2002
# The longest that a test waits for a result that does come.
PATIENCE = 10


class Crew:
    """The server, what it has printed, and clients that tell its workers what to do."""

    def __init__(self, php_server, mode, coroutines=(True, False), wait=True, **config):
        options = {"enable_coroutine": coroutines[0], "task_enable_coroutine": coroutines[1], **config.pop("set", {})}
        config = json.dumps({"mode": mode, "set": options, **config})
        self.server = php_server(TESTS / "php/tasks.php", "PORT", config, wait=wait)
        self.mode, self.port = mode, self.server.port
        self.wires = []

    def hang_up(self):
        """So that the server need not wait for this side when it ends."""
        for wire in self.wires:
            wire.socket.close()

    def client(self, worker=None):
        """A client of this worker, or of any: with the attributes `fd`, `worker` and `pid`."""
        count = 0
        while True:
            wire = open_websocket(self.port, timeout=30)
            self.wires.append(wire)
            greeting = json.loads(wire.message())
            wire.fd, wire.worker, wire.pid = greeting["fd"], greeting["worker"], greeting["pid"]
            if worker in (None, wire.worker):
                return wire
            count += 1
            assert count < 200, f"worker {worker} greets nobody"

    def events(self, *names, **fields):
        """What was printed so far, in order."""
        told = self.server.events()
        return [event for event in told if (not names or event["event"] in names) and event.items() >= fields.items()]

    def wait_events(self, name, count, seconds=PATIENCE, **fields):
        return wait_until(
            lambda: len(some := self.events(name, **fields)) >= count and some,
            f"{count} events {name} {fields}",
            seconds,
        )

    def wait_event(self, name, **fields):
        return self.wait_events(name, 1, **fields)[0]

    def task_worker(self):
        """The process id of the task worker that began last."""
        return self.wait_events("workerStart", 1, task=True)[-1]["pid"]

    def stop(self):
        """The server ends in order."""
        self.hang_up()
        self.server.terminate()
        assert self.server.wait_exit() == 0
        wait_until(lambda: self.server.remaining() == [], "the end of all processes")


@pytest.fixture
def crew(php_server):
    started = []

    def start(mode, *arguments, **config):
        started.append(Crew(php_server, mode, *arguments, **config))
        return started[-1]

    yield start
    for crew in started:
        crew.hang_up()


def tell(wire, *wish):
    """Asks for a call, whose answer comes later or never."""
    return wire.text(json.dumps(wish))


def answer(wire):
    return json.loads(wire.message())


def ask(wire, *wish):
    """{"result" or "thrown", "error", "warnings", "worker", "pid"} of a call."""
    tell(wire, *wish)
    return answer(wire)


def result(wire, *wish):
    """The result of a call that neither throws nor warns."""
    seen = ask(wire, *wish)
    assert seen["warnings"] == [] and "thrown" not in seen, seen
    return seen["result"]


def refused(wire, *wish):
    """The only warning of a call that has no effect."""
    seen = ask(wire, *wish)
    assert "thrown" not in seen and seen["result"] is False and len(seen["warnings"]) == 1, seen
    return seen["warnings"][0]


def numbers_done(crew):
    return [event["number"] for event in crew.events("did")]


# ---- what comes back ----


@MODES
@COROUTINES
def test_what_comes_of_a_task(crew, mode, coroutines):
    crew = crew(mode, coroutines)
    wire = crew.client()
    assert result(wire, "task", ["echo", "returned"]) == 0
    assert result(wire, "task", ["nothing"]) == 1
    assert result(wire, "task", ["finish", [1, [2], None], None]) == 2
    assert result(wire, "task", ["finish", ["first"], "last"], 0) == 3
    assert result(wire, "task with callback", ["finish", ["called"], "back"]) == 4
    assert result(wire, "task with callback", ["nothing"]) == 5
    assert result(wire, "taskwait", ["echo", "waited for"], PATIENCE) == "waited for"
    assert result(wire, "taskwait", ["nothing"], PATIENCE) is None
    assert result(wire, "taskwait", ["finish", ["the first counts"], "not this"], PATIENCE) == "the first counts"
    assert result(wire, "task", ["echo", "end"]) == 9
    crew.wait_event("finish", id=9)
    told = [(event["event"], event["id"], event["data"]) for event in crew.events("finish", "callback")]
    assert told == [
        ("finish", 0, "returned"),
        *[("finish", 2, data) for data in (1, [2], None)],
        *[("finish", 3, data) for data in ("first", "last")],
        # A callback of its own is called once: what comes later of its task is for nobody.
        ("callback", 4, "called"),
        ("finish", 9, "end"),
    ]
    tasks = crew.events("task")
    assert [task["id"] for task in tasks] == list(range(10)) and {task["from"] for task in tasks} == {0}
    assert {task["object"] for task in tasks} == {coroutines[1]}
    assert {task["cid"] > 0 for task in tasks} == {coroutines[1]}
    assert {event["cid"] > 0 for event in crew.events("finish")} == {coroutines[0]}
    crew.stop()


@MODES
@COROUTINES
def test_several_tasks_at_once(crew, mode, coroutines):
    crew = crew(mode, coroutines, set={"task_worker_num": 2})
    wire = crew.client()
    assert result(wire, "multi") == {"k": "a", "7": "b", "nothing": None}
    many = [["echo", number] for number in range(1023)]
    assert result(wire, "taskWaitMulti", many, PATIENCE) == list(range(1023))
    assert "too many concurrent tasks" in refused(wire, "too many")
    assert result(wire, "taskWaitMulti", []) == []
    late = [["echo", "in time"], ["until", "released"]]
    expected = ["in time", False] if coroutines[0] else ["in time"]
    assert result(wire, "taskWaitMulti", late, 0.3) == expected
    if coroutines[0]:
        late = {"x": ["echo", "in time"], "y": ["until", "released"]}
        assert result(wire, "taskCo", late, 0.3) == {"x": "in time", "y": False}
    else:
        assert "thrown" in (seen := ask(wire, "taskCo", [["nothing"]])), seen
    release(crew)
    assert result(wire, "taskWaitMulti", [["echo", 1]], PATIENCE) == [1]


def release(crew, name="released"):
    """Lets go on whoever waits for this file."""
    (directory(crew) / name).touch()


def directory(crew):
    return crew.server._files[0].parent


@MODES
def test_what_does_not_come_in_time(crew, mode):
    for coroutines in [(False, False), (True, False)]:
        this = crew(mode, coroutines)
        wire = this.client()
        name = f"released {coroutines[0]}"
        seen = ask(wire, "taskwait", ["until", name], 0.1)
        assert (seen["result"], seen["error"], seen["warnings"]) == (False, TIMED_OUT, [])
        release(this, name)
        # Nobody hears of it any more.
        assert result(wire, "taskwait", ["echo", 1], PATIENCE) == 1
        assert this.events("finish") == []
        this.stop()


@MODES
@COROUTINES
def test_every_value_comes_back_as_it_was(crew, mode, coroutines):
    crew = crew(mode, coroutines)
    wire = crew.client()
    assert result(wire, "values") == []
    assert result(wire, "bare values") == []
    sizes = [0, 1, 7, 8, 4095, 4096, 65535, 65536, 200_000, MIB - 1, MIB, MIB + 1, 3 * MIB, 8 * MIB - 100, 8 * MIB]
    assert result(wire, "sizes", sizes) == []


@MODES
@COROUTINES
def test_what_cannot_be_serialized_is_thrown_at_its_sender(crew, mode, coroutines):
    crew = crew(mode, coroutines)
    wire = crew.client()
    task_worker = crew.task_worker()
    for call in [("closure", "task"), ("closure", "taskwait", 1), ("closures", "taskWaitMulti")]:
        kind, message = ask(wire, *call)["thrown"]
        assert kind == "Exception" and "Closure" in message
    for method in ("task", "taskwait"):
        assert ask(wire, "refuses", method)["thrown"] == ["LogicException", "not to be sent"]
    assert crew.task_worker() == task_worker and ask(wire, "echo", 1)["pid"] == wire.pid


UNREAD = r"what process {} has sent cannot be read, and is dropped: LogicException: not to be read in .*tasks\.php:\d+"


def lost_once(wire, *wish):
    """The warning of a call that returns false at once, with error 2002."""
    seen = ask(wire, *wish)
    assert (seen["result"], seen["error"], len(seen["warnings"])) == (False, NOT_DONE, 1), seen
    return seen["warnings"][0]


@MODES
@COROUTINES
def test_what_cannot_be_read_is_lost(crew, mode, coroutines):
    crew = crew(mode, coroutines)
    wire = crew.client()
    # The task itself.
    assert "its task worker could not read it" in lost_once(wire, "unreadable", "taskwait", PATIENCE)
    crew.server.wait_output(UNREAD.format(0))
    crew.server.wait_output("task 0 is lost: task worker 1 could not read it")
    assert result(wire, "unreadables", "taskWaitMulti") == [False, 1]
    if coroutines[0]:
        assert result(wire, "unreadables", "taskCo") == [False, 1]
    assert result(wire, "unreadable with callback") > 0
    assert result(wire, "unreadable", "task") > 0
    # What comes of it.
    for verb in ("unreadable", "finish unreadable"):
        warning = lost_once(wire, "taskwait", [verb], PATIENCE)
        assert "its task worker has sent what cannot be read" in warning
        assert result(wire, "taskWaitMulti", [[verb], ["echo", 2]], PATIENCE) == [False, 2]
        assert result(wire, "task with callback", ["unreadable"]) > 0
    crew.server.wait_output(UNREAD.format(1))
    assert result(wire, "task", ["finish unreadable"]) > 0
    assert crew.wait_event("finish")["data"] == "later"
    # Messages, either way.
    assert result(wire, "unreadable", "sendMessage", 1) is True
    assert result(wire, "taskwait", ["unreadable message", 0], PATIENCE) is True
    assert result(wire, "taskwait", ["echo", 1], PATIENCE) == 1
    assert crew.events("message") == [] == crew.events("callback") and len(crew.events("finish")) == 1
    # All of them live, and end as if nothing had been.
    started = crew.events("workerStart")
    assert len(started) == 2
    crew.server.process.send_signal(signal.SIGUSR1)
    crew.wait_event("afterReload")
    crew.wait_events("workerStart", 4)
    crew.stop()
    output = crew.server.output
    assert "Uncaught" not in output and "exited with code" not in output and crew.events("workerError") == []


@MODES
@COROUTINES
def test_a_task_that_returns_what_cannot_be_serialized(crew, mode, coroutines):
    crew = crew(mode, coroutines)
    wire = crew.client()
    task_worker = crew.task_worker()
    seen = ask(wire, "taskwait", ["closure"], PATIENCE)
    assert (seen["result"], seen["error"]) == (False, NOT_DONE), seen
    assert crew.wait_event("workerError")["of"] == task_worker
    crew.server.wait_output("Serialization of 'Closure' is not allowed")
    assert result(wire, "taskwait", ["echo", 1], PATIENCE) == 1


# ---- which task worker ----


@MODES
def test_which_task_worker_does_it(crew, mode):
    crew = crew(mode, set={"worker_num": 2, "task_worker_num": 3})
    wire = crew.client(1)
    for number in (0, 2, 1, 1):
        assert result(wire, "taskwait", ["property"], PATIENCE, number) == [2 + number, True, True]
    for number in (3, 100, -2):
        assert f"worker_id[{number}] is invalid" in refused(wire, "task", "x", number)
        assert f"worker_id[{number}] is invalid" in refused(wire, "taskwait", "x", 1, number)
    assert {task["from"] for task in crew.events("task")} == {1}


@MODES
def test_tasks_go_to_whoever_is_idle(crew, mode):
    crew = crew(mode, set={"task_worker_num": 3})
    wire = crew.client()
    crew.wait_events("workerStart", 3, task=True)
    assert result(wire, "task", ["until", "released"], 1) == 0
    crew.wait_event("task")
    assert result(wire, "task", ["until", "released"]) == 1
    crew.wait_events("task", 2)
    # One is left, and does all of them.
    for number in range(20):
        assert result(wire, "taskwait", ["echo", number], PATIENCE) == number
    busy = {task["worker"] for task in crew.events("task", verb="until")}
    assert len(busy) == 2 and {task["worker"] for task in crew.events("task", verb="echo")} == {1, 2, 3} - busy
    stats = result(wire, "stats")
    assert {key: value for key, value in stats.items() if "task" in key} == {
        "task_worker_num": 3,
        "task_idle_worker_num": 1,
        "tasking_num": 2,
        "task_count": 22,
    }
    release(crew)
    crew.wait_events("finish", 2)
    wait_until(lambda: result(wire, "stats")["tasking_num"] == 0, "the end of all tasks")


@MODES
def test_without_task_workers(crew, mode):
    crew = crew(mode, set={"task_worker_num": 0})
    wire = crew.client()
    for call in [("task", 1), ("taskwait", 1), ("taskWaitMulti", [1]), ("taskCo", [1])]:
        assert "can't be executed without task worker" in refused(wire, *call)


@MODES
@COROUTINES
def test_what_a_task_worker_must_not_do(crew, mode, coroutines):
    crew = crew(mode, coroutines)
    wire = crew.client()
    for method, arguments in [("task", [1]), ("taskwait", [1]), ("taskWaitMulti", [[1]]), ("taskCo", [[1]])]:
        seen = result(wire, "taskwait", ["observe", method, arguments], PATIENCE)
        if method == "taskCo" and not coroutines[1]:
            assert seen["thrown"][0] == "Swoole\\Error", seen
            continue
        assert seen["result"] is False and "can be executed" in seen["warnings"][0], seen
    assert "in the task callback only" in refused(wire, "finish", 1)


# ---- objects ----


@MODES
@pytest.mark.parametrize("option", ["task_object", "task_use_object", "event_object"])
def test_tasks_as_objects(crew, mode, option):
    crew = crew(mode, set={option: True})
    wire = crew.client()
    assert result(wire, "taskwait", ["finish", ["by the object"], None], PATIENCE) == "by the object"
    assert result(wire, "task", ["echo", 5]) == 1
    finish = crew.wait_event("finish")
    assert (finish["id"], finish["data"], finish.get("by")) == (1, 5, 1 if option == "event_object" else None)
    tasks = crew.events("task")
    assert all(task["object"] and task["fresh"] and task["from"] == 0 for task in tasks)
    assert [task["id"] for task in tasks] == [0, 1]
    assert result(wire, "sendMessage", ["x"], 1) is True
    assert crew.wait_event("message")["object"] == (option == "event_object")
    os.kill(crew.task_worker(), signal.SIGKILL)
    assert crew.wait_event("workerError").items() >= {"id": 1, "code": 0, "signal": 9}.items()


@MODES
def test_tasks_in_coroutines_do_not_wait_for_each_other(crew, mode):
    crew = crew(mode, (True, True))
    wire = crew.client()
    assert result(wire, "task", ["until", "released"]) == 0
    crew.wait_event("task")
    assert result(wire, "taskwait", ["echo", "meanwhile"], PATIENCE) == "meanwhile"
    release(crew)
    crew.wait_event("finish", id=0)


def task_later(crew, wire, *later):
    """A task whose object is held when its callback returns; it waits for the file `released`."""
    tell(wire, "taskwait", ["later", *later], PATIENCE)
    crew.wait_event("task", verb="later")


HOLDERS = [("all", "go"), ("all", "go after"), ("all", "defer"), ("all", "timer"), ("plain", "timer")]


@MODES
@pytest.mark.parametrize("kind, how", HOLDERS, ids=lambda value: value)
def test_a_task_without_a_value_is_over_when_its_object_is_gone(crew, mode, kind, how):
    """In coroutines, and with objects alone: whoever holds the object can answer."""
    in_coroutines = kind == "all"
    crew = crew(mode, (True, in_coroutines), set={"task_use_object": True})
    wire = crew.client()
    task_worker = crew.task_worker()
    wait = "released" if in_coroutines else None
    tell(wire, "taskwait", ["later", how, wait, "late"], PATIENCE)
    crew.wait_event("task")
    if in_coroutines:
        # Others are done meanwhile, and it counts as one that is under way.
        other = crew.client()
        assert result(other, "taskwait", ["echo", "meanwhile"], PATIENCE) == "meanwhile"
        assert result(other, "stats")["tasking_num"] == 1
    release(crew)
    seen = answer(wire)
    assert (seen.get("result"), seen["warnings"]) == ("late", []), seen
    assert result(wire, "taskWaitMulti", [["later", how, None, "b"], ["echo", "c"]], PATIENCE) == ["b", "c"]
    assert result(wire, "task with callback", ["later", how, None, "called"]) > 0
    assert crew.wait_event("callback")["data"] == "called"
    assert result(wire, "task", ["later", how, None, "told"]) > 0
    assert crew.wait_event("finish")["data"] == "told"
    assert [event["result"] for event in crew.wait_events("answered", 4)] == [True] * 4
    # Nobody answers: it is over all the same.
    assert result(wire, "taskwait", ["later", how, None, "nothing"], PATIENCE) is None
    # Its callback has answered: nobody else can.
    assert result(wire, "taskwait", ["later", "timer", None, "too late", "at once"], PATIENCE) == "at once"
    last = crew.wait_events("answered", 5)[-1]
    assert last["result"] is False and len(last["warnings"]) == 1 and "this task is over" in last["warnings"][0]
    wait_until(lambda: result(wire, "stats")["tasking_num"] == 0, "the end of all tasks")
    assert crew.task_worker() == task_worker and len(crew.events("finish")) == 1
    crew.stop()


@MODES
@pytest.mark.parametrize("how", ["USR2", "task_max_request"])
def test_a_reload_waits_for_who_holds_a_task(crew, mode, how):
    limit = {"task_max_request": 1, "task_max_request_grace": 0} if how == "task_max_request" else {}
    crew = crew(mode, (True, True), set={"max_wait_time": 30, **limit})
    wire = crew.client()
    task_later(crew, wire, "go", "released", "late")
    if not limit:
        crew.server.process.send_signal(signal.SIGUSR2)
    crew.wait_events("workerStart", 2, task=True)
    release(crew)
    assert answer(wire)["result"] == "late"
    assert "is lost" not in crew.server.output and "forced" not in crew.server.output
    assert crew.events("workerError") == []
    crew.stop()


@MODES
@pytest.mark.parametrize("end", ["kill", "late", "throw", "exit"])
def test_a_task_is_lost_with_who_holds_it(crew, mode, end):
    crew = crew(mode, (True, True), set={"max_wait_time": 1})
    wire = crew.client()
    task_worker = crew.task_worker()
    task_later(crew, wire, "go", "released", end if end in ("throw", "exit") else "nothing")
    if end == "kill":
        os.kill(task_worker, signal.SIGKILL)
    elif end == "late":
        crew.server.process.send_signal(signal.SIGUSR2)
    else:
        release(crew)
    seen = answer(wire)
    assert (seen["result"], seen["error"], len(seen["warnings"])) == (False, NOT_DONE, 1), seen
    crew.server.wait_output("task 0 is lost: task worker 1 has died while it did it")
    if end == "late":
        assert crew.events("workerError") == []
    else:
        crew.wait_event("workerError")
    assert result(wire, "taskwait", ["echo", 1], PATIENCE) == 1


# ---- task workers that end ----

ENDS = [("exit", 3), ("throw",), ("fatal",), ("kill",), ("memory",)]


@MODES
@COROUTINES
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end[0])
def test_a_task_worker_that_dies_loses_the_task_it_was_at(crew, mode, coroutines, end):
    crew = crew(mode, coroutines)
    wire = crew.client()
    before = crew.task_worker()
    seen = ask(wire, "taskwait", list(end), PATIENCE)
    assert (seen["result"], seen["error"], len(seen["warnings"])) == (False, NOT_DONE, 1), seen
    assert "the task is lost" in seen["warnings"][0]
    error = crew.wait_event("workerError")
    assert (error["id"], error["of"]) == (1, before)
    assert (error["code"], error["signal"]) == {"exit": (3, 0), "kill": (0, 9)}.get(end[0], (255, 0))
    crew.server.wait_output(r"task 0 is lost: task worker 1 has died while it did it")
    assert result(wire, "taskwait", ["echo", "by the successor"], PATIENCE) == "by the successor"
    # Several, one of which ends it, and one that nobody waits for.
    assert result(wire, "task", list(end)) == 2
    crew.server.wait_output("task 2 is lost")
    assert result(wire, "taskwait", ["echo", 1], PATIENCE) == 1
    assert crew.events("finish") == []
    crew.stop()


@MODES
@pytest.mark.parametrize("end", ["kill", "exit", "throw"])
def test_what_a_dead_task_worker_had_not_begun_is_done_once_by_its_successor(crew, mode, end):
    crew = crew(mode, set={"worker_num": 2})
    wires = [crew.client(0), crew.client(1)]
    assert result(wires[0], "task", ["until", "released"]) == 0
    crew.wait_event("task")
    assert result(wires[0], "task", [end, 1]) == 1
    ranges = [(0, 150), (1000, 1150)]
    for wire, (first, last) in zip(wires, ranges):
        result(wire, "tasks", "note", first, last)
    release(crew)
    expected = {number for first, last in ranges for number in range(first, last + 1)}
    wait_until(lambda: len(numbers_done(crew)) >= len(expected), "all tasks")
    crew.wait_events("finish", len(expected) + 1)
    assert sorted(numbers_done(crew)) == sorted(expected)
    # Each sender's in order, and each heard of by its sender alone.
    for worker, (first, last) in enumerate(ranges):
        mine = [number for number in numbers_done(crew) if first <= number <= last]
        assert mine == sorted(mine)
        told = [event["data"] for event in crew.events("finish", worker=worker) if isinstance(event["data"], int)]
        assert told == mine
    assert len(crew.events("workerError")) == 1
    assert "task 1 is lost" in crew.server.output and crew.server.output.count("is lost") == 1


@MODES
def test_a_task_worker_that_is_killed_again_and_again(crew, mode):
    crew = crew(mode, set={"worker_num": 2, "task_worker_num": 2})
    wires = [crew.client(0), crew.client(1)]
    count, kills = 400, 0
    for worker, wire in enumerate(wires):
        result(wire, "tasks", "slowly", worker * 1000, worker * 1000 + count - 1)
    while len(numbers_done(crew)) < 2 * count * 0.8 and kills < 8:
        done = len(numbers_done(crew))
        starts = crew.events("workerStart", task=True)
        os.kill(max((start for start in starts if process_status(start["pid"])), key=starts.index)["pid"], signal.SIGKILL)
        kills += 1
        crew.wait_events("workerError", kills)
        wait_until(lambda: len(numbers_done(crew)) > done + 20, "more tasks")
    lost = lambda: crew.server.output.count("is lost")
    # Done, but not said: a task may be both done and lost.
    wait_until(lambda: len(crew.events("finish")) + lost() >= 2 * count, "all tasks")
    told = [(event["worker"], event["data"]) for event in crew.events("finish")]
    assert len(set(told)) == len(told) == 2 * count - lost() and lost() <= kills
    assert len(numbers_done(crew)) == len(set(numbers_done(crew))) >= 2 * count - lost()


@MODES
def test_task_max_request(crew, mode):
    crew = crew(mode, set={"task_max_request": 10, "task_max_request_grace": 0, "worker_num": 2})
    wires = [crew.client(0), crew.client(1)]
    for worker, wire in enumerate(wires):
        result(wire, "tasks", "note", worker * 1000, worker * 1000 + 99)
    crew.wait_events("finish", 200)
    assert len(crew.events("finish")) == 200
    assert sorted(numbers_done(crew)) == [*range(100), *range(1000, 1100)]
    by_pid = {}
    for event in crew.events("did"):
        by_pid[event["pid"]] = by_pid.get(event["pid"], 0) + 1
    assert len(by_pid) >= 10 and max(by_pid.values()) <= 20
    assert crew.events("workerError") == []


# ---- reload and shutdown ----


@MODES
@pytest.mark.parametrize("how", ["USR2", "USR1", "reload", "reload tasks"])
def test_a_reload_loses_no_task(crew, mode, how):
    crew = crew(mode, set={"worker_num": 2, "task_worker_num": 2})
    wires = [crew.client(0), crew.client(1)]
    only_tasks = how in ("USR2", "reload tasks")
    before = crew.wait_events("workerStart", 4)
    for worker, wire in enumerate(wires):
        result(wire, "tasks", "slowly", worker * 1000, worker * 1000 + 149)
    crew.wait_events("did", 20)
    if how.startswith("USR"):
        crew.server.process.send_signal(getattr(signal, f"SIG{how}"))
    else:
        assert result(wires[0], "reload", only_tasks) is True
    crew.wait_event("afterReload")
    wait_until(lambda: len(numbers_done(crew)) >= 300, "all tasks")
    crew.wait_events("finish", 300)
    assert sorted(numbers_done(crew)) == [*range(150), *range(1000, 1150)] and len(crew.events("finish")) == 300
    after = crew.events("workerStart")[4:]
    assert sorted(event["id"] for event in after) == ([2, 3] if only_tasks else [0, 1, 2, 3])
    assert crew.events("workerError") == [] and len({event["pid"] for event in before + after}) == 4 + len(after)
    assert "is lost" not in crew.server.output
    if mode == "process" or only_tasks:
        assert result(wires[1], "taskwait", ["echo", 1], PATIENCE) == 1


@MODES
def test_reloading_task_workers_where_there_are_none(crew, mode):
    crew = crew(mode, set={"task_worker_num": 0})
    wire = crew.client()
    seen = ask(wire, "reload", True)
    assert (seen["result"], seen["error"]) == (False, 507)


@MODES
@COROUTINES
def test_a_shutdown_waits_for_a_task(crew, mode, coroutines):
    crew = crew(mode, coroutines)
    wire = crew.client()
    tell(wire, "taskwait", ["until", "released"], PATIENCE)
    crew.wait_event("task")
    crew.server.terminate()
    wait_until(lambda: refuses_connections(crew.port), "the listener to be shut")
    release(crew)
    assert answer(wire)["result"] == "released"
    crew.hang_up()
    assert crew.server.wait_exit() == 0
    wait_until(lambda: crew.server.remaining() == [], "the end of all processes")
    assert crew.server.output.count("forced") == 0 and crew.server.output.count("killed") == 0
    assert len(crew.events("workerStop")) == 2


@MODES
def test_a_worker_ends_though_it_waits_for_a_task(crew, mode):
    crew = crew(mode, set={"max_wait_time": 1})
    wire = crew.client()
    result(wire, "task with callback", ["until", "released"])
    crew.wait_event("task")
    tell(wire, "stop")
    crew.wait_events("workerStart", 2, id=0)
    wait_until(lambda: process_status(wire.pid) is None, "the worker's end")
    release(crew)
    # What was to be called is released with PHP still there.
    crew.stop()
    assert crew.server.output.count("forced termination") == 1
    assert crew.events("workerError") == [] and crew.events("callback") == []


def refuses_connections(port):
    return not tcp_sockets(port, "0A")


# ---- connections ----


@MODES
@COROUTINES
def test_a_task_worker_reaches_connections(crew, mode, coroutines):
    crew = crew(mode, coroutines, set={"worker_num": 2})
    wires = [crew.client(0), crew.client(1)]
    for wire in wires:
        text = json.dumps(f"from a task worker to {wire.fd}")
        tell(wires[0], "task", ["observe", "push", [wire.fd, text]])
        # The worker's answer and the task worker's push come in no particular order.
        came = [wires[0].message(), wire.message()]
        assert text in came and json.loads(came[came[0] == text])["result"] >= 0
    assert result(wires[0], "task", ["observe", "disconnect", [wires[1].fd, 4000, "bye"]]) >= 0
    wires[1].expect_close(4000, b"bye")
    crew.wait_event("close", fd=wires[1].fd)
    assert all(event["data"]["result"] is True for event in crew.wait_events("finish", 3))
    tell(wires[0], "task", ["observe", "close", [wires[0].fd]])
    wires[0].until_closed()
    crew.wait_event("close", fd=wires[0].fd)


# ---- limits ----


@MODES
def test_a_full_queue_says_no(crew, mode):
    crew = crew(mode, set={"socket_buffer_size": 128 << 10})
    wire = crew.client()
    assert result(wire, "task", ["until", "released"]) == 0
    crew.wait_event("task")
    seen = ask(wire, "fill", 10_000, 20_000)
    sent = seen["result"]
    assert 10 < sent < 1000 and len(seen["warnings"]) == 1 and "the task is not sent" in seen["warnings"][0]
    assert ask(wire, "taskwait", "x" * 100_000, 1)["result"] is False
    release(crew)
    crew.wait_events("finish", sent + 1)
    assert numbers_done(crew) == list(range(sent))
    assert result(wire, "taskwait", ["echo", "room"], PATIENCE) == "room"


# ---- messages ----


def data_of(crew, **fields):
    return [event["data"][1] for event in crew.events("message", **fields) if event["data"]]


@MODES
@COROUTINES
def test_messages_between_workers_and_task_workers(crew, mode, coroutines):
    crew = crew(mode, coroutines, set={"worker_num": 2})
    wire = crew.client(0)
    for to in (1, 2):
        assert set(result(wire, "message values", to)) == {True}
        values = crew.wait_events("message", 24, worker=to)
        assert [event["same"] for event in values] == [True] * 24 and {event["from"] for event in values} == {0}
    assert set(result(wire, "taskwait", ["message values", 1], PATIENCE)) == {True}
    values = crew.wait_events("message", 48, worker=1)[24:]
    assert [event["same"] for event in values] == [True] * 24 and {event["from"] for event in values} == {2}
    # In order, however many.
    for sender, to in [(0, 1), (2, 0), (0, 2)]:
        wish = ["messages", to, 0, 499]
        sent = result(wire, *wish) if sender == 0 else result(wire, "taskwait", wish, PATIENCE)
        assert sent == [True] * 500
        wait_until(lambda: len(data_of(crew, worker=to)) >= 500, "all messages")
        assert data_of(crew, worker=to, **{"from": sender}) == list(range(500))


@MODES
def test_messages_that_cannot_be_sent(crew, mode):
    crew = crew(mode)
    wire = crew.client()
    assert "unable to send message to self" in refused(wire, "sendMessage", "x", 0)
    for number in (2, 99, -1):
        assert f"worker_id[{number}] is invalid" in refused(wire, "sendMessage", "x", number)
    assert "Closure" in ask(wire, "closure", "sendMessage", 1)["thrown"][1]
    assert ask(wire, "refuses", "sendMessage", 1)["thrown"] == ["LogicException", "not to be sent"]
    seen = result(wire, "taskwait", ["observe", "sendMessage", ["x", 1]], PATIENCE)
    assert seen["result"] is False and "to self" in seen["warnings"][0]
    # Nothing of that came, and what cannot be read is dropped.
    assert result(wire, "unreadable", "sendMessage", 1) is True
    assert result(wire, "sendMessage", "last", 1) is True
    assert crew.wait_event("message")["length"] == len("last")
    crew.server.wait_output("not to be read")


@MODES
def test_messages_without_a_callback(crew, mode):
    crew = crew(mode, without=["pipeMessage"])
    assert "onPipeMessage" in refused(crew.client(), "sendMessage", "x", 1)


@MODES
@pytest.mark.parametrize("to", [1, 2], ids=["worker", "task worker"])
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_messages_while_their_receiver_is_replaced(crew, mode, to, how):
    crew = crew(mode, set={"worker_num": 2})
    wire = crew.client(0)
    before = crew.wait_event("workerStart", id=to)["pid"]
    assert result(wire, "sendMessage", ["until", "released"], to) is True
    crew.wait_event("message")
    assert result(wire, "messages", to, 0, 199) == [True] * 200
    if how == "kill":
        os.kill(before, signal.SIGKILL)
    else:
        os.kill(before, signal.SIGTERM)
        release(crew)
    assert result(wire, "messages", to, 200, 399) == [True] * 200
    crew.wait_events("workerStart", 2, id=to)
    # A worker goes on while its callback waits: what it had begun with when it is killed is lost.
    expected = set(range(200 if (how, to) == ("kill", 1) else 0, 400))
    wait_until(lambda: expected <= set(data_of(crew)[1:]), "all messages")
    numbers = data_of(crew)[1:]
    assert len(set(numbers)) == len(numbers)
    for pid in {event["pid"] for event in crew.events("message")}:
        mine = data_of(crew, pid=pid)
        mine = mine[1:] if mine[0] == "released" else mine
        assert mine == sorted(mine)


# ---- processes of the script's own ----


@MODES
@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_process_of_its_own_that_ends_begins_again(crew, mode, how):
    crew = crew(mode, processes=[["until", "released"], ["for ever"]])
    assert [event["id"] for event in crew.events("added")] == [0, 1]
    started = crew.wait_events("process", 2)
    assert {event["id"] for event in started} == {0, 1} and all(event["pid_too"] for event in started)
    victim = next(event["pid"] for event in started if event["id"] == 0)
    if how == "kill":
        os.kill(victim, signal.SIGKILL)
        crew.server.wait_output(rf"user process 0 \(pid {victim}\) was killed by signal 9")
    else:
        release(crew)
        crew.wait_event("process ends", pid=victim)
    assert crew.wait_events("process", 2, id=0)[1]["pid"] != victim
    assert crew.events("workerError") == [] and len(crew.events("process", id=1)) == 1
    crew.stop()


@pytest.mark.parametrize("wish, code", [(["end"], 0), (["exit", 7], 7), (["throw"], 255)], ids=["end", "exit", "throw"])
def test_a_process_of_its_own_in_a_crash_loop(crew, wish, code):
    crew = crew("process", processes=[wish])
    for pause in (100, 200, 400):
        crew.server.wait_output(rf"user process 0 \(pid \d+\) exited with code {code}, another starts in {pause} ms")
    crew.wait_events("process", 3)
    assert result(crew.client(), "echo", 1) == 1
    crew.stop()


@MODES
def test_a_reload_leaves_processes_of_its_own_alone(crew, mode):
    crew = crew(mode, processes=[["for ever"], ["loop", "released"]])
    crew.wait_events("process", 2)
    for count in range(1, 3):
        crew.server.process.send_signal(signal.SIGUSR1)
        crew.wait_events("afterReload", count)
    assert len(crew.events("process")) == 2 and crew.events("process ends") == []
    assert len(crew.wait_events("workerStart", 6)) == 6
    crew.stop()
    assert "killed" not in crew.server.output and "did not end" not in crew.server.output


@MODES
@pytest.mark.parametrize("kind", ["loop", "coroutine"])
def test_a_process_of_its_own_with_a_loop(crew, mode, kind):
    crew = crew(mode, processes=[[kind, "told"]])
    wire = crew.client()
    pid = crew.wait_event("hears")["pid"]
    os.kill(pid, signal.SIGUSR1)
    assert crew.wait_event("signal")["signal"] == signal.SIGUSR1
    assert json.loads(wire.message()) == f"signal {int(signal.SIGUSR1)}"
    crew.server.process.send_signal(signal.SIGUSR1)
    crew.wait_event("afterReload")
    assert len(crew.events("signal")) == 1
    crew.stop()
    # It was told so, and came to its end.
    crew.wait_event("process ends", pid=pid)
    assert "killed" not in crew.server.output


@MODES
def test_what_a_process_of_its_own_sends(crew, mode):
    crew = crew(mode, set={"worker_num": 2}, processes=[["does", *[["sendMessage", ["from", "a process"], to] for to in
                (0, 1, 2)], ["sendMessage", "x", 3], ["task", ["note", 5]], ["taskwait", 1], ["message values", 0]]])
    does = crew.wait_events("did", 8)
    by_verb = [event for event in does if "wish" in event]
    assert [event["result"] for event in by_verb[:3]] == [True] * 3
    assert by_verb[3]["result"] is False and "worker_id[3] is invalid" in by_verb[3]["warnings"][0]
    assert by_verb[4]["result"] == 0 and by_verb[4]["warnings"] == []
    assert by_verb[5]["result"] is False and len(by_verb[5]["warnings"]) == 1
    for to in (0, 1, 2):
        assert crew.wait_event("message", worker=to)["from"] == 3
    crew.wait_event("did", number=5)
    same = crew.wait_events("message", 25, worker=0)[1:]
    assert [event["same"] for event in same] == [True] * 24


@MODES
@pytest.mark.parametrize("process", [["messages for ever", 0], ["one message", 0]], ids=lambda wish: wish[0])
def test_workers_are_replaced_though_a_process_of_its_own_never_waits(crew, mode, process):
    crew = crew(mode, processes=[process])
    crew.wait_event("message")
    for count in range(1, 6):
        crew.server.process.send_signal(signal.SIGUSR1)
        crew.wait_events("afterReload", count)
        wait_until(lambda: len(crew.events("workerStart", id=0)) > count, "the next worker")
    numbers = data_of(crew)
    assert numbers == list(range(len(numbers)))
    with_new = crew.client()
    assert result(with_new, "echo", 1) == 1


@MODES
def test_what_a_process_of_its_own_sends_arrives_though_it_never_waits(crew, mode):
    crew = crew(mode, processes=[["one large message", 0, 4 * MIB]])
    assert crew.wait_event("message")["length"] == 4 * MIB
