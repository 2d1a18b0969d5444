"""The opening handshake: what is accepted, what is refused and how, and what happens around it."""

import json

import pytest

from conftest import TESTS
from wire import TEXT, Wire, accept_for, frame, upgrade_request

BAD_REQUEST_BODY = b"<html><body><h2>HTTP 400 Bad Request</h2><hr><i>Powered by Wirewool</i></body></html>"


def test_good_handshake(echo):
    with Wire(echo.port) as wire:
        answer = wire.upgrade()
        assert answer["Upgrade"].lower() == "websocket"
        assert answer["Connection"].lower() == "upgrade"
        assert answer["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3
        assert answer["Sec-WebSocket-Protocol"] is None
        assert answer["Sec-WebSocket-Extensions"] is None
        assert answer["Content-Length"] is None
        assert answer["Server"] == "wirewool"
        wire.echo("hello")


@pytest.mark.parametrize(
    "replace",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "upgrade"},
        {"Sec-WebSocket-Extensions": "x-unknown; a=1, x-other"},
        {"Origin": "http://example.org"},
        {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
    ],
    ids=str,
)
def test_accepted_variants(echo, replace):
    with Wire(echo.port) as wire:
        wire.send(upgrade_request(replace=replace))
        answer = wire.response()
        assert answer.status == 101
        assert answer["Sec-WebSocket-Accept"] == accept_for(
            replace.get("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        )
        wire.echo("hello")


@pytest.mark.parametrize(
    "how",
    [
        {"replace": {"Connection": None}},
        {"replace": {"Connection": "keep-alive"}},
        {"replace": {"Connection": "not-upgrade"}},
        {"replace": {"Upgrade": None}},
        {"replace": {"Upgrade": "h2c"}},
        {"replace": {"Sec-WebSocket-Key": None}},
        {"replace": {"Sec-WebSocket-Key": ""}},
        {"replace": {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA"}},  # 15 bytes
        {"replace": {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAA="}},  # 17 bytes
        {"replace": {"Sec-WebSocket-Key": "?not*base64?but24chars=="}},
    ],
    ids=str,
)
def test_refused_with_400(echo, how):
    with Wire(echo.port) as wire:
        wire.send(upgrade_request(**how))
        assert wire.response().status == 400
        assert wire.until_closed() == b""


def test_only_get_can_upgrade(echo):
    with Wire(echo.port) as wire:
        wire.send(upgrade_request(method="POST"))
        assert wire.response().status in (400, 405)
        assert wire.until_closed() == b""


@pytest.mark.parametrize("version", ["7", "8", "0", "14"])
def test_other_versions_learn_which_one_is_spoken(echo, version):
    with Wire(echo.port) as wire:
        wire.send(upgrade_request(replace={"Sec-WebSocket-Version": version}))
        answer = wire.response()
        assert answer.status == 426
        assert answer["Sec-WebSocket-Version"] == "13"
        assert wire.until_closed() == b""


def test_handshake_one_byte_at_a_time(echo):
    with Wire(echo.port) as wire:
        wire.send_bytewise(upgrade_request() + frame(TEXT, "hello"))
        assert wire.response().status == 101
        assert wire.message() == "hello"


def test_frames_right_behind_the_request_are_kept(echo):
    with Wire(echo.port) as wire:
        wire.upgrade(early=frame(TEXT, "early") + frame(TEXT, "bird"))
        assert [wire.message(), wire.message()] == ["early", "bird"]


def test_half_a_frame_right_behind_the_request_is_kept(echo):
    whole = frame(TEXT, "cut in two")
    with Wire(echo.port) as wire:
        wire.upgrade(early=whole[:9])
        assert wire.send(whole[9:]).message() == "cut in two"


# ---- subprotocols ----


@pytest.mark.parametrize(
    ("configured", "offered", "chosen"),
    [
        ("chat", ["chat"], "chat"),
        ("chat", ["superchat, chat"], "chat"),
        ("chat", ["superchat", "chat"], "chat"),
        ("chat", ["superchat"], None),
        ("chat", ["Chat"], None),
        ("chat", [], None),
        (["b", "a"], ["a, b"], "b"),
        (["b", "a"], ["a, c"], "a"),
        (["b", "a"], ["c"], None),
    ],
    ids=str,
)
def test_subprotocol(php_server, configured, offered, chosen):
    server = php_server(TESTS / "php/options.php", "PORT", json.dumps({"websocket_subprotocol": configured}))
    with Wire(server.port) as wire:
        answer = wire.upgrade("/", *(f"Sec-WebSocket-Protocol: {value}" for value in offered))
        assert answer["Sec-WebSocket-Protocol"] == chosen
        wire.echo("hello")


# ---- beside HTTP ----


def test_without_on_request_a_page_says_400(php_server):
    server = php_server(TESTS / "php/options.php", "PORT")
    with Wire(server.port) as wire:
        answer = wire.get("/")
        assert (answer.status, answer.reason, answer.body) == (400, "Bad Request", BAD_REQUEST_BODY)
        assert answer["Server"] == "wirewool"
        assert answer["Connection"] == "close"
        assert answer["Content-Type"] == "text/html; charset=UTF-8"
        assert answer["Cache-Control"] == "must-revalidate,no-cache,no-store"
        assert answer["Content-Length"] == str(len(BAD_REQUEST_BODY))
        assert wire.until_closed() == b""


def test_with_on_request_a_plain_request_is_answered_by_it(php_server):
    server = php_server(TESTS / "php/http.php", "PORT")
    with Wire(server.port) as wire:
        assert wire.get("/").json()["fd"] == 1


def test_keep_alive_request_then_upgrade_keeps_the_fd(php_server):
    server = php_server(TESTS / "php/http.php", "PORT")
    with Wire(server.port) as other, Wire(server.port) as wire:
        assert other.get("/").status == 200
        fd = wire.get("/").json()["fd"]
        wire.upgrade("/", early=frame(TEXT, "early"))
        assert wire.message() == f"fd {fd}"
        assert wire.message() == "early"
