"""A PHP server that prints what happens to its processes and does what it is told (php/processes.php)."""

import json

from conftest import TESTS
from server import wait_until
from wire import open_websocket


class Story:
    """The server, what it has printed, and clients that tell it what to do."""

    def __init__(self, php_server, mode, **options):
        config = json.dumps({"mode": mode, "set": options})
        self.server = php_server(TESTS / "php/processes.php", "PORT", config)
        self.mode = mode
        self.port = self.server.port

    def client(self, target="/"):
        """A WebSocket client with the attributes `fd`, `worker` and `pid`: who has greeted it."""
        wire = open_websocket(self.port, target)
        greeting = json.loads(wire.message())
        wire.fd, wire.worker, wire.pid = greeting["fd"], greeting["worker"], greeting["pid"]
        return wire

    def client_of(self, worker):
        """A client that is handled by this worker, and those that turned up before it."""
        others = []
        while (wire := self.client()).worker != worker:
            others.append(wire)
            assert len(others) < 200, f"worker {worker} greets nobody"
        return wire, others

    def events(self, *names, **fields):
        """What was printed so far, in order."""
        told = self.server.events()
        return [event for event in told if (not names or event["event"] in names) and event.items() >= fields.items()]

    def wait_event(self, name, count=1, **fields):
        """The first `count` events that have these fields; a single one by itself."""
        found = wait_until(
            lambda: len(some := self.events(name, **fields)) >= count and some, f"{count} events {name} {fields}"
        )
        return found[0] if count == 1 else found[:count]


def tell(wire, call, *arguments):
    """Asks for a call, whose answer may never come."""
    return wire.text(json.dumps({"do": call, "with": arguments}))


def ask(wire, call, *arguments):
    """{"result", "worker", "pid", "warnings", "error"} of a call."""
    return json.loads(tell(wire, call, *arguments).message())


def result(wire, call, *arguments):
    """The result of a call that raises no warning."""
    answer = ask(wire, call, *arguments)
    assert answer["warnings"] == [], answer
    return answer["result"]
