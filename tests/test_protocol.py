"""RFC 6455 on the wire: good messages come back, everything else ends in the right close frame."""

import re

import pytest

from conftest import TESTS
from wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Wire,
    close_payload,
    frame,
    header,
    open_websocket,
)

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20]
BEYOND_ANY_LIMIT = 1 << 40


# ---- what comes back ----


@pytest.mark.parametrize("size", SIZES)
def test_echo(echo, size):
    with open_websocket(echo.port) as wire:
        wire.echo("é" * (size // 2) + "x" * (size % 2))
        binary = bytes(range(256)) * (size // 256) + bytes(size % 256)
        assert wire.send(frame(BINARY, binary)).message() == binary


def test_many_messages_in_one_segment_keep_their_order(echo):
    with open_websocket(echo.port) as wire:
        wire.send(b"".join(frame(TEXT, str(number)) for number in range(1000)))
        assert [wire.message() for _ in range(1000)] == [str(number) for number in range(1000)]


def test_one_byte_at_a_time(echo):
    with open_websocket(echo.port) as wire:
        wire.send_bytewise(frame(TEXT, "grüße") + frame(BINARY, bytes(300)) + frame(PING, b"p"))
        received = [wire.frame() for _ in range(3)]
    # A pong need not wait for the answers to the messages before it.
    assert sorted((got.opcode, got.payload) for got in received) == [
        (TEXT, "grüße".encode()),
        (BINARY, bytes(300)),
        (PONG, b"p"),
    ]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_become_one_message(echo, opcode):
    whole = "añb€c😀".encode() * 100
    fragments = [frame(opcode, whole[:1], fin=False)]
    fragments += [frame(CONTINUATION, whole[at : at + 1], fin=False) for at in range(1, len(whole))]
    fragments += [frame(CONTINUATION, b"")]
    with open_websocket(echo.port) as wire:
        wire.send(b"".join(fragments))
        received = wire.frame()
        assert (received.fin, received.opcode, received.payload) == (True, opcode, whole)


def test_control_frames_pass_between_fragments(echo):
    with open_websocket(echo.port) as wire:
        wire.send(frame(TEXT, "hel", fin=False) + frame(PING, "between") + frame(PONG, "unasked"))
        received = wire.frame()
        assert (received.opcode, received.payload) == (PONG, b"between")
        assert wire.send(frame(CONTINUATION, "lo")).message() == "hello"


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(125))], ids=len)
def test_ping_is_answered_with_its_payload(echo, payload):
    with open_websocket(echo.port) as wire:
        received = wire.send(frame(PING, payload)).frame()
        assert (received.fin, received.rsv, received.opcode, received.payload) == (True, 0, PONG, payload)


def test_unasked_pongs_are_ignored(echo):
    with open_websocket(echo.port) as wire:
        wire.send(frame(PONG) + frame(PONG, bytes(125))).echo("still here")


@pytest.mark.parametrize(
    "payload",
    [b""]
    + [close_payload(code) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)]
    + [
        close_payload(3000),
        close_payload(4999),
        close_payload(1000, b"x" * 123),
        close_payload(4000, "tschüß".encode()),
    ],
    ids=bytes.hex,
)
def test_close_is_echoed(echo, payload):
    with open_websocket(echo.port) as wire:
        wire.send(frame(CLOSE, payload))
        received = wire.frame()
        assert (received.opcode, received.payload) == (CLOSE, payload)
        assert wire.until_closed() == b""


def test_nothing_behind_a_close_frame_is_read(echo):
    with open_websocket(echo.port) as wire:
        wire.send(frame(TEXT, "before") + frame(CLOSE, close_payload(1000)) + frame(TEXT, "after"))
        assert wire.message() == "before"
        wire.expect_close(1000)


# ---- violations ----

