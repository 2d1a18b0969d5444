"""The examples in Rust, in each mode, as their users would use them."""

import os
import signal
import socket

import pytest
from server import RUST_ECHO, descendants, free_port, wait_until
from wire import open_websocket

MODES = ["base", "process", "thread"]
PRIME = 100_000_007  # its square takes a moment
HUGE_PRIME = 4_294_967_291  # and this one's half a minute
SECONDS_MAX = 10


@pytest.fixture(params=MODES)
def example(request, start_server):
    """example(name, **flags): starts an example with two workers."""

    def start(name, port=None, **flags):
        port = port or free_port()
        extra = [part for flag, value in flags.items() for part in (f"--{flag.replace('_', '-')}", value)]
        program = RUST_ECHO.with_name(name)
        assert program.exists(), f"{program} is missing: cargo build --release --examples"
        command = [program, "--port", port, "--mode", request.param, "--workers", 2, *extra]
        server = start_server(command, port)
        server.mode = request.param
        return server

    return start


def test_tasks(example):
    server = example("tasks", task_workers=2)
    with open_websocket(server.port) as one, open_websocket(server.port) as other:
        assert one.text("18446744073709551615").message() == "18446744073709551615 = [3, 5, 17, 257, 641, 65537, 6700417]"
        assert other.text("twelve").message() == "wanted a number from 0 to 18446744073709551615"
        for number in range(2, 200):
            one.text(str(number))
        answers = {one.message() for _ in range(2, 200)}
        assert len(answers) == 198 and "2 = [2]" in answers and "198 = [2, 3, 3, 11]" in answers
        # Both are at work for a while, and the workers serve meanwhile.
        one.text(str(PRIME * PRIME)).text(str(PRIME * PRIME)).text("x")
        assert one.message().startswith("wanted a number")
        assert [one.message(), one.message()] == [f"{PRIME * PRIME} = [{PRIME}, {PRIME}]"] * 2


def test_a_task_worker_that_is_killed_loses_its_task_alone(example):
    server = example("tasks", task_workers=1)
    if server.mode == "thread":
        pytest.skip("threads cannot be killed")
    with open_websocket(server.port) as wire:
        wire.text("6").message()
        wire.text(str(HUGE_PRIME * HUGE_PRIME)).text("8").text("9")
        os.kill(wait_until(lambda: busy(server), "a task under way"), signal.SIGKILL)
        answers = {wire.message() for _ in range(3)}
        died = f"{HUGE_PRIME * HUGE_PRIME}: the task worker that had begun it has died"
        assert answers == {died, "8 = [2, 2, 2]", "9 = [3, 3]"}
        assert wire.text("10").message() == "10 = [2, 5]"


def busy(server):
    """The process of the server's that has run for a tenth of a second."""

    def seconds(pid):
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")

    return next((pid for pid in descendants(server.pid) if seconds(pid) > 0.1), None)


def test_with_tokio(example):
    server = example("with_tokio")
    with open_websocket(server.port) as one, open_websocket(server.port) as other:
        one.text("2 tea is ready").text("0.1 water boils")
        assert other.text("tea").message().startswith("wanted seconds and a text")
        assert other.text("-1 tea").message().startswith("wanted seconds and a text")
        assert [one.message(), one.message()] == ["water boils", "tea is ready"]
        # Whoever is gone is not reminded, and nothing happens.
        other.text("60 never").text("0 at once")
        assert other.message() == "at once"
    with open_websocket(server.port) as again:
        assert again.text("0.2 still there").message() == "still there"


def test_two_ports(example):
    lines = free_port()
    server = example("two_ports", lines=f"127.0.0.1:{lines}")
    with open_websocket(server.port) as one, open_websocket(server.port) as other:
        one.text("x").message()
        other.text("x").message()
        with socket.create_connection(("127.0.0.1", lines), timeout=SECONDS_MAX) as stream:
            stream.sendall(b"first\nsec")
            assert stream.recv(100) == b"2 have it\n"
            stream.sendall(b"ond\n")
            assert stream.recv(100) == b"2 have it\n"
        assert [one.message(), one.message()] == [other.message(), other.message()] == ["first", "second"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(SECONDS_MAX)
            datagrams.sendto(b"how many?", ("127.0.0.1", lines))
            assert datagrams.recv(100) == b"2"


def test_broadcast(example):
    server = example("broadcast")

    def text(wire):
        return next(text for text in iter(wire.message, None) if not text.startswith("it is "))

    with open_websocket(server.port) as one, open_websocket(server.port) as other:
        assert {text(one), text(other)} == {"you are number 1", "you are number 2"}
        one.text("hello")
        assert [text(one), text(other)] == ["hello", "hello"]
        # Another thread tells the time, in each process of a worker.
        times = [[wire.message() for _ in range(4)] for wire in (one, other)]
        assert all(text.startswith("it is ") for text in sum(times, []))
