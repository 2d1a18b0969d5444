"""Servers with several ports: what each speaks, whose callbacks are called, and that all are one server."""

import hashlib
import json
import pathlib
import socket
import struct

import pytest

from server import free_port, php_command, run, tcp_sockets, wait_until
from wire import Wire, open_websocket

SCRIPT = pathlib.Path(__file__).resolve().parent / "php/ports.php"
# The numbers of SWOOLE_SOCK_*.
UDP, TCP6, UDP6, UNIX_STREAM = 2, 3, 4, 5
RAW = {"open_http_protocol": False}  # any options of its own: then it does not speak what the primary port does
WEBSOCKETS = 16  # so many that both workers have some


class Ports:
    """A server of php/ports.php, and a WebSocket that tells it what to call."""

    def __init__(self, server, primary, ports):
        self.server, self.primary, self.ports = server, primary, ports
        self._commander = None

    def __getitem__(self, index):
        return self.ports[index]

    def client(self, index):
        return Wire(self.ports[index])

    def do(self, call, *arguments):
        if self._commander is None:
            self._commander = open_websocket(self.primary)
            self._commander.message()
        return ask(self._commander, call, *arguments)["result"]

    def wait_event(self, name, **fields):
        def find():
            return next((e for e in self.server.events() if e["event"] == name and e.items() >= fields.items()), None)

        return wait_until(find, f"event {name} {fields}")

    def count(self, name):
        return sum(event["event"] == name for event in self.server.events())


def ask(wire, call, *arguments):
    wire.text(json.dumps({"do": call, "with": arguments}))
    return json.loads(wire.message())


def takes_no_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture(params=["base", "process"])
def ports(request, php_server):
    """ports({plan of a further port}, …, **config): starts php/ports.php with those."""

    def start(*plans, **config):
        primary, numbers = free_port(), []
        for plan in plans:
            plan.setdefault("port", free_port())
            numbers.append(plan["port"])
        config = {"mode": request.param, "ports": plans} | config
        server = php_server(SCRIPT, "PORT", json.dumps(config), port=primary)
        server.wait_output('"ready"')
        return Ports(server, primary, [primary, *numbers])

    return start


def received(wire, text):
    return wire.take_until(b";") == f"{text};".encode()


def test_a_raw_port_beside_a_websocket_one(ports):
    server = ports({"set": RAW, "on": ["connect", "receive", "close"]})
    raw = server.client(1)
    connected = server.wait_event("connect", of="port1")
    fd = connected["fd"]
    assert connected["server_port"] == server[1]
    assert received(raw.send(b"hello"), "port1:hello")
    with open_websocket(server[0]) as websocket:
        opened = json.loads(websocket.message())
        assert opened["of"] == "primary" and opened["server_port"] == server[0]
        websocket.text("x")
        assert websocket.message() == "primary:x"
        assert ask(websocket, "getClientInfo", fd)["result"]["server_port"] == server[1]
        own = ask(websocket, "getClientInfo", opened["fd"])["result"]
        assert own["server_port"] == server[0] and own["websocket_status"] == 3
        assert "websocket_status" not in ask(websocket, "getClientInfo", fd)["result"]
        assert (server.do("fds", 1), server.do("count", 1)) == ([fd], 1)
        assert opened["fd"] in server.do("fds", 0) and fd not in server.do("fds", 0)
        assert server.do("isset", 1, fd) and not server.do("isset", 0, fd)
        assert ask(websocket, "push", fd, "a frame") == {
            "result": False,
            "worker": ask(websocket, "getWorkerId")["result"],
            "error": 8503,
            "warnings": [
                f"Swoole\\WebSocket\\Server::push(): the connected client of connection[{fd}] is not a websocket client or closed"
            ],
        }
    raw.socket.close()
    assert server.wait_event("close", of="port1", fd=fd)["server_port"] == server[1]


def test_all_workers_reach_the_connections_of_all_ports(ports):
    server = ports({"set": RAW, "on": ["connect", "receive", "close"]})
    raw = server.client(1)
    fd = server.wait_event("connect", of="port1")["fd"]
    websockets = [open_websocket(server[0]) for _ in range(WEBSOCKETS)]
    for websocket in websockets:
        websocket.message()
    workers = set()
    for number, websocket in enumerate(websockets):
        answer = ask(websocket, "send", fd, f"from {number};")
        assert answer["result"] is True, answer
        workers.add(answer["worker"])
        assert received(raw, f"from {number}")
    assert workers == {0, 1}
    assert ask(websockets[0], "close", fd)["result"] is True
    assert raw.until_closed() == b""
    server.wait_event("close", of="port1", fd=fd)


