"""Every method says and does the same of a connection that another worker has as of one of its own, in both modes."""

import contextlib

import pytest

from server import wait_until
from story import Story, ask, result
from wire import BINARY, CLOSE, CONTINUATION, PING, TEXT, Wire

UNKNOWN_FD = 987654
LIMIT = 1 << 16
TOO_LONG = "x" * (LIMIT + 1)
INVALID_PARAMS, NO_PAYLOAD, NOT_EXIST, TOO_LARGE, UNCONNECTED, PACK_FAILED = 505, 550, 1005, 1203, 8503, 8505
NOT_WEBSOCKET = "is not a websocket client or closed"

# Call, what comes behind the fd, last error, and what a warning says; none does where it is a matter of course.
OF_A_WEBSOCKET = [
    ("push", ["x", 11], PACK_FAILED, "opcode[11] is invalid"),
    ("push", ["x", CONTINUATION, 1], PACK_FAILED, ""),
    ("push", ["x" * 126, PING], PACK_FAILED, "125"),
    ("push", ["x" * 126, CLOSE], PACK_FAILED, "the max length of close reason is 125"),
    ("push", [TOO_LONG], TOO_LARGE, None),
    ("ping", ["x" * 126], PACK_FAILED, "125"),
    ("disconnect", [1005], INVALID_PARAMS, "1005"),
    ("disconnect", [1000, "x" * 126], PACK_FAILED, "the max length of close reason is 125"),
    ("send", [""], NO_PAYLOAD, "must not be empty"),
    ("send", [TOO_LONG], TOO_LARGE, None),
]
OF_A_PLAIN_CONNECTION = [
    ("push", ["x"], UNCONNECTED, NOT_WEBSOCKET),
    ("push", ["x", CLOSE], UNCONNECTED, NOT_WEBSOCKET),
    ("ping", [], UNCONNECTED, NOT_WEBSOCKET),
    ("disconnect", [], UNCONNECTED, NOT_WEBSOCKET),
]
OF_NOBODY = [
    ("push", ["x"], NOT_EXIST, "does not exists"),
    ("push", ["x", CLOSE], NOT_EXIST, "does not exists"),
    ("ping", [], NOT_EXIST, "does not exists"),
    ("disconnect", [], UNCONNECTED, NOT_WEBSOCKET),
    ("send", ["x"], NOT_EXIST, None),
    ("close", [], NOT_EXIST, None),
]


@pytest.fixture(params=["base", "process"])
def story(request, php_server):
    # Clients that do not hang up by themselves hold the end of a server up for so long.
    return Story(php_server, request.param, output_buffer_size=LIMIT, websocket_close_timeout=0.1)


@pytest.fixture
def workers(story):
    """For each of both workers, a client that it has."""
    return [story.client_of(0)[0], story.client_of(1)[0]]


def plain(story, worker):
    """A connection that this worker has, one request old, with the attribute `fd`."""
    # The others stay open meanwhile: the one that has the fewest takes the next.
    with contextlib.ExitStack() as others:
        for _ in range(50):
            wire = Wire(story.port)
            greeting = wire.get("/").json()
            if greeting["worker"] == worker:
                wire.fd = greeting["fd"]
                return wire
            others.enter_context(wire)
    raise AssertionError(f"worker {worker} is asked nothing")


def assert_refused(asker, fd, rows):
    for call, arguments, error, words in rows:
        answer = ask(asker, call, fd, *arguments)
        said = (call, arguments[:1], answer)
        assert (answer["result"], answer["error"]) == (False, error), said
        assert len(answer["warnings"]) == (0 if words is None else 1), said
        assert all(words in warning for warning in answer["warnings"]), said


def test_what_is_refused(story, workers):
    for asker in workers:
        for worker, client in enumerate(workers):
            assert_refused(asker, client.fd, OF_A_WEBSOCKET)
            with plain(story, worker) as http:
                assert_refused(asker, http.fd, OF_A_PLAIN_CONNECTION)
                assert http.get("/").json()["fd"] == http.fd
        assert_refused(asker, UNKNOWN_FD, OF_NOBODY)
    for wire in workers:
        assert result(wire, "echo", "untouched") == "untouched"


def test_fds_that_nobody_can_have(workers):
    for fd in (0, -1):
        assert ask(workers[0], "disconnect", fd)["warnings"][0].endswith(f"fd[{fd}] is invalid")
        assert ask(workers[0], "send", fd, "x")["warnings"][0].endswith(f"invalid fd[{fd}]")
        assert result(workers[0], "close", fd) is False
    assert ask(workers[0], "send", None, "x")["warnings"][0].endswith("fd can not be null")


def test_what_is_sent(story, workers):
    for asker in workers:
        for worker in range(2):
            client, _ = story.client_of(worker)
            assert result(asker, "push", client.fd, "text") is True
            assert result(asker, "push", client.fd, "binary", BINARY) is True
            assert result(asker, "ping", client.fd, "ping") is True
            received = [client.frame() for _ in range(3)]
            assert [(got.opcode, got.payload) for got in received] == [
                (TEXT, b"text"),
                (BINARY, b"binary"),
                (PING, b"ping"),
            ]
            with plain(story, worker) as http:
                assert result(asker, "send", http.fd, "HTTP/1.1 204 By Hand\r\n\r\n") is True
                assert http.response().reason == "By Hand"


def test_what_is_known(story, workers):
    for worker, client in enumerate(workers):
        with plain(story, worker) as http:
            for asker in workers:
                assert [result(asker, "exist", fd) for fd in (client.fd, http.fd)] == [True, True]
                assert [result(asker, "isEstablished", fd) for fd in (client.fd, http.fd)] == [True, False]
                assert {client.fd, http.fd} <= set(result(asker, "fds"))
                assert result(asker, "getClientInfo", client.fd)["remote_port"] == client.local_port


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("disconnect", [4000, "as you wish"], 4000),
        ("push", ["as you wish", CLOSE], 1000),
        ("close", [], None),
        ("close", [True], None),
    ],
    ids=["disconnect", "push", "close", "reset"],
)
def test_what_is_closed(story, workers, call, arguments, code):
    for asker in workers:
        for worker in range(2):
            client, _ = story.client_of(worker)
            assert result(asker, call, client.fd, *arguments) is True
            if code is None:
                assert client.until_closed() == b""
            else:
                client.expect_close(code, b"as you wish")
            assert story.wait_event("close", fd=client.fd)["worker"] == worker
            wait_until(lambda client=client, asker=asker: not result(asker, "exist", client.fd), "it to be forgotten")
            assert result(asker, "isEstablished", client.fd) is False
            assert len(story.events("close", fd=client.fd)) == 1
