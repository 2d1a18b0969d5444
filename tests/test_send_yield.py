"""A push for which there is no room waits in its coroutine, and is refused where it cannot: the option `send_yield`."""

import json
import socket

import pytest

from conftest import TESTS
from server import pss_bytes, wait_until
from wire import PING, PONG, TEXT, Wire, frame, open_websocket

WHERE = pytest.mark.parametrize("where", ["the same worker", "another worker"])
MODES = pytest.mark.parametrize("mode", ["base", "process"])
MIB = 1 << 20
MESSAGES = 64
PUSHERS = 5
SOCKET_BUFFER_BYTES = 8 * MIB  # the default of socket_buffer_size
GROWTH_MAX = 2 * SOCKET_BUFFER_BYTES + 16 * MIB
CLIENT_BUFFER_BYTES = 64 << 10
OVERFLOW, CONNRESET = 1009, 104


class Slow:
    """A server with two workers, one client that tells a worker to push, and one that does not read by itself."""

    def __init__(self, php_server, mode, where, **options):
        self.server = php_server(TESTS / "php/send_yield.php", "PORT", json.dumps({"mode": mode, "set": options}))
        self.port = self.server.port
        self.slow, self.who = self.client()
        self.others = []
        while True:
            self.control, who = self.client()
            if (who["worker"] == self.who["worker"]) == (where == "the same worker"):
                break
            self.others.append(self.control)
            assert len(self.others) < 50
        self.fd, self.pid = self.who["fd"], who["pid"]

    def client(self):
        connected = socket.socket()
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CLIENT_BUFFER_BYTES)
        connected.connect(("127.0.0.1", self.port))
        wire = Wire.over(connected, timeout=20)
        wire.upgrade()
        return wire, self.ask("who", of=wire)

    def tell(self, *wish, of=None):
        return (of or self.control).text(json.dumps(wish))

    def ask(self, *wish, of=None):
        return json.loads(self.tell(*wish, of=of).message())

    def events(self, name):
        return [event for event in self.server.events() if event["event"] == name and event["fd"] == self.fd]

    def wait_events(self, name, count):
        return wait_until(lambda: len(found := self.events(name)) >= count and found, f"{count} events {name}", 20)

    def wait_stuck(self):
        """Waits until a pusher waits: what is pushed does not get more any more. How many were."""
        seen = [-1] * 50

        def is_stuck():
            seen.append(len(self.events("pushed")))
            return seen[-1] == seen[-50] and seen[-1] > 0

        wait_until(is_stuck, "a pusher that waits")
        return seen[-1]


@pytest.fixture
def slow(php_server):
    made = []

    def start(mode, where, **options):
        made.append(Slow(php_server, mode, where, **options))
        return made[0]

    yield start
    for slow in made:
        for wire in [slow.slow, slow.control, *slow.others]:
            wire.socket.close()


@MODES
@WHERE
def test_everything_arrives_in_order(slow, mode, where):
    slow = slow(mode, where)
    before = slow.server.pss_bytes()
    slow.tell("pushes", slow.fd, MESSAGES, MIB)
    pushed = slow.wait_stuck()
    assert pushed < MESSAGES
    # The worker goes on meanwhile, the connection too.
    other, _ = slow.client()
    assert slow.ask("who", of=other)["fd"] > slow.fd
    assert slow.server.pss_bytes() - before < GROWTH_MAX
    numbers = []
    for number in range(MESSAGES):
        message = slow.slow.message()
        assert len(message) == MIB
        numbers.append(int(message.rstrip(".")))
        if number % 8 == 0:
            assert slow.server.pss_bytes() - before < GROWTH_MAX
    assert numbers == list(range(1, MESSAGES + 1))
    slow.wait_events("ends", 1)
    assert [event["error"] for event in slow.events("pushed")] == [0] * MESSAGES
    other.socket.close()