OPENED = frame(TEXT, "a", fin=False)
PROTOCOL_ERRORS = {
    "unmasked text": frame(TEXT, "x", mask=False),
    "unmasked empty text": frame(TEXT, "", mask=False),
    "unmasked ping": frame(PING, "x", mask=False),
    "unmasked close": frame(CLOSE, close_payload(1000), mask=False),
    "RSV1": frame(TEXT, "x", rsv=4),
    "RSV2": frame(TEXT, "x", rsv=2),
    "RSV3": frame(TEXT, "x", rsv=1),
    "RSV1 on a ping": frame(PING, "x", rsv=4),
    "RSV1 on a continuation": OPENED + frame(CONTINUATION, "x", rsv=4),
    **{f"opcode {opcode}": frame(opcode, "x") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "continuation of nothing": frame(CONTINUATION, "x"),
    "unfinished continuation of nothing": frame(CONTINUATION, "x", fin=False),
    "text inside a message": OPENED + frame(TEXT, "x"),
    "unfinished text inside a message": OPENED + frame(TEXT, "x", fin=False),
    "binary inside a message": OPENED + frame(BINARY, "x"),
    "ping of 126 bytes": frame(PING, bytes(126)),
    "pong of 126 bytes": frame(PONG, bytes(126)),
    "close of 126 bytes": frame(CLOSE, close_payload(1000, bytes(124))),
    "fragmented ping": frame(PING, "x", fin=False),
    "fragmented pong": frame(PONG, "x", fin=False),
    "fragmented close": frame(CLOSE, close_payload(1000), fin=False),
    "short ping with a 16-bit length": frame(PING, "x", length_bytes=2),
    "16-bit length below 126": frame(TEXT, "x", length_bytes=2),
    "64-bit length below 126": frame(TEXT, "x", length_bytes=8),
    "64-bit length below 65536": frame(BINARY, bytes(65535), length_bytes=8),
    "close of one byte": frame(CLOSE, b"\x03"),
    **{
        f"close code {code}": frame(CLOSE, close_payload(code))
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
}
BAD_UTF8 = {
    "stray continuation byte": b"\x80",
    "byte that is never used": b"\xff",
    "cut at the end": "€".encode()[:2],
    "overlong slash": b"\xc0\xaf",
    "overlong in three": b"\xe0\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "cut by ASCII": b"\xe2\x82x",
}


def test_a_continuation_behind_the_last_one_is_1002(echo):
    with open_websocket(echo.port) as wire:
        wire.send(OPENED + frame(CONTINUATION, "b") + frame(CONTINUATION, "c"))
        assert wire.message() == "ab"
        wire.expect_close(1002)


@pytest.mark.parametrize("bad", PROTOCOL_ERRORS.values(), ids=PROTOCOL_ERRORS.keys())
def test_protocol_errors_are_1002(echo, bad):
    with open_websocket(echo.port) as wire:
        wire.send_regardless(bad).expect_close(1002)


def test_a_length_with_its_top_bit_set(echo):
    with open_websocket(echo.port) as wire:
        wire.send(header(BINARY, 1 << 63))
        assert wire.skip_to_close().code in (1002, 1009)


@pytest.mark.parametrize("bad", BAD_UTF8.values(), ids=BAD_UTF8.keys())
@pytest.mark.parametrize("shape", ["whole", "first fragment", "last fragment", "close reason"])
def test_bad_utf8_is_1007(echo, bad, shape):
    sent = {
        "whole": frame(TEXT, b"ok " + bad),
        "first fragment": frame(TEXT, b"ok " + bad, fin=False) + frame(CONTINUATION, b"x"),
        "last fragment": frame(TEXT, b"ok", fin=False) + frame(CONTINUATION, bad),
        "close reason": frame(CLOSE, close_payload(1000, bad)),
    }
    with open_websocket(echo.port) as wire:
        wire.send_regardless(sent[shape]).expect_close(1007)


@pytest.mark.parametrize("bad", [b"\xff", b"\xe2\x82x", b"\xed\xa0", b"\xf4\x90"], ids=bytes.hex)
def test_bad_utf8_is_noticed_before_its_fragment_ends(echo, bad):
    begun = header(TEXT, 1000, fin=False) + frame(TEXT, b"ok " + bad)[6:]
    with open_websocket(echo.port) as wire:
        wire.send(begun).expect_close(1007)


def test_bad_utf8_is_noticed_across_fragments(echo):
    with open_websocket(echo.port) as wire:
        wire.send(frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"\x82", fin=False))
        wire.send(frame(PING, b"so far so good"))
        assert wire.frame().opcode == PONG
        wire.send(frame(CONTINUATION, b"x", fin=False)).expect_close(1007)


def test_any_bytes_are_welcome_in_a_binary_message(echo):
    with open_websocket(echo.port) as wire:
        every = b"".join(BAD_UTF8.values())
        assert wire.send(frame(BINARY, every)).message() == every


def test_too_long_a_frame_is_1009_as_soon_as_it_is_declared(echo):
    with open_websocket(echo.port) as wire:
        wire.send(header(BINARY, BEYOND_ANY_LIMIT)).expect_close(1009)


def test_too_long_a_message_in_fragments_is_1009(echo):
    with open_websocket(echo.port) as wire:
        wire.send(frame(BINARY, b"x", fin=False) + header(CONTINUATION, BEYOND_ANY_LIMIT)).expect_close(1009)


def test_package_max_length_is_the_limit(php_server):
    server = php_server(TESTS / "php/options.php", "PORT", '{"package_max_length": 100000}')
    with open_websocket(server.port) as wire:
        wire.echo("x" * 99_000)
        wire.send_regardless(frame(TEXT, "x" * 100_001)).expect_close(1009)
    with open_websocket(server.port) as wire:
        wire.send(frame(TEXT, "x" * 60_000, fin=False))
        wire.send_regardless(frame(CONTINUATION, "x" * 60_000)).expect_close(1009)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(TEXT, "x", mask=False), 1002),
        (frame(7, "x"), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (header(TEXT, BEYOND_ANY_LIMIT), 1009),
    ],
    ids=["unmasked", "opcode", "utf-8", "size"],
)
def test_good_messages_before_a_bad_one_are_answered_first(echo, bad, code):
    with open_websocket(echo.port) as wire:
        wire.send(frame(TEXT, "one") + frame(PING, "two") + frame(TEXT, "three") + bad)
        received = [wire.frame() for _ in range(3)]
        assert [got.payload for got in received if got.opcode == TEXT] == [b"one", b"three"]
        assert [got.payload for got in received if got.opcode == PONG] == [b"two"]
        wire.expect_close(code)


