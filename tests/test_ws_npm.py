"""The npm package `ws`, the most used client there is, gets back what it sends."""

from conftest import TESTS, node_command
from server import run


def test_echo(echo):
    ended = run(node_command(TESTS / "npm/echo.mjs", f"ws://127.0.0.1:{echo.port}/"), 50)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "48 messages came back, close 1000" in ended.stdout
