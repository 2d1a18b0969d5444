"""The echo examples' arguments: what does not exist is refused with a clear word."""

import pytest

from conftest import ECHO_PHP
from server import free_port, php_command, run, rust_command
from wire import open_websocket

USAGE_EXIT_CODE = 2


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--mode", "sideways", "--workers", 1], "sideways"),
        (["--mode", "base", "--workers", "many"], "many"),
        (["--mode", "base", "--wrkers", 1], "wrkers"),
    ],
    ids=str,
)
def test_rust_echo_refuses(flags, word):
    ended = run(rust_command("--port", free_port(), *flags))
    assert ended.returncode > 0
    assert word in ended.stderr
    assert "panicked" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["PORT"],
        ["PORT", "base"],
        ["PORT", "thread", 1],
        ["PORT", "base", 0],
        ["PORT", "base", "many"],
        ["http", "base", 1],
        [0, "base", 1],
        [70000, "base", 1],
        ["PORT", "base", 1, "inflate"],
        ["PORT", "base", 1, "deflate", "more"],
    ],
    ids=str,
)
def test_php_echo_refuses(arguments):
    port = free_port()
    ended = run(php_command(ECHO_PHP, *(port if part == "PORT" else part for part in arguments)))
    assert ended.returncode == USAGE_EXIT_CODE
    assert ended.stderr.startswith("usage: php ")
    assert ended.stdout == ""


def test_workers(echo_server):
    server = echo_server(workers=2)
    with open_websocket(server.port) as one, open_websocket(server.port) as two:
        one.echo("hello")
        two.echo("hello")
