"""What the sockets are told, port sharing, the first fd, and which processor serves: options that the system carries out."""

import ctypes
import json
import os
import pathlib
import re
import socket

import pytest

from conftest import TESTS
from server import free_port, php_command, run, tcp_sockets, wait_until
from wire import Wire, open_websocket

MODES = pytest.mark.parametrize("mode", ["base", "process"])
TCP_FASTOPEN = 23
PIDFD_GETFD = 438
PROCESSORS = sorted(os.sched_getaffinity(0))


@pytest.fixture
def service(php_server):
    """service(mode, set={…}, port=None): starts php/service.php."""

    def start(mode="process", port=None, **config):
        return php_server(TESTS / "php/service.php", "PORT", json.dumps({"mode": mode} | config), port=port)

    return start


def do(wire, call, argument=None):
    wire.text(json.dumps([call, argument]))
    return json.loads(wire.message())


def sockets_of(server, state, port=None):
    """The server's own sockets of a port, its primary one by default, in a state, as duplicates of this process."""
    inodes, found = tcp_sockets(port or server.port, state), []
    for pid in server.processes():
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:[") and target[8:-1] in inodes:
                process = os.pidfd_open(pid)
                duplicate = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, int(name), 0)
                os.close(process)
                assert duplicate >= 0, os.strerror(ctypes.get_errno())
                found.append(socket.socket(fileno=duplicate))
    return found


TOLD = [
    ("open_tcp_keepalive", True, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ("tcp_keepidle", 77, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
    ("tcp_keepinterval", 7, socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7),
    ("tcp_keepcount", 3, socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    ("tcp_user_timeout", 4321, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 4321),
    ("kernel_socket_recv_buffer_size", 20000, socket.SOL_SOCKET, socket.SO_RCVBUF, 40000),
    ("kernel_socket_send_buffer_size", "20K", socket.SOL_SOCKET, socket.SO_SNDBUF, 40960),
    ("open_tcp_nodelay", False, socket.IPPROTO_TCP, socket.TCP_NODELAY, 0),
]


@MODES
def test_what_connections_are_told(service, mode):
    options = {name: value for name, value, *_ in TOLD} | {"worker_num": 1}
    server, other = service(mode, set=options), service(mode, set={"worker_num": 1})
    with open_websocket(server.port), open_websocket(other.port):
        (told,), (untold,) = sockets_of(server, "01"), sockets_of(other, "01")
        with told, untold:
            for name, _, level, option, value in TOLD:
                assert told.getsockopt(level, option) == value, name
                assert untold.getsockopt(level, option) != value, name


def listens_with(server, port, level, option):
    """The values of an option of the sockets that listen on a port."""
    values = set()
    for listening in sockets_of(server, "0A", port):
        with listening:
            values.add(listening.getsockopt(level, option))
    return values


@MODES
def test_each_port_is_told_its_own(php_server, mode):
    plans = [{"port": free_port(), "set": dict([option[:2]]), "on": ["receive"]} for option in TOLD]
    config = {"mode": mode, "ports": plans, "set": {"worker_num": 1, "tcp_keepidle": 78, "open_tcp_keepalive": True}}
    server = php_server(TESTS / "php/ports.php", "PORT", json.dumps(config))
    server.wait_output('"ready"')
    for plan, (name, _, level, option, value) in zip(plans, TOLD):
        if name.startswith("tcp_keep"):
            continue  # told only with open_tcp_keepalive, which is of the port as well
        assert listens_with(server, plan["port"], level, option) == {value}, name
    assert listens_with(server, server.port, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == {78}


def test_fast_open(service):
    for on in True, False:
        server = service(set={"tcp_fastopen": on, "backlog": 99})
        found = sockets_of(server, "0A")
        assert found and {sock.getsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN) for sock in found} == {99 if on else 0}
        [sock.close() for sock in found]


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_connection_that_sends_nothing_is_accepted_later(service, seconds):
    server = service(set={"tcp_defer_accept": seconds, "worker_num": 1})
    with Wire(server.port) as silent:
        if not seconds:
            wait_until(lambda: silent.local_port in server.owners(server.processes()), "the silent one")
        with open_websocket(server.port) as wire:
            assert do(wire, "pid")["fd"] == (1 if seconds else 2)
            assert (silent.local_port in server.owners(server.processes())) == (not seconds)


@MODES
def test_the_first_fd(service, mode):
    server = service(mode, set={"start_session_id": 2**40, "worker_num": 1})
    with open_websocket(server.port) as one, open_websocket(server.port) as two:
        assert [do(wire, "pid")["fd"] for wire in (one, two)] == [2**40, 2**40 + 1]


# ---- a port for several servers ----


@MODES
def test_servers_that_share_a_port(service, mode):
    one = service(mode, set={"enable_reuse_port": True})
    two = service(mode, set={"enable_reuse_port": True}, port=one.port)
    wait_until(lambda: len(tcp_sockets(one.port, "0A")) == 2, "two sockets")
    seen, wires = set(), []
    while seen != {one.pid, two.pid}:
        wires.append(open_websocket(one.port))
        seen.add(do(wires[-1], "pid")["result"])
        assert len(wires) < 200, f"all connections came to {seen}"
    [wire.socket.close() for wire in wires]
    # The old one goes, and the new one serves all.
    one.terminate()
    assert one.wait_exit() == 0
    for _ in range(20):
        with open_websocket(one.port) as wire:
            assert do(wire, "pid")["result"] == two.pid


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (False, False)])
def test_both_have_to_say_so(service, first, second):
    server = service(set={"enable_reuse_port": first})
    config = json.dumps({"mode": "process", "set": {"enable_reuse_port": second}})
    ended = run(php_command(TESTS / "php/service.php", server.port, config))
    assert ended.returncode == 255 and "Address already in use" in ended.stdout
    with open_websocket(server.port) as wire:
        assert do(wire, "pid")["result"] == server.pid


# ---- processors ----


def processors(pid, task=None):
    status = pathlib.Path(f"/proc/{pid}/task/{task or pid}/status").read_text()
    return re.search(r"^Cpus_allowed_list:\s+(.*)$", status, re.M)[1]


@pytest.mark.skipif(len(PROCESSORS) < 2, reason="with one processor there is no choice")
@MODES
def test_each_worker_stays_on_a_processor(service, mode):
    server = service(mode, set={"open_cpu_affinity": True, "worker_num": 3, "reactor_num": 2})
    free, (one, two) = processors(os.getpid()), PROCESSORS[:2]
    expected = sorted(str(PROCESSORS[worker % len(PROCESSORS)]) for worker in range(3))
    wait_until(lambda: sorted(map(processors, server.workers(3))) == expected, "the workers' processors")
    assert processors(server.pid) == free
    if mode == "process":
        threads = [int(task) for task in os.listdir(f"/proc/{server.pid}/task") if int(task) != server.pid]
        assert sorted(processors(server.pid, task) for task in threads) == sorted((str(one), str(two)))


@pytest.mark.skipif(len(PROCESSORS) < 2, reason="with one processor there is no choice")
def test_processors_that_are_left_to_others(service):
    server = service(set={"open_cpu_affinity": True, "cpu_affinity_ignore": PROCESSORS[:-1], "worker_num": 2})
    last = str(PROCESSORS[-1])
    wait_until(lambda: set(map(processors, server.workers(2))) == {last}, "the workers' processor")
