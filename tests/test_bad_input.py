"""Mistakes of a PHP script: each is refused with a clear word, and harms nothing else."""

import base64
import errno
import json
import re
import socket

import pytest

from conftest import TESTS
from server import free_port, php_command, run
from wire import BINARY, CLOSE, CONTINUATION, PING, TEXT, open_websocket

SESSION_NOT_EXIST, DATA_LENGTH_TOO_LARGE, WEBSOCKET_UNCONNECTED, WEBSOCKET_PACK_FAILED = 1005, 1203, 8503, 8505
INVALID_PARAMS, NO_PAYLOAD = 505, 550
E_USER_WARNING, E_WARNING = 512, 2
UNKNOWN_FD = 987654
PUSH_BYTES_MAX = 2 << 20


# ---- before the server runs ----


def refuse(case, port=None):
    """Runs one case of php/refuse.php."""
    ended = run(php_command(TESTS / "php/refuse.php", case, port or free_port()))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def test_port_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = refuse("listen", port)
    assert outcome["thrown"] == "Swoole\\Exception"
    assert outcome["code"] == errno.EADDRINUSE
    assert f"failed to listen server port[127.0.0.1:{port}]" in outcome["message"]
    assert "Address already in use" in outcome["message"]


def test_port_free():
    port = free_port()
    assert refuse("listen", port)["result"] == port


def test_bad_host():
    outcome = refuse("bad host")
    assert outcome["thrown"] == "Swoole\\Exception"
    assert "no such host" in outcome["message"]


def test_bad_mode():
    outcome = refuse("bad mode")
    assert outcome["thrown"] == "Error"
    assert "invalid $mode parameters 77" in outcome["message"]


def test_second_server():
    outcome = refuse("second server")
    assert (outcome["thrown"], outcome["code"]) == ("Swoole\\Exception", -3)


def test_constructor_twice():
    assert refuse("constructor twice")["thrown"] == "Error"


def test_unknown_event():
    outcome = refuse("unknown event")
    assert outcome["result"] is False
    ((level, warning),) = outcome["raised"]
    assert level == E_WARNING
    assert "unknown event types[mesage]" in warning


def test_not_callable():
    outcome = refuse("not callable")
    if "thrown" in outcome:  # PHP's own check of a `callable` parameter
        assert outcome["thrown"] == "TypeError"
    else:
        assert outcome["result"] is False
        assert "is not callable" in outcome["raised"][0][1]


def test_unknown_option():
    outcome = refuse("unknown option")
    assert outcome["result"] is True
    ((level, warning),) = outcome["raised"]
    assert level == E_USER_WARNING
    assert "worker_nun" in warning
    assert "worker_num" in warning.replace("worker_nun", "")


def test_not_started():
    outcome = refuse("not started")
    assert outcome["result"] == [False] * 3
    assert len(outcome["raised"]) == 3
    assert all("server is not running" in warning for _, warning in outcome["raised"])


@pytest.mark.parametrize("event", ["onMessage", "onRequest", "onReceive"])
def test_without_the_callback_that_it_needs(event):
    ended = run(php_command(TESTS / "php/refuse.php", f"without {event}", free_port()))
    assert ended.returncode == 255
    assert f"require {event} callback" in ended.stdout + ended.stderr
    assert "Fatal error" in ended.stdout + ended.stderr


# ---- while it runs ----


@pytest.fixture(params=["base", "process"])
def control(request, control_server):
    return control_server(mode=request.param)


def assert_refused(answer, error, *words):
    """False, the last error, and one warning with these words."""
    assert answer["result"] is False, answer
    assert answer["error"] == error, answer
    assert len(answer["warnings"]) == 1, answer
    for word in words:
        assert word in answer["warnings"][0]


@pytest.mark.parametrize(
    ("call", "arguments", "words"),
    [
        ("on", ["message", "strlen"], "unable to register event callback function"),
        ("set", [{"worker_num": 3}], "unable to change its settings"),
        ("start", [], "unable to execute start()"),
    ],
)
def test_too_late(control, call, arguments, words):
    answer = control.do(call, *arguments)
    assert answer["result"] is False
    assert len(answer["warnings"]) == 1
    assert words in answer["warnings"][0]


@pytest.mark.parametrize("fd", [UNKNOWN_FD, 0, -1])
def test_push_to_unknown_fd(control, fd):
    assert_refused(control.do("push", fd, "x"), SESSION_NOT_EXIST, f"session#{fd} does not exists")


def test_push_to_a_connection_that_has_closed(control):
    with control.client() as wire:
        pass
    control.wait_event("close", fd=wire.fd)
    assert_refused(control.do("push", wire.fd, "x"), SESSION_NOT_EXIST, f"session#{wire.fd} does not exists")


