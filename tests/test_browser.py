"""Two tabs of a real browser in the chat example: names, messages, who is online, and a server that comes back."""

import subprocess

import pytest

from conftest import TESTS, node_command
from server import ROOT

CHAT = ROOT / "examples/chat/server.php"
SCREENSHOTS = ROOT / "target/screenshots"


@pytest.mark.timeout(120)
def test_two_tabs_chat(php_server, tmp_path):
    server = php_server(CHAT, "PORT")
    assert server.stdout == f"http://127.0.0.1:{server.port}/\n"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{server.port}/"
    with (
        open(tmp_path / "browser.stderr", "w+") as errors,
        subprocess.Popen(
            node_command(TESTS / "browser/chat.mjs", url, SCREENSHOTS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as browser,
    ):

        def expect(line):
            said = browser.stdout.readline()
            errors.seek(0)
            assert said == f"{line}\n", errors.read()

        def tell(line):
            browser.stdin.write(f"{line}\n")
            browser.stdin.flush()

        try:
            expect("chatted")
            assert server.stop() == 0
            tell("stopped")
            expect("noticed")
            php_server(CHAT, "PORT", port=server.port)
            tell("started")
            expect("came back")
            assert browser.wait(20) == 0
        finally:
            browser.terminate()