# ---- what it means for the others, and for the log ----


def test_other_connections_are_unharmed(echo):
    with open_websocket(echo.port) as bystander, open_websocket(echo.port) as halfway:
        halfway.send(frame(TEXT, "half ", fin=False))
        for bad in list(PROTOCOL_ERRORS.values())[:20]:
            with open_websocket(echo.port) as wire:
                wire.send_regardless(bad).skip_to_close()
            bystander.echo("unharmed")
        assert halfway.send(frame(CONTINUATION, "message")).message() == "half message"


def test_a_violation_is_one_log_line(echo_server):
    echo = echo_server()  # of its own: a worker logs ten violations a second at most
    with open_websocket(echo.port) as bystander:
        before = echo.mark()
        with open_websocket(echo.port) as wire:
            wire.text("x", mask=False).expect_close(1002)
        echo.wait_output(r"\S", since=before)
        bystander.echo("fence")
        lines = [line for line in echo.since(before).splitlines() if line.strip()]
        assert len(lines) == 1, lines
        assert re.search(r"mask", lines[0], re.I), lines
        assert re.search(r"\d", lines[0]), lines


def test_the_log_line_names_the_fd(control_server):
    control = control_server()
    with control.client() as wire:
        wire.text("x", mask=False).expect_close(1002)
        control.server.wait_output(rf"^(?!{{).*\b(fd|connection|session)\D{{0,3}}{wire.fd}\b.*mask")


# ---- every connection has one end ----

ENDS = {
    "close frame": lambda wire: wire.send(frame(CLOSE, close_payload(1000))).skip_to_close(),
    "two close frames": lambda wire: wire.send(frame(CLOSE, close_payload(1000)) * 2).skip_to_close(),
    "FIN": lambda wire: None,
    "RST": lambda wire: wire.abort(),
    "half a frame": lambda wire: wire.send(frame(TEXT, "cut off")[:-2]),
    "violation": lambda wire: wire.text("x", mask=False).skip_to_close(),
    "violation and close frame": lambda wire: wire.send(frame(3) + frame(CLOSE)).skip_to_close(),
    "violation and RST": lambda wire: wire.send(frame(3)).abort(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_on_close_comes_exactly_once(control_server, end):
    control = control_server(without=["disconnect"])
    with control.client() as wire:
        end(wire)
    control.wait_event("close", fd=wire.fd)
    control.do("count")  # a fence: whatever else would come has come
    with Wire(control.port) as later:
        later.get("/")
    names = [event["event"] for event in control.events(fd=wire.fd)]
    assert names == ["connect", "open", "close"]


@pytest.mark.parametrize("call", ["close", "disconnect"])
def test_on_close_comes_exactly_once_when_the_server_closes(control_server, call):
    control = control_server(without=["disconnect"])
    with control.client() as wire:
        assert control.do(call, wire.fd)["result"] is True
        wire.until_closed()
    closed = control.wait_event("close", fd=wire.fd)
    assert closed["reactor"] == -1
    control.do("count")
    assert len(control.events("close", fd=wire.fd)) == 1