def test_push_to_plain_http_fd(control):
    with control.http_client() as http:
        answer = control.do("push", http.fd, "x")
        assert_refused(answer, WEBSOCKET_UNCONNECTED, f"connection[{http.fd}] is not a websocket client or closed")
        assert http.get("/").json()["fd"] == http.fd


@pytest.mark.parametrize("opcode", [11, 15, 16, -1, 256 + TEXT])
def test_push_with_a_wrong_opcode(control, opcode):
    with control.client() as wire:
        assert_refused(control.do("push", wire.fd, "x", opcode), WEBSOCKET_PACK_FAILED)
        wire.echo("untouched")


def test_push_over_the_limit(control):
    with control.client() as wire:
        answer = control.do("push", wire.fd, {"repeat": PUSH_BYTES_MAX + 1})
        assert (answer["result"], answer["error"]) == (False, DATA_LENGTH_TOO_LARGE)
        wire.echo("untouched")
        assert control.do("push", wire.fd, {"repeat": PUSH_BYTES_MAX})["result"] is True
        assert wire.message() == "x" * PUSH_BYTES_MAX


def test_the_push_limit_moves_with_its_option(control_server):
    control = control_server(set={"output_buffer_size": 3 * PUSH_BYTES_MAX})
    with control.client() as wire:
        assert control.do("push", wire.fd, {"repeat": 2 * PUSH_BYTES_MAX})["result"] is True
        assert len(wire.message()) == 2 * PUSH_BYTES_MAX
        assert control.do("push", wire.fd, {"repeat": 3 * PUSH_BYTES_MAX + 1})["error"] == DATA_LENGTH_TOO_LARGE


@pytest.mark.parametrize("call", ["push", "disconnect"])
@pytest.mark.parametrize(
    ("bad", "offset"), [(b"ok\xff", 2), (b"\x80", 0), ("grüß".encode()[:-1], 4), (b"abcd\xed\xa0\x80", 4)]
)
def test_text_that_is_not_utf8(control, call, bad, offset):
    text = {"base64": base64.b64encode(bad).decode()}
    with control.client() as wire:
        answer = control.do("push", wire.fd, text) if call == "push" else control.do(call, wire.fd, 1000, text)
        assert_refused(answer, WEBSOCKET_PACK_FAILED)
        assert re.search(rf"\b{offset}\b", answer["warnings"][0]), answer
        wire.echo("untouched")
        if call == "push":
            assert control.do("push", wire.fd, text, BINARY)["result"] is True
            assert wire.message() == bad


# ---- disconnect ----


@pytest.mark.parametrize(
    "code", [-1, 1, 999, 1004, 1005, 1006, 1010, 1015, 1016, 2999, 5000, 65535, 65536, 65536 + 1000]
)
def test_disconnect_codes_that_are_refused(control, code):
    with control.client() as wire:
        answer = control.do("disconnect", wire.fd, code)
        assert_refused(answer, INVALID_PARAMS, str(code))
        wire.echo("untouched")


@pytest.mark.parametrize("first", [1000, 1007, 1011, 3000, 4998])
def test_disconnect_codes_that_are_accepted(control, first):
    accepted = {1000: range(1000, 1004), 1007: range(1007, 1010), 1011: range(1011, 1015)}
    for code in accepted.get(first, range(first, first + 2)):
        with control.client() as wire:
            answer = control.do("disconnect", wire.fd, code, "reason")
            assert (answer["result"], answer["warnings"]) == (True, [])
            wire.expect_close(code, b"reason")


def test_disconnect_code_0_means_1000(control):
    with control.client() as wire:
        assert control.do("disconnect", wire.fd, 0)["result"] is True
        wire.expect_close(1000, b"")


def test_disconnect_by_default(control):
    with control.client() as wire:
        assert control.do("disconnect", wire.fd)["result"] is True
        wire.expect_close(1000, b"")


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("a" * 123, 123),
        ("a" * 124, 123),
        ("a" * 125, 123),
        ("é" * 62, 122),
        ("a" + "é" * 62, 123),
        ("€" * 41 + "ab", 123),
    ],
    ids=["123", "124", "125", "124 in twos", "125 in twos", "125 in threes"],
)
def test_a_long_reason_is_cut_at_a_character(control, reason, sent):
    with control.client() as wire:
        answer = control.do("disconnect", wire.fd, 4000, reason)
        assert (answer["result"], answer["warnings"]) == (True, [])
        wire.expect_close(4000, reason.encode()[:sent])


def test_a_too_long_reason_is_refused(control):
    with control.client() as wire:
        for arguments in (["disconnect", wire.fd, 4000, "a" * 126], ["push", wire.fd, "a" * 126, CLOSE]):
            assert_refused(control.do(*arguments), WEBSOCKET_PACK_FAILED, "the max length of close reason is")
        wire.echo("untouched")


