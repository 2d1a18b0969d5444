"""Two workers share a thousand connections, however these come: no worse than 40 : 60."""

import collections
import selectors
import socket

import pytest

from server import raise_descriptor_limit, wait_until
from wire import Wire, open_websocket, upgrade_request

CONNECTIONS = 1000
SHARE_MIN = 0.4
# Threads share one table of descriptors, so /proc cannot tell which of them owns a connection.
BY_PROCESS = pytest.mark.parametrize("echo_server", ["rust-base", "php-base"], indirect=True)


def slowly(port):
    """One after the other, each used before the next one comes."""
    wires = []
    for _ in range(CONNECTIONS):
        wires.append(open_websocket(port))
        wires[-1].echo("hello")
    return wires


def at_once(port):
    """All connections are on their way before the first one is looked at."""
    sockets = [socket.socket() for _ in range(CONNECTIONS)]
    with selectors.DefaultSelector() as connecting:
        for client in sockets:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            connecting.register(client, selectors.EVENT_WRITE)
        while connecting.get_map():
            for key, _ in connecting.select(10):
                assert not key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                connecting.unregister(key.fileobj)
    wires = [Wire.over(client) for client in sockets]
    for wire in wires:
        wire.send(upgrade_request())
    for wire in wires:
        assert wire.response().status == 101
    return wires


@BY_PROCESS
@pytest.mark.parametrize("how", [slowly, at_once])
def test_share(echo_server, how):
    raise_descriptor_limit()
    server = echo_server(workers=2)
    workers = server.workers(2)
    wires = how(server.port)
    try:
        owners = wait_until(
            lambda: len(found := server.owners(workers)) == CONNECTIONS and found, "every connection to have an owner"
        )
        counts = collections.Counter(owners.values())
        print(f"\n{' : '.join(str(counts[pid]) for pid in workers)}")
        assert min(counts[pid] for pid in workers) >= SHARE_MIN * CONNECTIONS, counts
        for wire in wires[::50]:
            wire.echo("all of them are served")
    finally:
        for wire in wires:
            wire.socket.close()
