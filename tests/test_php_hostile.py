"""What a peer sends, and what a script's callbacks leave behind, ends no worker and lets no peer hang."""

import pytest

from conftest import TESTS
from wire import Wire, open_websocket

INPUT_VARS_MAX = 1000  # max_input_vars
MANY = "&".join(f"a{number}=1" for number in range(INPUT_VARS_MAX + 200))
DEEP = "a" + "[a]" * 100 + "=1"  # max_input_nesting_level is 64
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture
def hostile(php_server):
    """php/hostile.php: its error handler throws."""
    return php_server(TESTS / "php/hostile.php", "PORT")


@pytest.mark.parametrize(
    "request_of, sizes",
    [
        ({"target": f"/?{MANY}"}, [INPUT_VARS_MAX, 0, 0]),
        ({"target": f"/?{DEEP}"}, [0, 0, 0]),
        ({"headers": [f"Cookie: {DEEP}; b=1"]}, [0, 1, 0]),
        ({"headers": [FORM], "method": "POST", "body": MANY.encode()}, [0, 0, INPUT_VARS_MAX]),
    ],
    ids=["too many in the query", "too deep in the query", "too deep a cookie", "too many in the body"],
)
def test_variables_php_warns_of_are_dropped(hostile, request_of, sizes):
    workers = hostile.workers(1)
    with Wire(hostile.port) as wire:
        how = {key: value for key, value in request_of.items() if key in ("method", "body")}
        answer = wire.request(request_of.get("target", "/"), *request_of.get("headers", []), **how).response()
        assert answer.status == 200
        # The script's own warnings still reach its error handler.
        assert answer.json() == [*sizes, "yes"]
        assert wire.get("/").json() == [0, 0, 0, "yes"]
    hostile.wait_output(r"WARNING\tconnection 1: variables beyond PHP's max_input_vars")
    assert hostile.workers(1) == workers


def test_an_upgrade_with_too_many_variables(hostile):
    with open_websocket(hostile.port, f"/?{MANY}") as wire:
        assert wire.message() == str(INPUT_VARS_MAX)


# ---- answers that do not fit ----


@pytest.fixture
def refusing(php_server):
    """php/refused_answer.php: answers may be 64 KiB in one piece, 256 KiB may be owed."""
    return php_server(TESTS / "php/refused_answer.php", "PORT")


@pytest.mark.parametrize("path", ["/end", "/write"])
def test_an_answer_over_the_limit_becomes_a_500(refusing, path):
    with Wire(refusing.port) as wire:
        answer = wire.get(path)
        assert (answer.status, answer["Connection"], answer.body) == (500, "close", b"")
        assert wire.until_closed() == b""
    refusing.wait_output(rf"^{path} \[false,1203,false\]$")


def test_an_answer_within_the_limit(refusing):
    with Wire(refusing.port) as wire:
        assert len(wire.get("/fits").body) == (1 << 16) - 300
        assert wire.get("/fits").status == 200


def test_a_stream_with_a_hole_has_no_end(refusing):
    with Wire(refusing.port) as wire:
        wire.request("/stream")
        head, _, body = wire.until_closed().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == b"5\r\nbegun\r\n"
    refusing.wait_output(r"^/stream \[true,false,1203,false,false,false\]$")


def test_a_stream_nobody_reads_is_broken_off(refusing):
    with Wire(refusing.port) as wire:
        wire.request("/flood")
        refusing.wait_output(r"^/flood \[true,1009,false\]$")
        assert not wire.until_closed().endswith(b"0\r\n\r\n")
