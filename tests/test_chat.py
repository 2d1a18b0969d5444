"""The chat example's server: what a room tells whom, and that nonsense bothers only its sender."""

import json

import pytest

from server import ROOT
from wire import BINARY, Wire, frame, open_websocket

HISTORY_MAX = 50


@pytest.fixture
def chat(php_server):
    return php_server(ROOT / "examples/chat/server.php", "PORT")


def send(wire, **message):
    wire.text(json.dumps(message))


def hear(wire):
    return json.loads(wire.message())


def join(chat, name):
    """A member of the room, and what it is welcomed with."""
    wire = open_websocket(chat.port)
    send(wire, type="join", name=name)
    welcome = hear(wire)
    assert (welcome["type"], hear(wire)["type"]) == ("welcome", "joined")
    return wire, welcome


def test_page(chat):
    with Wire(chat.port) as wire:
        page = wire.get("/")
        assert (page.status, page["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert page.body == (ROOT / "examples/chat/page.html").read_bytes()
        assert wire.get("/no-such-page").status == 404


def test_members_hear_each_other(chat):
    ada, _ = join(chat, "Ada")
    grace, _ = join(chat, "  Grace   Hopper ")
    with ada, grace:
        assert hear(ada) == {"type": "joined", "name": "Grace Hopper", "online": ["Ada", "Grace Hopper"]}
        send(ada, type="say", text=" hello ")
        for wire in (ada, grace):
            message = hear(wire)
            assert (message["type"], message["name"], message["text"]) == ("message", "Ada", "hello")
        grace.socket.close()
        assert hear(ada) == {"type": "left", "name": "Grace Hopper", "online": ["Ada"]}


def test_history_is_the_last_fifty(chat):
    ada, welcome = join(chat, "Ada")
    assert welcome["history"] == []
    with ada:
        for number in range(HISTORY_MAX + 10):
            send(ada, type="say", text=str(number))
            hear(ada)
        grace, welcome = join(chat, "Grace")
        grace.socket.close()
    assert [message["text"] for message in welcome["history"]] == [
        str(number) for number in range(10, HISTORY_MAX + 10)
    ]


@pytest.mark.parametrize(
    "nonsense",
    [
        "not JSON",
        "[]",
        "42",
        '"join"',
        "{}",
        '{"type": "join"}',
        '{"type": "join", "name": 5}',
        '{"type": "join", "name": " "}',
        '{"type": "join", "name": "a\\u0007b"}',
        json.dumps({"type": "join", "name": "x" * 25}),
        '{"type": "join", "name": "ADA"}',
        '{"type": "say", "text": "before joining"}',
        '{"type": "shout", "text": "hello"}',
        "[" * 100,
    ],
)
def test_nonsense_bothers_only_its_sender(chat, nonsense):
    ada, _ = join(chat, "Ada")
    with ada, open_websocket(chat.port) as stranger:
        stranger.text(nonsense)
        assert hear(stranger)["type"] == "error"
        send(ada, type="say", text="undisturbed")
        assert hear(ada)["text"] == "undisturbed"
    assert "Warning" not in chat.output


def test_a_member_talks_nonsense(chat):
    ada, _ = join(chat, "Ada")
    with ada:
        for nonsense in (
            {"type": "join", "name": "Eve"},
            {"type": "say", "text": " \n"},
            {"type": "say", "text": "x" * 1001},
        ):
            send(ada, **nonsense)
            assert hear(ada)["type"] == "error"
        ada.send(frame(BINARY, b'{"type":"say","text":"x"}'))
        assert hear(ada)["type"] == "error"
        send(ada, type="say", text="é" * 1000)
        assert hear(ada)["text"] == "é" * 1000
