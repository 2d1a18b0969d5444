"""stats() and getClientInfo(): what all processes have done together, to the byte, from whichever of them it is asked."""

import contextlib
import json
import pathlib
import time

import pytest

from server import wait_until
from wire import TEXT, Wire, frame, open_websocket

SCRIPT = pathlib.Path(__file__).parent / "php/stats.php"
CLIENTS = 6
MESSAGES = 10
MODES = pytest.mark.parametrize("mode", ["base", "process"])


@pytest.fixture
def php(php_server):
    return lambda mode: php_server(SCRIPT, "PORT", mode)


def ask(wire, what):
    return json.loads(wire.text(what).message())


def askers(server, stack):
    """A client of each worker."""
    workers = {}
    while len(workers) < 2:
        wire = open_websocket(server.port)
        if (worker := ask(wire, "worker")) in workers:
            wire.socket.close()
        else:
            workers[worker] = stack.enter_context(wire)
    wait_until(lambda: ask(workers[0], "stats")["connection_num"] == 2, "the others to be gone")
    return workers


class Counted(Wire):
    """Counts what goes over the wire."""

    def __init__(self, port):
        super().__init__(port)
        self.sent = self.received = 0

    def send(self, data):
        self.sent += len(data)
        return super().send(data)

    def _receive(self):
        data = super()._receive()
        self.received += len(data)
        return data


def open_fds(server, count):
    """The connections that are open by the events of a server, if they are so many."""
    fds = {name: {event["fd"] for event in server.events() if event["event"] == name} for name in ("open", "close")}
    alive = fds["open"] - fds["close"]
    return alive if len(alive) == count else None


