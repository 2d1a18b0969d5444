"""Fixtures: PHP and Rust servers on free ports, stopped when the test is over, shown when it failed."""

import contextlib
import json
import pathlib

import pytest

from server import ROOT, Server, free_port, php_command, rust_command, wait_until
from wire import Wire, open_websocket

TESTS = pathlib.Path(__file__).resolve().parent
ECHO_PHP = ROOT / "examples/echo.php"
KINDS = ["rust-base", "rust-process", "rust-thread", "php-base", "php-process"]
# What examples/echo.php sets, too.
MESSAGE_BYTES_MAX = 64 << 20
OUTBOX_BYTES_MAX = 256 << 20
RUNNING = []


@contextlib.contextmanager
def servers(directory):
    """Yields a function that starts servers; all of them are stopped at the end."""
    started = []

    def start(command, port, wait=True):
        server = Server(command, port, directory)
        started.append(server)
        RUNNING.append(server)
        return server.wait_listening() if wait else server

    try:
        yield start
    finally:
        for server in started:
            server.stop()
            RUNNING.remove(server)
    crashed = [server.report() for server in started if not server.may_crash and server.crash()]
    assert not crashed, "\n".join(["a process has crashed", *crashed])


def start_php(start, script, *arguments, port=None, wait=True):
    port = port or free_port()
    return start(php_command(script, *(port if part == "PORT" else part for part in arguments)), port, wait)


def start_rust(start, mode="base", workers=1, port=None, **flags):
    port = port or free_port()
    extra = [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", value)]
    return start(rust_command("--port", port, "--mode", mode, "--workers", workers, *extra), port)


def node_command(script, *arguments):
    assert (TESTS / "node_modules").is_dir(), "tests/node_modules is missing: npm ci --prefix tests"
    return ["node", script, *arguments]


def start_kind(start, kind, workers=1, deflate=False):
    """The echo server of one of KINDS."""
    language, mode = kind.split("-")
    if language == "php":
        return start_php(start, ECHO_PHP, "PORT", mode, workers, *(["deflate"] if deflate else []))
    port = free_port()
    limits = ["--message-bytes-max", MESSAGE_BYTES_MAX, "--outbox-bytes-max", OUTBOX_BYTES_MAX]
    where = ["--port", port, "--mode", mode, "--workers", workers]
    return start(rust_command(*where, *limits, *(["--deflate"] if deflate else [])), port)


@pytest.fixture
def start_server(tmp_path):
    with servers(tmp_path) as start:
        yield start


@pytest.fixture
def php_server(start_server):
    """php_server(script, *args, port=None): starts a PHP script; "PORT" among the arguments becomes its port."""
    return lambda script, *arguments, **how: start_php(start_server, script, *arguments, **how)


@pytest.fixture
def rust_server(start_server):
    """rust_server(mode="base"|"thread", workers=1, **flags): starts the Rust echo example."""
    return lambda *arguments, **how: start_rust(start_server, *arguments, **how)


@pytest.fixture(params=KINDS)
def echo_server(request, start_server):
    """echo_server(workers=1, deflate=False): starts an echo server of each kind, or of those given by `indirect`."""
    return lambda workers=1, deflate=False: start_kind(start_server, request.param, workers, deflate)


@pytest.fixture(scope="module", params=KINDS)
def echo(request, tmp_path_factory):
    """One running echo server of each kind for all tests of a file: whatever they do to it, it must survive."""
    with servers(tmp_path_factory.mktemp("echo")) as start:
        yield start_kind(start, request.param)


@pytest.fixture
def control_server(php_server):
    """control_server(**config): starts php/control.php and returns its `Control`."""
    started = []

    def start(**config):
        started.append(Control(php_server(TESTS / "php/control.php", "PORT", json.dumps(config))))
        return started[-1]

    yield start
    for control in started:
        control.close()


class Control:
    """A PHP server that prints its events and, on one connection, does what it is told (php/control.php)."""

    def __init__(self, server):
        self.server = server
        self.port = server.port
        self._wire = None

    def close(self):
        """Hangs up, so that the server need not wait for this side when it is stopped."""
        if self._wire is not None:
            self._wire.socket.close()

    def client(self, target="/", *headers):
        """A WebSocket client with the attribute `fd`."""
        wire = open_websocket(self.port, target, *headers)
        wire.fd = self.fd_of(wire)
        return wire

    def http_client(self):
        """A keep-alive HTTP connection, one request old, with the attribute `fd`."""
        wire = Wire(self.port)
        wire.fd = wire.get("/").json()["fd"]
        return wire

    def fd_of(self, wire):
        """The session id of the connection that comes from this client's port."""
        return self.wait_event("connect", port=wire.local_port)["fd"]

    def do(self, call, *arguments):
        """Calls a server method (or one of the script's own verbs): {"result", "error", "warnings"}."""
        if self._wire is None:
            self._wire = open_websocket(self.port, "/control")
        self._wire.text(json.dumps({"do": call, "with": arguments}))
        return json.loads(self._wire.message())

    def events(self, *names, fd=None):
        """What was printed so far, in order."""
        told = self.server.events()
        return [event for event in told if (not names or event["event"] in names) and fd in (None, event["fd"])]

    def wait_event(self, name, **fields):
        """The first event that has these fields."""

        def find():
            return next((e for e in self.events(name) if e.items() >= fields.items()), None)

        return wait_until(find, f"event {name} {fields}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.sections += [("server", server.report()) for server in RUNNING]
    return report