def test_disconnect_unknown_fd(control):
    assert_refused(control.do("disconnect", UNKNOWN_FD), WEBSOCKET_UNCONNECTED, "is not a websocket client or closed")
    for fd in (0, -1):
        answer = control.do("disconnect", fd)
        assert answer["result"] is False
        assert f"fd[{fd}] is invalid" in answer["warnings"][0]


def test_disconnect_plain_http_fd(control):
    with control.http_client() as http:
        answer = control.do("disconnect", http.fd)
        assert_refused(answer, WEBSOCKET_UNCONNECTED, "is not a websocket client or closed")
        assert http.get("/").json()["fd"] == http.fd


# ---- fragmented sending ----


def received(wire):
    got = wire.frame()
    return got.opcode, got.fin, got.payload


def test_a_message_in_fragments(control):
    with control.client() as wire:
        for arguments in (["a", TEXT, 0], ["b", CONTINUATION, 0], ["c", CONTINUATION, 1]):
            assert control.do("push", wire.fd, *arguments)["result"] is True
        assert [received(wire) for _ in range(3)] == [
            (TEXT, False, b"a"),
            (CONTINUATION, False, b"b"),
            (CONTINUATION, True, b"c"),
        ]


def test_a_message_in_fragments_by_finish(control):
    with control.client() as wire:
        for opcode, finish in ((BINARY, False), (CONTINUATION, True)):
            frame = {"frame": {"opcode": opcode, "data": "x", "finish": finish}}
            assert control.do("push", wire.fd, frame)["result"] is True
        assert [received(wire) for _ in range(2)] == [(BINARY, False, b"x"), (CONTINUATION, True, b"x")]


def test_a_character_may_be_cut_by_fragments(control):
    half = [{"base64": base64.b64encode(part).decode()} for part in (b"\xc3", b"\xa9")]
    with control.client() as wire:
        assert control.do("push", wire.fd, half[0], TEXT, 0)["result"] is True
        assert control.do("push", wire.fd, half[1], CONTINUATION, 1)["result"] is True
        assert received(wire)[2] + received(wire)[2] == "é".encode()


def test_others_wait_for_a_message_in_fragments_but_control_frames_pass(control):
    with control.client() as wire:
        assert control.do("push", wire.fd, "first ", TEXT, 0)["result"] is True
        assert control.do("push", wire.fd, "second")["result"] is True
        assert control.do("push", wire.fd, "ping", PING)["result"] is True
        assert received(wire) == (TEXT, False, b"first ")
        assert received(wire) == (PING, True, b"ping")
        assert control.do("push", wire.fd, "end", CONTINUATION, 1)["result"] is True
        assert received(wire) == (CONTINUATION, True, b"end")
        assert received(wire) == (TEXT, True, b"second")


@pytest.mark.parametrize("flags", [0, 1])
def test_a_continuation_of_nothing_is_refused(control, flags):
    with control.client() as wire:
        assert_refused(control.do("push", wire.fd, "x", CONTINUATION, flags), WEBSOCKET_PACK_FAILED)
        wire.echo("untouched")


def test_push_of_a_close_frame_disconnects(control):
    with control.client() as wire:
        assert control.do("push", wire.fd, "enough", CLOSE)["result"] is True
        wire.expect_close(1000, b"enough")
    # As if disconnect() had been called.
    assert control.wait_event("disconnect", fd=wire.fd)["reactor"] == -1


@pytest.mark.parametrize(
    ("properties", "code", "reason"),
    [
        ({}, 1000, b""),
        ({"code": 4001, "reason": "later"}, 4001, b"later"),
        ({"code": 4001, "finish": False}, 4001, b""),
    ],
    ids=str,
)
def test_push_of_a_close_frame_object_disconnects(control, properties, code, reason):
    with control.client() as wire:
        assert control.do("push", wire.fd, {"frame": {"opcode": CLOSE, **properties}})["result"] is True
        wire.expect_close(code, reason)


def test_push_of_a_close_frame_with_a_code_that_is_not_sent(control):
    with control.client() as wire:
        for code in (999, 1005, 65536 + 1000):
            answer = control.do("push", wire.fd, {"frame": {"opcode": CLOSE, "code": code}})
            assert_refused(answer, INVALID_PARAMS, str(code))
        wire.echo("untouched")


def test_control_frames_always_carry_fin(control):
    with control.client() as wire:
        assert control.do("push", wire.fd, "p", PING, 0)["result"] is True
        assert received(wire) == (PING, True, b"p")
        answer = control.do("push", wire.fd, "x" * 126, PING)
        assert (answer["result"], answer["error"]) == (False, WEBSOCKET_PACK_FAILED)
        wire.echo("untouched")


def test_a_burst_of_mistakes_does_no_harm(control):
    with open_websocket(control.port) as bystander:
        for _ in range(200):
            control.do("push", UNKNOWN_FD, "x")
            control.do("push", 1, "x", 99)
        bystander.echo("still here")