@MODES
def test_the_numbers_are_true_in_every_process(php, mode):
    server = php(mode)
    begun = time.time()
    with contextlib.ExitStack() as stack:
        workers = askers(server, stack)
        before = ask(workers[0], "stats")
        clients = [Counted(server.port) for _ in range(CLIENTS)]
        for number, wire in enumerate(clients):
            wire.upgrade()
            for _ in range(MESSAGES):
                wire.echo("x" * 1000 * number)
        for wire in clients[: CLIENTS // 2]:
            wire.socket.close()
        wait_until(lambda: ask(workers[1], "stats")["close_count"] == before["close_count"] + CLIENTS // 2, "the ends")
        # Each pass is counted when the next one begins: these two belong to that of the askers.
        asked = [ask(workers[0], "stats"), ask(workers[1], "stats")]
        ask(workers[0], "manager")
        event = wait_until(lambda: next((e for e in server.events() if e["event"] == "manager"), None), "the manager")
        for wire in clients[CLIENTS // 2 :]:
            stack.enter_context(wire)
        fds = wait_until(lambda: open_fds(server, 2 + CLIENTS // 2), "the events of the ends")
        sent, received = (sum(getattr(wire, name) for wire in clients) for name in ("sent", "received"))
        for stats in [*asked, event["stats"]]:
            assert begun - 60 < stats["start_time"] <= begun + 1
            assert stats["connection_num"] == 2 + CLIENTS // 2
            assert stats["accept_count"] == before["accept_count"] + CLIENTS == stats["session_round"]
            assert stats["accept_count"] - stats["close_count"] == stats["connection_num"]
            assert (stats["worker_num"], stats["task_worker_num"], stats["user_worker_num"]) == (2, 0, 0)
            assert stats["abort_count"] == 0
            assert (stats["min_fd"], stats["max_fd"]) == (min(fds), max(fds))
            # A few more are the askers' own.
            requests = CLIENTS * (1 + MESSAGES)
            for name in ("request_count", "response_count", "dispatch_count"):
                assert requests <= stats[name] - before[name] < requests + 200, name
            for name, bytes_ in (("total_recv_bytes", sent), ("total_send_bytes", received)):
                assert bytes_ <= stats[name] - before[name] < bytes_ + 200_000, name
        for stats in asked:
            assert stats["worker_request_count"] <= stats["request_count"]
            assert stats["coroutine_num"] >= 1 <= stats["coroutine_peek_num"]
            assert stats["worker_concurrency"] == 1
        assert "worker_request_count" not in event["stats"]
        assert asked[0]["worker_request_count"] + asked[1]["worker_request_count"] >= asked[0]["request_count"]


@MODES
def test_every_byte_is_counted_once(php, mode):
    server = php(mode)
    client = Counted(server.port)
    with client:
        client.upgrade()
        client.text("x" * 100_000).message()
        for _ in range(3):
            sent, received = client.sent, client.received
            stats = ask(client, "stats")
            # Whoever has the connection counts the question when it waits for the next thing: then, or later.
            assert stats["total_recv_bytes"] in (sent, client.sent)
            assert stats["total_send_bytes"] == received
        assert (stats["request_count"], stats["connection_num"]) == (stats["worker_request_count"], 1)


@MODES
def test_a_worker_that_waits_is_idle_and_counts_as_concurrent(php, mode):
    server = php(mode)
    with contextlib.ExitStack() as stack:
        workers = askers(server, stack)
        sleeper = stack.enter_context(open_websocket(server.port))
        # The other one; this one is busy with the question.
        wait_until(lambda: ask(workers[0], "stats")["idle_worker_num"] == 1, "one to be idle")
        sleeper.text("sleep 3")

        def seen():
            stats = [ask(workers[0], "stats"), ask(workers[1], "stats")]
            fits = [(s["concurrency"], s["idle_worker_num"]) == (2, 1) for s in stats]
            return all(fits) and sorted(s["worker_concurrency"] for s in stats) == [1, 2]

        wait_until(seen, "the sleeper to be seen everywhere")
        assert sleeper.message() == "true"
        wait_until(lambda: ask(workers[0], "stats")["concurrency"] == 1, "nobody to sleep")


@MODES
def test_what_a_dead_worker_has_done_is_not_forgotten(php, mode):
    server = php(mode)
    with contextlib.ExitStack() as stack:
        workers = askers(server, stack)
        for _ in range(50):
            workers[1].echo("x" * 100)
        before = ask(workers[0], "stats")
        workers[1].text("die")
        server.wait_output("was killed by signal 9")
        names = ["request_count", "response_count", "dispatch_count", "accept_count", "close_count"]
        names += ["total_recv_bytes", "total_send_bytes"]

        def follows():
            stats = ask(workers[0], "stats")
            lost = [name for name in names if stats[name] < before[name]]
            assert lost == []
            return stats["idle_worker_num"] == 1

        wait_until(follows, "a successor")
        if mode == "base":
            wait_until(lambda: ask(workers[0], "stats")["connection_num"] == 1, "its connections to be gone")
        else:
            assert ask(workers[1], "stats")["request_count"] > before["request_count"]


@MODES
def test_what_is_known_of_a_client(php, mode):
    server = php(mode)
    with open_websocket(server.port) as asker:
        wait_until(lambda: server.events(), "the asker to be open")
        client = open_websocket(server.port)
        fd = wait_until(lambda: server.events()[1:], "the client to be open")[0]["fd"]
        info = ask(asker, f"info {fd}")
        assert abs(info["last_recv_time"] - time.time()) < 60
        assert info["connect_time"] <= info["last_recv_time"] <= time.time() + 1
        assert (info["send_queued_bytes"], info["recv_queued_bytes"], info["close_errno"]) == (0, 0, 0)
        time.sleep(0.05)
        client.echo("later")
        later = ask(asker, f"info {fd}")
        for name in ("last_recv_time", "last_send_time", "last_dispatch_time"):
            assert later[name] > info[name], name
        # One that reads nothing.
        for _ in range(100):
            client.send(frame(TEXT, "x" * 100_000))
            if ask(asker, f"info {fd}")["send_queued_bytes"]:
                break
        wait_until(lambda: ask(asker, f"info {fd}")["send_queued_bytes"] > 0, "something to be owed")
        client.abort()
        ended = wait_until(lambda: [e for e in server.events() if e["event"] == "close"], "the end")
        assert ended == [{"event": "close", "fd": fd, "errno": 104}]  # ECONNRESET
