"""PHP clients that do as they are told (php/client.php), and servers of raw sockets for them to talk to."""

import base64
import itertools
import json
import pathlib
import queue
import socket
import subprocess
import threading
import types

from server import PHP
from wire import Frame, Wire, accept_for, masked

SCRIPT = pathlib.Path(__file__).resolve().parent / "php/client.php"
SECONDS = 20


class PhpClients:
    """A process with clients in it."""

    def __init__(self):
        self.process = subprocess.Popen(
            [*PHP, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self._ids = itertools.count(1)
        self._names = itertools.count(1)
        self._lines = queue.Queue()
        self._done = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def begin(self, client, call, *arguments):
        """Begins a call; `end` waits for how it ends."""
        number = next(self._ids)
        order = {"id": number, "client": client, "call": call, "with": arguments}
        self.process.stdin.write(json.dumps(order) + "\n")
        return number

    def end(self, number, seconds=SECONDS):
        while number not in self._done:
            line = self._lines.get(timeout=seconds)
            assert line is not None, f"the clients ended with {self.process.wait()}: {self.process.stderr.read()}"
            try:
                done = json.loads(line)
            except json.JSONDecodeError:
                raise AssertionError(f"printed: {line}") from None
            self._done[done["id"]] = types.SimpleNamespace(**done)
        return self._done.pop(number)

    def do(self, client, call, *arguments):
        return self.end(self.begin(client, call, *arguments))

    def new(self, *where, **settings):
        """A client of its own for a server."""
        client = PhpClient(self, f"client {next(self._names)}")
        made = client.do("new", *where)
        assert not hasattr(made, "thrown"), made
        if settings:
            made = client.do("set", settings)
            assert (made.result, made.warnings) == (True, []), made
        return client

    def memory(self):
        return self.do("", "memory").result

    def stop(self):
        """Ends its input, and waits for its end: nothing may be left that keeps it."""
        self.process.stdin.close()
        try:
            return self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.errors = self.process.stderr.read()
            self.process.stderr.close()


class PhpClient:
    """One client of a process."""

    def __init__(self, clients, name):
        self._clients, self.name = clients, name

    def begin(self, call, *arguments):
        return self._clients.begin(self.name, call, *arguments)

    def end(self, number):
        return self._clients.end(number)

    def do(self, call, *arguments):
        return self.end(self.begin(call, *arguments))

    def __getattr__(self, property_name):
        return self.do("property", property_name).result

    def recv(self, *arguments):
        """What recv() returns; of a frame its opcode and its data."""
        return content(self.do("recv", *arguments).result)


def content(received):
    """A frame's opcode, and its data, or a close frame's code and reason."""
    if not isinstance(received, dict):
        return received
    if "code" in received:
        return received["opcode"], received["code"], received["reason"]
    return received["opcode"], base64.b64decode(received["data"])


class ServerEnd(Wire):
    """The server's end of a connection."""

    def read_request(self):
        """The next request, its body as long as its Content-Length says."""
        raw = self.take_until(b"\r\n\r\n")
        line, *lines = raw.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = self._take(int(headers.get("content-length", 0)))
        return types.SimpleNamespace(line=line, headers=headers, body=body, raw=raw)

    def accept_upgrade(self, *headers, behind=b""):
        """Reads an upgrade request, and accepts it."""
        request = self.read_request()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", *headers]
        lines.append(f"Sec-WebSocket-Accept: {accept_for(request.headers['sec-websocket-key'])}")
        self.send("\r\n".join([*lines, "", ""]).encode() + behind)
        return request

    def frame(self):
        """Reads one frame, which must be encoded as a client has to: masked, shortest length."""
        first, second = self._take(2)
        assert second & 0x80, "the client did not mask a frame"
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(self._take(2), "big")
            assert length > 125, "length is not in its shortest form"
        elif length == 127:
            length = int.from_bytes(self._take(8), "big")
            assert length > 65535, "length is not in its shortest form"
        key = self._take(4)
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 15, masked(self._take(length), key))


class Peer:
    """A listening socket; a test is its server."""

    def __init__(self, where=("127.0.0.1", 0), family=socket.AF_INET, backlog=16):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(where)
        self.socket.listen(backlog)
        self.socket.settimeout(SECONDS)
        self.port = self.socket.getsockname()[1] if family != socket.AF_UNIX else 0
        self._accepted = []

    def accept(self):
        """The next connection."""
        accepted, _ = self.socket.accept()
        self._accepted.append(accepted)
        return ServerEnd.over(accepted, SECONDS)

    def is_asked(self, seconds=0.2):
        """Does somebody connect?"""
        self.socket.settimeout(seconds)
        try:
            self._accepted.append(self.socket.accept()[0])
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(SECONDS)

    def close(self):
        for accepted in [*self._accepted, self.socket]:
            accepted.close()


def answer(body=b"", *headers, status="200 OK"):
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def upgraded(clients, peer, path="/", **settings):
    """A client and the server's end of its WebSocket."""
    client = clients.new("127.0.0.1", peer.port, **settings)
    begun = client.begin("upgrade", path)
    wire = peer.accept()
    wire.accept_upgrade()
    done = client.end(begun)
    assert (done.result, done.status, done.code) == (True, 101, 0), done
    return client, wire
