"""What a script can ask about the server as a whole: its statistics, its workers, and its connections in pages."""

import json

import pytest

from server import wait_until
from story import Story, ask, result, tell

MODES = pytest.mark.parametrize("mode", ["base", "process"])
UNKNOWN_FD = 987654
BUSY, IDLE = 1, 2
LIST_MAX = 100
STATS_KEYS = {
    *("start_time", "connection_num", "abort_count", "accept_count", "close_count", "worker_num", "task_worker_num"),
    *("user_worker_num", "idle_worker_num", "dispatch_count", "request_count", "response_count", "total_recv_bytes"),
    *("total_send_bytes", "pipe_packet_msg_id", "concurrency", "session_round", "min_fd", "max_fd", "coroutine_num"),
    *("coroutine_peek_num", "worker_request_count", "worker_response_count", "worker_dispatch_count"),
    "worker_concurrency",
}


@pytest.fixture
def story(php_server):
    return lambda mode, **options: Story(php_server, mode, **options)


@MODES
def test_stats(story, mode):
    story = story(mode)
    asker, more = story.client_of(0)
    other, others = story.client_of(1)
    everyone = [asker, other, *more, *others]
    before = result(asker, "stats")
    assert set(before) == STATS_KEYS
    assert all(isinstance(value, int) for value in before.values()), before
    assert before["connection_num"] == before["accept_count"] == len(everyone)
    assert (before["close_count"], before["worker_num"], before["task_worker_num"]) == (0, 2, 0)
    assert (before["min_fd"], before["max_fd"]) == (1, len(everyone))
    # It is busy with the question.
    assert (before["worker_concurrency"], before["concurrency"], before["idle_worker_num"]) == (1, 1, 1)
    # That of the callback which asks.
    assert before["coroutine_num"] == 1 <= before["coroutine_peek_num"]

    messages = 5
    for number in range(messages):
        ask(other, "echo", number)
    after = result(asker, "stats")
    grown = {key: after[key] - before[key] for key in after}
    # Those, and the question before this one.
    assert grown["request_count"] == messages + 1
    assert grown["worker_request_count"] == grown["worker_response_count"] == 1
    assert grown["response_count"] == messages + 1
    assert grown["dispatch_count"] >= messages + 1
    assert grown["total_recv_bytes"] > 0 and grown["total_send_bytes"] > 0
    assert grown["accept_count"] == grown["connection_num"] == 0

    other.socket.close()
    wait_until(lambda: result(asker, "stats")["close_count"] == 1, "the end to be counted")
    last = result(asker, "stats")
    assert last["connection_num"] == last["accept_count"] - last["close_count"] == len(everyone) - 1


@MODES
def test_the_status_of_workers(story, mode):
    story = story(mode)
    asker, _ = story.client_of(0)
    other, _ = story.client_of(1)
    assert [result(asker, "getWorkerPid", worker) for worker in (0, 1)] == [asker.pid, other.pid]
    assert result(asker, "getWorkerPid") == asker.pid
    assert [result(asker, "getWorkerStatus", *which) for which in ([], [0])] == [BUSY, BUSY]
    wait_until(lambda: result(asker, "getWorkerStatus", 1) == IDLE, "the other worker to be idle")
    tell(other, "sleep", 0.5)
    story.wait_event("message", fd=other.fd)
    assert result(asker, "getWorkerStatus", 1) == BUSY
    assert json.loads(other.message())["result"] is True
    wait_until(lambda: result(asker, "getWorkerStatus", 1) == IDLE, "the other worker to be idle again")
    for call in ("getWorkerPid", "getWorkerStatus"):
        assert ask(asker, call, 2)["result"] is False


@MODES
def test_the_list_in_pages(story, mode):
    story = story(mode)
    wires = [story.client() for _ in range(25)]
    fds = sorted(wire.fd for wire in wires)
    asker = wires[0]
    pages, last = [], 0
    while page := result(asker, "getClientList", last, 10):
        assert len(page) <= 10
        pages.append(page)
        last = page[-1]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [fd for page in pages for fd in page] == fds
    assert result(asker, "getClientList") == fds[:10]
    assert result(asker, "connection_list", fds[3], 2) == fds[4:6]
    assert result(asker, "getClientList", fds[-1]) is False
    assert result(asker, "getClientList", UNKNOWN_FD) is False
    assert result(asker, "getClientList", 0, LIST_MAX) == fds
    answer = ask(asker, "getClientList", 0, LIST_MAX + 1)
    assert answer["result"] is False and answer["warnings"]


@MODES
def test_bind_and_protect(story, mode):
    story = story(mode)
    asker, _ = story.client_of(0)
    other, _ = story.client_of(1)
    assert "uid" not in result(asker, "getClientInfo", other.fd)
    assert result(asker, "bind", other.fd, 7) is True
    assert result(other, "getClientInfo", other.fd)["uid"] == 7
    # Once and for all, whoever asks.
    assert [result(wire, "bind", other.fd, 8) for wire in (asker, other)] == [False, False]
    assert result(other, "getClientInfo", other.fd)["uid"] == 7
    assert result(asker, "bind", UNKNOWN_FD, 7) is False
    assert result(asker, "protect", other.fd) is True
    assert result(asker, "protect", other.fd, False) is True
    assert result(asker, "protect", UNKNOWN_FD) is False