def test_a_port_that_was_never_set_is_like_the_primary_one(ports):
    server = ports({}, {"set": {}}, {"set": {"open_http_protocol": True}}, {"set": {"open_websocket_protocol": True}})
    with open_websocket(server[1]) as websocket:
        opened = json.loads(websocket.message())
        assert opened["of"] == "primary" and opened["server_port"] == server[1]
    assert received(server.client(2).send(b"GET / HTTP/1.1\r\n\r\n"), "primary:GET / HTTP/1.1\r\n\r\n")
    assert server.client(3).get().json()["server_port"] == server[3]
    with open_websocket(server[4]) as websocket:
        assert json.loads(websocket.message())["server_port"] == server[4]
    settings = [server.do("port", index)["setting"] for index in range(5)]
    assert settings[1]["worker_num"] == 2 and settings[1]["open_websocket_protocol"] is True
    assert settings[2:] == [[], {"open_http_protocol": True}, {"open_websocket_protocol": True}]


def test_an_upgrade_request_on_a_port_that_speaks_http_is_a_request(ports):
    server = ports({"set": {"open_http_protocol": True}, "on": ["request"]})
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    answer = server.client(1).get("/", *upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    assert (answer.status, answer.json()["of"]) == (200, "port1")


def test_missing_callbacks_are_those_of_the_primary_port(ports):
    server = ports({"on": ["message"]}, {"on": ["open"]})
    for index, opener, teller in [(0, "primary", "primary"), (1, "primary", "port1"), (2, "port2", "primary")]:
        with open_websocket(server[index]) as websocket:
            assert json.loads(websocket.message())["of"] == opener
            websocket.text("x")
            assert websocket.message() == f"{teller}:x"


def test_each_port_has_its_own_limits(ports):
    small = {"open_websocket_protocol": True, "package_max_length": 64 << 10}
    server = ports({"set": small}, set={"worker_num": 1, "reactor_num": 1, "package_max_length": 1 << 20})
    with open_websocket(server[0]) as large, open_websocket(server[1]) as little:
        for websocket in (large, little):
            websocket.message()
            websocket.text("x" * (65 << 10))
        assert large.message() == "primary:" + "x" * (65 << 10)
        assert little.frame().code == 1009


def test_the_servers_times_hold_for_all_ports(ports):
    server = ports({"set": {"open_http_protocol": True}, "on": ["request"]}, set={"worker_num": 1, "http_head_timeout": 0.2})
    for index in (0, 1):
        # The default is longer than this client waits.
        assert Wire(server[index], timeout=5).until_closed() == b""


def test_nothing_is_set_up_once_the_server_runs(ports):
    server = ports({"set": RAW})
    with open_websocket(server[0]) as websocket:
        websocket.message()
        answer = ask(websocket, "late")
    assert answer["result"] == [False, None, False, 2]
    assert answer["warnings"] == [
        "Swoole\\Server\\Port::on(): server is running, unable to register event callback function",
        "Swoole\\Server\\Port::set(): server is running, unable to change its settings",
        "Swoole\\Server::listen(): server is running, unable to listen to another port",
    ]


def test_all_listeners_are_shut_when_the_server_ends(ports):
    server = ports({}, {"set": RAW})
    server.server.terminate()
    assert server.server.wait_exit() == 0
    assert all(takes_no_connections(port) for port in server.ports)


def test_a_reload_loses_no_connection_of_any_port(ports):
    server = ports({"set": RAW, "on": ["connect", "receive", "close"]})
    if server.server.command[-1].find('"process"') < 0:
        pytest.skip("in BASE a worker's connections end with it")
    raw = server.client(1)
    assert received(raw.send(b"before"), "port1:before")
    assert server.do("reload") is True
    wait_until(lambda: server.count("ready") == 4, "new workers")
    assert received(raw.send(b"after"), "port1:after")


def test_ports_show_where_they_listen(ports):
    server = ports({"set": RAW})
    inodes = tcp_sockets(server[1], "0A")
    assert len(inodes) == 1
    shown = server.do("port", 1)
    assert shown["host"] == "127.0.0.1" and shown["port"] == server[1] and shown["type"] == 1
    assert shown["ssl"] is False and shown["sock"] > 2
    assert server.do("port", 0)["port"] == server[0]


# ---- packets ----

LIMIT = 64 << 10  # the least package_max_length


def test_packets_that_end_with_a_mark(ports):
    mark = {"package_eof": "\n--", "package_max_length": LIMIT}
    split, gathered = {"open_eof_split": True} | mark, {"open_eof_check": True} | mark
    server = ports({"set": split, "on": ["receive"]}, {"set": gathered, "on": ["receive"]})
    one = server.client(1).send_bytewise(b"a\n-\n--")
    assert received(one, "port1:a\n-\n--")
    one.send(b"b\n--\n--c")
    assert received(one, "port1:b\n--") and received(one, "port1:\n--")
    assert received(one.send(b"d\n--"), "port1:cd\n--")
    many = server.client(2).send(b"a\n--b\n--c")
    assert received(many, "port2:a\n--b\n--")
    assert received(many.send(b"\n--"), "port2:c\n--")


def test_packets_that_say_how_long_they_are(ports):
    count = {"open_length_check": True, "package_length_type": "n", "package_length_offset": 1, "package_body_offset": 3}
    server = ports({"set": count, "on": ["receive"]})
    wire = server.client(1).send_bytewise(b"x\0\x05hello")
    assert received(wire, "port1:x\0\x05hello")
    wire.send(b"a\0\0b\0\x02BBc\0")
    assert received(wire, "port1:a\0\0") and received(wire, "port1:b\0\x02BB")
    assert received(wire.send(b"\x01C"), "port1:c\0\x01C")


def test_large_packets_arrive_whole_in_order(ports):
    count = {"open_length_check": True, "package_body_offset": 4, "package_max_length": 4 << 20}
    server = ports({"set": count, "on": ["receive"]})
    bodies = [bytes([number]) * size for number, size in enumerate([3 << 20, 200, 1 << 20, (4 << 20) - 4])]
    packets = [struct.pack(">I", len(body)) + body for body in bodies]
    wire = server.client(1).send(b"".join(packets))
    for packet in packets:
        assert received(wire, "port1:" + hashlib.md5(packet).hexdigest())


@pytest.mark.parametrize(
    "settings, good, bad, words",
    [
        ({"open_eof_split": True, "package_eof": "\n"}, b"good\n", b"x" * LIMIT, "does not end within 65536 bytes"),
        ({"open_eof_check": True, "package_eof": "\n"}, b"good\n", b"x" * LIMIT, "does not end within 65536 bytes"),
        ({"open_length_check": True}, b"\0\0\0\x05!", b"\0\x01\0\x01", "a packet of 65537 bytes: at most 65536"),
        ({"open_length_check": True}, b"\0\0\0\x05!", b"\0\0\0\x03", "a packet of 3 bytes: it is too short"),
    ],
)
def test_what_cannot_be_a_packet_ends_its_connection(ports, settings, good, bad, words):
    server = ports({"set": {**settings, "package_max_length": LIMIT}, "on": ["receive", "close"]})
    wire, other = server.client(1), server.client(1)
    assert received(wire.send(good), f"port1:{good.decode()}")
    wire.send(good + bad)
    assert wire.until_closed() == b"port1:" + good + b";"
    server.wait_event("close", of="port1")
    server.server.wait_output(f"connection [0-9]+ is closed: .*{words}")
    assert received(other.send(good), f"port1:{good.decode()}"), "others go on"


# ---- other addresses ----


def test_ipv6_and_unix_sockets(ports, tmp_path):
    path = str(tmp_path / "socket")
    six = {"host": "::1", "type": TCP6, "set": RAW, "on": ["connect", "receive"]}
    server = ports(six, {"host": path, "port": 0, "type": UNIX_STREAM, "set": RAW, "on": ["receive"]})
    over_six = Wire.over(socket.create_connection(("::1", server[1]), 10))
    assert received(over_six.send(b"6"), "port1:6")
    info = server.do("getClientInfo", server.wait_event("connect", of="port1")["fd"])
    assert (info["remote_ip"], info["server_port"], info["socket_type"]) == ("::1", server[1], TCP6)
    local = socket.socket(socket.AF_UNIX)
    local.connect(path)
    local = Wire.over(local)
    assert received(local.send(b"unix"), "port2:unix")
    info = server.do("getClientInfo", server.do("fds", 2)[0])
    assert (info["remote_ip"], info["server_port"], info["socket_type"]) == ("", 0, UNIX_STREAM)
    server.server.terminate()
    assert server.server.wait_exit() == 0
    assert not pathlib.Path(path).exists()


class Datagrams:
    """A socket of datagrams."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        self.socket.bind((host, 0))
        self.to = (host, port)

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def send(self, data):
        self.socket.sendto(data, self.to)
        return self

    def receive(self):
        data, sender = self.socket.recvfrom(1 << 16)
        assert sender[:2] == self.to
        return data


def test_datagrams(ports):
    four = {"type": UDP, "on": ["packet"]}
    server = ports(four, {"host": "::1", "type": UDP6, "on": ["packet"]}, {"type": UDP, "on": ["packet"]})
    for index, host in [(1, "127.0.0.1"), (2, "::1"), (3, "127.0.0.1")]:
        peer = Datagrams(server[index], host)
        assert peer.send(b"hello").receive() == f"port{index}:hello".encode()
        assert peer.send(b"x" * 60_000).receive() == f"port{index}:".encode() + b"x" * 60_000
        client = server.wait_event("packet", of=f"port{index}", data="hello")["client"]
        assert (client["address"], client["port"], client["server_port"]) == (host, peer.port, server[index])
        assert client["server_socket"] == server.do("port", index)["sock"] and client["dispatch_time"] > 1e9
    peers = [Datagrams(server[1]) for _ in range(20)]
    for number, peer in enumerate(peers):
        peer.send(b"%d" % number)
    for number, peer in enumerate(peers):
        assert peer.receive() == b"port1:%d" % number
    with open_websocket(server[0]) as websocket:
        assert json.loads(websocket.message())["of"] == "primary"


def test_what_happens_as_objects(ports):
    plans = {"type": UDP, "on": ["packet"]}, {"set": RAW, "on": ["receive"]}
    server = ports(*plans, set={"worker_num": 1, "event_object": True}, on=["open", "message"])
    peer = Datagrams(server[1])
    assert peer.send(b"hello").receive() == b"port1:hello"
    packet = server.wait_event("packet")["client"]
    assert (packet.pop("dispatch_time") > 1e9, packet.pop("server_socket") > 2) == (True, True)
    sent = {"address": "127.0.0.1", "port": peer.port, "server_port": server[1], "data": "hello"}
    assert packet == sent | {"class": "Swoole\\Server\\Packet"}
    with server.client(2) as raw:
        raw.send(b"!")
        assert received(raw, "port2:Swoole\\Server\\Event!")


def test_sendto(ports):
    server = ports({"type": UDP, "on": ["packet"]}, {"type": UDP, "on": ["packet"]})
    first, second = Datagrams(server[1]), Datagrams(server[2])
    assert server.do("sendto", "127.0.0.1", first.port, "unasked") is True
    assert first.receive() == b"unasked"
    assert server.do("sendto", "127.0.0.1", second.port, "from there", server.do("port", 2)["sock"]) is True
    assert second.receive() == b"from there"
    refusals = [
        (("::1", 9, "x"), 509, "no port of the server can send to ::1: listen to one with SWOOLE_SOCK_UDP6"),
        (("localhost", 9, "x"), 505, "cannot send to localhost port 9: wanted an IP address and a port from 1 to 65535"),
        (("127.0.0.1", 0, "x"), 505, "cannot send to 127.0.0.1 port 0: wanted an IP address and a port from 1 to 65535"),
        (("127.0.0.1", 9, ""), 550, "the data sent must not be empty"),
        (("127.0.0.1", first.port, "x", 0), 509, "no port of the server can send to 127.0.0.1"),
        (("127.0.0.1", first.port, "x" * 65536), 90, None),  # EMSGSIZE
    ]
    with open_websocket(server[0]) as websocket:
        websocket.message()
        for arguments, error, warning in refusals:
            answer = ask(websocket, "sendto", *arguments)
            assert (answer["result"], answer["error"]) == (False, error)
            assert warning is None if not answer["warnings"] else warning in answer["warnings"][0]


def test_a_reload_takes_datagrams_to_the_new_workers(ports):
    server = ports({"type": UDP, "on": ["packet"]})
    peer = Datagrams(server[1])
    assert peer.send(b"before").receive() == b"port1:before"
    assert server.do("reload") is True
    wait_until(lambda: server.count("ready") == 4, "new workers")
    assert peer.send(b"after").receive() == b"port1:after"


def test_what_ports_cannot_have_is_said_at_once():
    plans = [
        {"set": {"buffer_high_watermark": high, "buffer_low_watermark": low}, "on": ["receive"], "port": free_port()}
        for high, low in [(5000, 6000), (100, 100)]
    ]
    config = {"mode": "base", "ports": plans, "set": {"worker_num": 1, "user": "nobody-knows-him"}}
    said = run(php_command(SCRIPT, free_port(), json.dumps(config))).stdout
    assert 'user is "nobody-knows-him": wanted a user of this system' in said
    for low in 6000, 100:
        assert f"buffer_low_watermark is {low}: wanted less than buffer_high_watermark" in said


def test_ports_without_their_callbacks_do_not_start(php_server):
    for plan, missing in [({"set": RAW}, "onReceive"), ({"type": UDP}, "onPacket"), ({}, None)]:
        config = {"mode": "base", "ports": [{"port": free_port()} | plan], "on": ["message"]}
        server = php_server(SCRIPT, "PORT", json.dumps(config), wait=False)
        if missing:
            server.wait_output(f"require {missing} callback \\(port {config['ports'][0]['port']}\\)")
            assert server.wait_exit() == 255
        else:
            server.wait_output('"ready"')