@MODES
@WHERE
def test_several_pushers_keep_the_order_of_their_calls(slow, mode, where):
    slow = slow(mode, where)
    slow.ask("pushers", PUSHERS, slow.fd, 10, MIB)
    slow.wait_stuck()
    numbers = [int(slow.slow.message().rstrip(".")) for _ in range(PUSHERS * 10)]
    assert numbers == list(range(1, PUSHERS * 10 + 1))
    slow.wait_events("ends", PUSHERS)
    assert slow.ask("coroutines") == 1


@MODES
@WHERE
def test_a_push_waits_no_longer_than_send_timeout(slow, mode, where):
    slow = slow(mode, where, send_timeout=0.3)
    slow.tell("pushes", slow.fd, MESSAGES, MIB)
    slow.wait_events("ends", 1)
    pushed = slow.events("pushed")
    assert [event["error"] for event in pushed] == [0] * (len(pushed) - 1) + [OVERFLOW]
    assert SOCKET_BUFFER_BYTES // MIB <= len(pushed) < MESSAGES
    assert [int(slow.slow.message().rstrip(".")) for _ in pushed[:-1]] == list(range(1, len(pushed)))
    # Once there is room again, pushes are taken at once.
    assert slow.control.message() == "null"
    assert slow.ask("push", slow.fd, "room again")[0] is True
    assert slow.slow.message() == "room again"


@MODES
@WHERE
@pytest.mark.parametrize("how", ["closes", "aborts"])
def test_who_waits_for_a_connection_that_ends_is_told_before_its_close_callback(slow, mode, where, how):
    slow = slow(mode, where)
    slow.ask("pushers", PUSHERS, slow.fd, MESSAGES, MIB)
    pushed = slow.wait_stuck()
    slow.slow.abort() if how == "aborts" else slow.slow.socket.close()
    slow.wait_events("ends", PUSHERS)
    slow.wait_events("close", 1)
    failed = [event["error"] for event in slow.events("pushed")[pushed:]]
    assert failed == [CONNRESET] * PUSHERS
    if where == "the same worker":
        names = [event["event"] for event in slow.server.events() if event["fd"] == slow.fd]
        assert names.index("close") > len(names) - 1 - names[::-1].index("ends")
    assert slow.ask("coroutines") == 1


@MODES
@WHERE
@pytest.mark.parametrize("options", [{"send_yield": False}, {"enable_coroutine": False}])
def test_without_send_yield_a_push_is_refused_at_once(slow, mode, where, options):
    slow = slow(mode, where, **options)
    slow.tell("pushes", slow.fd, MESSAGES, MIB)
    slow.wait_events("ends", 1)
    pushed = slow.events("pushed")
    assert [event["error"] for event in pushed] == [0] * (len(pushed) - 1) + [OVERFLOW]
    assert len(pushed) < MESSAGES
    assert [int(slow.slow.message().rstrip(".")) for _ in pushed[:-1]] == list(range(1, len(pushed)))


@MODES
def test_a_worker_may_ask_for_room_until_there_is_some(slow, mode):
    slow = slow(mode, "another worker", send_yield=False)
    slow.tell("insists", slow.fd, MESSAGES, MIB)
    slow.wait_events("refused", 1)
    numbers = [int(slow.slow.message().rstrip(".")) for _ in range(MESSAGES)]
    assert numbers == list(range(1, MESSAGES + 1))
    slow.wait_events("ends", 1)


@MODES
@WHERE
def test_pings_pass(slow, mode, where):
    slow = slow(mode, where)
    slow.ask("pushers", 1, slow.fd, MESSAGES // 2, MIB)
    slow.wait_stuck()
    with open_websocket(slow.port) as other:
        assert other.send(frame(PING, b"are you there?")).frame().opcode == PONG
    slow.tell("push", slow.fd, "a ping", PING)
    received = [slow.slow.frame() for _ in range(MESSAGES // 2 + 1)]
    assert [taken.opcode for taken in received].count(PING) == 1
    numbers = [int(taken.text.rstrip(".")) for taken in received if taken.opcode == TEXT]
    assert numbers == list(range(1, MESSAGES // 2 + 1))
    assert json.loads(slow.control.message())[0] is True
