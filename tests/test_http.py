"""HTTP beside the WebSocket: what of a request reaches onRequest, what never may, and what a response looks like."""

import base64
import json

import pytest

from conftest import TESTS, servers, start_php
from wire import Closed, Wire

HEAD_BYTES_MAX = 64 << 10
BODY_BYTES_MAX = 1 << 20  # package_max_length in php/http.php


@pytest.fixture(scope="module", params=["base", "process"])
def http(request, tmp_path_factory):
    """One running php/http.php of each mode for all tests here."""
    with servers(tmp_path_factory.mktemp("http")) as start:
        yield start_php(start, TESTS / "php/http.php", "PORT", request.param)


# ---- requests that must not be understood two ways: the handler never sees them nor what hides behind them ----

HEAD = "{} HTTP/1.1\r\nHost: a\r\n"
HIDDEN = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
POST = HEAD.format("POST /smuggled")
GET = HEAD.format("GET /smuggled")
CHUNKED = POST + "Transfer-Encoding: chunked\r\n"

AMBIGUOUS = {
    "bare LF everywhere": "GET /smuggled HTTP/1.1\nHost: a\n\n",
    "bare LF after the request line": "GET /smuggled HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after one header": GET + "A: 1\nB: 2\r\n\r\n",
    "bare LF at the end of the head": GET + "A: 1\r\n\n",
    "bare CR in a value": GET + "A: 1\rB: 2\r\n\r\n",
    "NUL in a value": GET + "A: 1\0\r\n\r\n",
    "space before the colon": GET + "A : 1\r\n\r\n",
    "space before Content-Length's colon": POST + "Content-Length : 5\r\n\r\nhello",
    "folded header": GET + "A: 1\r\n 2\r\n\r\n",
    "header without a colon": GET + "nonsense\r\n\r\n",
    "header without a name": GET + ": 1\r\n\r\n",
    "two spaces in the request line": "GET  /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": "GET /smuggled\r\nHost: a\r\n\r\n",
    "not a token as method": "G@T /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "both lengths": CHUNKED + "Content-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "both lengths, the other order": POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two different lengths": POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + HIDDEN,
    "two different lengths in a list": POST + "Content-Length: 5, 6\r\n\r\nhello" + HIDDEN,
    "negative length": POST + "Content-Length: -1\r\n\r\n" + HIDDEN,
    "signed length": POST + "Content-Length: +5\r\n\r\nhello" + HIDDEN,
    "hexadecimal length": POST + "Content-Length: 0x5\r\n\r\nhello" + HIDDEN,
    "length with a space inside": POST + "Content-Length: 5 5\r\n\r\nhello" + HIDDEN,
    "length above 64 bits": POST + "Content-Length: 18446744073709551621\r\n\r\nhello" + HIDDEN,
    "empty length": POST + "Content-Length: \r\n\r\n" + HIDDEN,
    "unknown transfer coding": POST + "Transfer-Encoding: gzip\r\n\r\n" + HIDDEN,
    "almost chunked": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked not last": POST + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunk size is no number": CHUNKED + "\r\nx\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk size is negative": CHUNKED + "\r\n-5\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk size is signed": CHUNKED + "\r\n+5\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk size has a prefix": CHUNKED + "\r\n0x5\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk size above 64 bits": CHUNKED + "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk size is missing": CHUNKED + "\r\n\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk size line ends with LF": CHUNKED + "\r\n5\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk longer than its size": CHUNKED + "\r\n3\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "chunk ends with LF": CHUNKED + "\r\n5\r\nhello\n0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("bytes_sent", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_ambiguous_requests_are_refused(http, bytes_sent):
    seen_before = http.stdout.count("/smuggled")
    with Wire(http.port) as wire:
        wire.send_regardless(bytes_sent.encode("latin-1"))
        assert wire.response().status in (400, 501)
        assert wire.until_closed() == b""
    with Wire(http.port) as wire:
        assert wire.get("/fence").status == 200
    assert http.stdout.count("/smuggled") == seen_before


GARBAGE = {
    "TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "words": b"hello, is anybody there?\r\n\r\n",
    "binary": bytes(range(128, 256)) + b"\r\n\r\n",
    "only an end": b"\r\n\r\n\r\n\r\n nonsense\r\n\r\n",
}


@pytest.mark.parametrize("bytes_sent", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_refused(echo, bytes_sent):
    with Wire(echo.port) as wire:
        wire.send_regardless(bytes_sent)
        assert wire.response().status == 400
        assert wire.until_closed() == b""


@pytest.mark.parametrize(
    "line", [b"A: " + b"x" * 2 * HEAD_BYTES_MAX, b"A: b\r\n" * (HEAD_BYTES_MAX // 3)], ids=["one", "many"]
)
def test_a_head_over_64_kib_is_refused(echo, line):
    with Wire(echo.port) as wire:
        wire.send_regardless(b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n")
        assert wire.response().status in (400, 431)
        wire.until_closed()


def test_a_head_of_many_kib_is_read(http):
    with Wire(http.port) as wire:
        assert wire.get("/", f"X-Long: {'x' * 50_000}").json()["header"]["x-long"] == "x" * 50_000


# ---- what onRequest sees ----


def seen(http, *request, **how):
    with Wire(http.port) as wire:
        return wire.request(*request, **how).response().json()


def test_request_without_anything(http):
    request = seen(http, "/")
    assert request["method"] == "GET"
    assert request["raw"] == ""
    assert request["header"] == {"host": "127.0.0.1"}
    assert [request[part] for part in ("get", "post", "cookie", "files")] == [None] * 4


def test_server_keys(http):
    with Wire(http.port) as wire:
        server = wire.get("/a%20b/c?x=%20y").json()["server"]
    assert server["request_method"] == "GET"
    assert server["request_uri"] == "/a%20b/c"
    assert server["path_info"] == "/a b/c"
    assert server["query_string"] == "x=%20y"
    assert server["server_protocol"] == "HTTP/1.1"
    assert server["server_port"] == http.port
    assert server["remote_port"] == wire.local_port
    assert server["remote_addr"] == "127.0.0.1"
    assert isinstance(server["request_time"], int)
    assert server["request_time"] <= server["request_time_float"] < server["request_time"] + 1
    assert isinstance(server["master_time"], int)


def test_no_query_string_no_key(http):
    assert "query_string" not in seen(http, "/")["server"]


def test_get(http):
    request = seen(http, "/?a=1&b[]=2&b[]=3&c[k]=4&d=%C3%A9+%26&e")
    assert request["get"] == {"a": "1", "b": ["2", "3"], "c": {"k": "4"}, "d": "é &", "e": ""}


def test_headers(http):
    request = seen(
        http, "/", "X-One: 1", "x-TWICE: a", "X-Twice: b", "X-Empty:", "X-Spaced:   v  ", "Accept: a", "Accept: b"
    )
    header = request["header"]
    assert (header["x-one"], header["x-empty"], header["x-spaced"]) == ("1", "", "v")
    assert header["x-twice"] == ["a", "b"]
    assert header["accept"] == "b"


def test_cookie(http):
    request = seen(http, "/", "Cookie: a=1; b=two%20words; c=x=y")
    assert request["cookie"] == {"a": "1", "b": "two words", "c": "x=y"}
    assert "cookie" not in request["header"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_urlencoded_body(http, method):
    body = b"a=1&b[]=2&b[]=3&c=%26+x"
    request = seen(http, "/", "Content-Type: application/x-www-form-urlencoded", method=method, body=body)
    assert request["method"] == method
    assert request["post"] == {"a": "1", "b": ["2", "3"], "c": "& x"}
    assert base64.b64decode(request["raw"]) == body


def test_any_bytes_in_a_body(http):
    body = bytes(range(256)) * 1000
    request = seen(http, "/", "Content-Type: application/octet-stream", method="POST", body=body)
    assert base64.b64decode(request["raw"]) == body
    assert request["post"] is None


@pytest.mark.parametrize("bytewise", [False, True])
def test_chunked_body(http, bytewise):
    head = b"POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"5\r\nhello\r\n1;name=value\r\n,\r\n00D\r\n chunky world\r\n0\r\nX-Trailer: 1\r\n\r\n"
    with Wire(http.port) as wire:
        (wire.send_bytewise if bytewise else wire.send)(head + chunks)
        assert base64.b64decode(wire.response().json()["raw"]) == b"hello, chunky world"
        assert wire.get("/next").status == 200


def test_a_body_over_the_limit_is_refused(http):
    with Wire(http.port) as wire:
        wire.request("/", f"Content-Length: {BODY_BYTES_MAX + 1}", method="POST")
        assert wire.response().status == 413
        assert wire.until_closed() == b""


def test_a_chunked_body_over_the_limit_is_refused(http):
    with Wire(http.port) as wire:
        wire.request("/", "Transfer-Encoding: chunked", method="POST")
        wire.send_regardless((b"10000\r\n" + bytes(1 << 16) + b"\r\n") * 17)
        assert wire.response().status == 413
        wire.until_closed()


def test_expect_100_continue(http):
    with Wire(http.port) as wire:
        wire.request("/", "Content-Length: 5", "Expect: 100-continue", method="POST")
        assert wire.response().status == 100
        assert base64.b64decode(wire.send(b"hello").response().json()["raw"]) == b"hello"


def test_pipelined_requests_are_answered_in_order(http):
    with Wire(http.port) as wire:
        wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)))
        uris = [wire.response().json()["server"]["request_uri"] for _ in range(50)]
    assert uris == [f"/{number}" for number in range(50)]


def test_one_byte_at_a_time(http):
    with Wire(http.port) as wire:
        wire.send_bytewise(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        assert base64.b64decode(wire.response().json()["raw"]) == b"hello"


def test_keep_alive_and_close(http):
    with Wire(http.port) as wire:
        assert wire.get("/")["Connection"] == "keep-alive"
        assert wire.get("/", "Connection: close")["Connection"] == "close"
        assert wire.until_closed() == b""


def test_http_1_0_closes(http):
    with Wire(http.port) as wire:
        wire.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        answer = wire.response()
        assert answer.json()["server"]["server_protocol"] == "HTTP/1.0"
        assert wire.until_closed() == b""


# ---- responses ----


def answer_to(http, target, method="GET"):
    with Wire(http.port) as wire:
        answer = wire.request(target, method=method).response(to=method)
        # Nothing of it may be left over: the next answer on the connection must be readable.
        assert wire.get("/next").json()["server"]["request_uri"] == "/next"
        return answer


def test_automatic_headers(http):
    answer = answer_to(http, "/")
    assert (answer.status, answer.reason) == (200, "OK")
    assert answer["Server"] == "wirewool"
    assert answer["Content-Type"] == "text/html"
    assert answer["Content-Length"] == str(len(answer.body))
    assert answer["Date"].endswith(" GMT")


def test_header(http):
    answer = answer_to(http, "/header")
    names = [name for name, _ in answer.headers]
    assert "X-Formatted-Name" in names
    assert "x-as-written" in names
    assert answer["X-Replaced"] == "new"
    assert answer.all("X-List") == ["a", "b"]
    assert answer["X-Null"] is None
    assert answer["X-Split"] is None
    assert answer["X-Injected"] is None
    assert answer.json() == {"header with CR LF in its name": False}


def test_status(http):
    assert (answer_to(http, "/status").status, answer_to(http, "/status").body) == (404, b"gone")
    assert (answer_to(http, "/reason").status, answer_to(http, "/reason").reason) == (299, "Fine By Me")
    assert answer_to(http, "/unknown-status").reason == "Unknown Status"


def test_response_cookies(http):
    cookies = dict(line.split("=", 1) for line in answer_to(http, "/cookie").all("Set-Cookie"))
    assert cookies["plain"] in ("a%20b", "a+b")
    assert cookies["raw"] == "a%20b"
    value, *attributes = cookies["full"].lower().split("; ")
    assert value == "v"
    assert {"path=/p", "domain=example.org", "secure", "httponly", "samesite=lax"} <= set(attributes)
    assert any(part.startswith("expires=tue, 01-jan-2030 00:00:00 gmt") for part in attributes)
    assert cookies["gone"].startswith("deleted; expires=")
    assert "1970" in cookies["gone"]


def test_redirect(http):
    answer = answer_to(http, "/redirect")
    assert (answer.status, answer["Location"]) == (301, "/elsewhere")


def test_write_is_chunked(http):
    answer = answer_to(http, "/write")
    assert answer["Transfer-Encoding"] == "chunked"
    assert answer["Content-Length"] is None
    assert answer.body == b"one,two,three"


def test_nothing_after_end(http):
    assert answer_to(http, "/end-twice").body == b"first"
    results = http.wait_output(r"^end-twice (.*)$")[1]
    assert json.loads(results) == [True, True, False, False, False, 7106]


def test_what_a_response_refuses(http):
    results, warnings = answer_to(http, "/refused").json()
    assert results == [False] * 6 + [550]
    assert len(warnings) == 6
    words = ["header key is too long", "name", "value", "status code[99]", "status code[1000]", "must not be empty"]
    for word, warning in zip(words, warnings, strict=True):
        assert word in warning, warnings


def test_close_behind_an_answer(http):
    with Wire(http.port) as wire:
        answer = wire.get("/end-and-close")
        assert (answer["Connection"], answer.body) == ("keep-alive", b"whole")
        assert wire.until_closed() == b""
    http.wait_output(r"^end-and-close \[true,false\]$")


def test_a_forgotten_end_is_a_500(http):
    with Wire(http.port) as wire:
        assert wire.get("/forgotten").status == 500


def test_a_megabyte(http):
    assert answer_to(http, "/big").body == b"0123456789abcdef" * (1 << 16)


def test_close_without_an_answer(http):
    with Wire(http.port) as wire, pytest.raises(Closed):
        wire.get("/close")


@pytest.mark.parametrize("target", ["/", "/status", "/big"])
def test_head_has_no_body(http, target):
    assert answer_to(http, target, "HEAD").status == (404 if target == "/status" else 200)
