"""A raw-socket HTTP and WebSocket client: it can send any bytes, and takes apart what comes back."""

import base64
import dataclasses
import hashlib
import json
import socket
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK_KEY = bytes.fromhex("37fa213d")
SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, section 1.3
ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_for(key):
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1((key + ACCEPT_GUID).encode()).digest()).decode()


def masked(payload, key=MASK_KEY):
    """XOR with the repeated key; fast, since the tests send megabytes."""
    pattern = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(len(payload), "big")


def header(opcode, length, *, fin=True, rsv=0, mask=True, length_bytes=None):
    """A frame header. `length_bytes` 1, 2 or 8 forces that form of the length; `rsv` has RSV1 as 4."""
    if length_bytes is None:
        length_bytes = 1 if length < 126 else 2 if length < 65536 else 8
    code = {1: length, 2: 126, 8: 127}[length_bytes]
    extended = {1: b"", 2: length.to_bytes(8, "big")[6:], 8: length.to_bytes(8, "big")}[length_bytes]
    return bytes([fin << 7 | rsv << 4 | opcode, mask << 7 | code]) + extended + (MASK_KEY if mask else b"")


def frame(opcode, payload=b"", **how):
    """A whole frame; `how` as for `header`."""
    data = payload.encode() if isinstance(payload, str) else payload
    return header(opcode, len(data), **how) + (masked(data) if how.get("mask", True) else data)


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


@dataclasses.dataclass(repr=False)
class Frame:
    """A frame received from the server."""

    fin: bool
    rsv: int
    opcode: int
    payload: bytes

    def __repr__(self):
        start = f"{self.payload[:60]!r}{'…' * (len(self.payload) > 60)}"
        return f"<Frame fin={self.fin} rsv={self.rsv} opcode={self.opcode}, {len(self.payload)} bytes: {start}>"

    @property
    def text(self):
        return self.payload.decode()

    @property
    def code(self):
        return struct.unpack(">H", self.payload[:2])[0]

    @property
    def reason(self):
        return self.payload[2:]


def split_header(line):
    name, _, value = line.partition(":")
    return name, value.strip()


@dataclasses.dataclass
class Response:
    """An HTTP response; header names are kept as they were written."""

    status: int
    reason: str
    headers: list
    body: bytes

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name):
        """The only value of a header, or None."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


class Closed(Exception):
    """The server closed the connection (EOF or RST) where more was expected."""


class Wire:
    """One TCP connection to the server under test."""

    def __init__(self, port, *, source="127.0.0.1", timeout=10):
        self._adopt(socket.create_connection(("127.0.0.1", port), timeout, (source, 0)), timeout)

    @classmethod
    def over(cls, connected, timeout=10):
        """A client over a socket that is connected already."""
        wire = cls.__new__(cls)
        wire._adopt(connected, timeout)
        return wire

    def _adopt(self, connected, timeout):
        self.socket = connected
        self.socket.settimeout(timeout)
        if connected.family == socket.AF_UNIX:
            self.local_port = 0
        else:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.local_port = self.socket.getsockname()[1]
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # ---- out ----

    def send(self, data):
        self.socket.sendall(data)
        return self

    def send_bytewise(self, data):
        """One segment a byte."""
        for byte in data:
            self.socket.sendall(bytes([byte]))
        return self

    def send_regardless(self, data):
        """Sends like a client that does not look at what comes back; the server may hang up."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def text(self, payload, **how):
        return self.send(frame(TEXT, payload, **how))

    def abort(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # ---- in ----

    def _receive(self):
        try:
            return self.socket.recv(1 << 18)
        except ConnectionResetError:
            return b""

    def _fill(self):
        data = self._receive()
        if not data:
            raise Closed(f"closed by the server; unread: {self.unread[:200]!r}")
        self.unread += data

    def _take(self, count):
        chunks = [self.unread[:count]]
        self.unread = self.unread[count:]
        missing = count - len(chunks[0])
        while missing:
            self._fill()
            chunks.append(self.unread[:missing])
            self.unread = self.unread[missing:]
            missing -= len(chunks[-1])
        return b"".join(chunks)

    def take_until(self, end):
        while end not in self.unread:
            self._fill()
        return self._take(self.unread.index(end) + len(end))

    def until_closed(self):
        """What still comes until the server closes the connection."""
        chunks = [self.unread]
        self.unread = b""
        while data := self._receive():
            chunks.append(data)
        return b"".join(chunks)

    # ---- HTTP ----

    def request(self, target="/", *headers, method="GET", body=b""):
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def response(self, *, to="GET"):
        """Reads one response to a request with method `to`."""
        status_line, *lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, status, reason = (status_line + " ").split(" ", 2)
        assert version == "HTTP/1.1", status_line
        answer = Response(int(status), reason.strip(), [split_header(line) for line in lines], b"")
        if to != "HEAD" and answer.status not in (100, 101, 204, 304):
            answer.body = self._body(answer)
        return answer

    def _body(self, answer):
        if answer["Transfer-Encoding"] == "chunked":
            chunks = []
            while size := int(self.take_until(b"\r\n"), 16):
                chunks.append(self._take(size))
                assert self._take(2) == b"\r\n"
            assert self._take(2) == b"\r\n"
            return b"".join(chunks)
        if answer["Content-Length"] is not None:
            return self._take(int(answer["Content-Length"]))
        return self.until_closed()

    def get(self, target="/", *headers):
        return self.request(target, *headers).response()

    # ---- WebSocket ----

    def upgrade(self, target="/", *headers, early=b""):
        """A good opening handshake, with `early` sent right behind the request; returns the 101."""
        self.send(upgrade_request(target, *headers) + early)
        answer = self.response()
        assert answer.status == 101, answer
        assert answer["Sec-WebSocket-Accept"] == accept_for(SAMPLE_KEY)
        return answer

    def frame(self):
        """Reads one frame, which must be encoded as a server has to: unmasked, shortest length."""
        first, second = self._take(2)
        assert not second & 0x80, "the server masked a frame"
        length = second
        if second == 126:
            length = int.from_bytes(self._take(2), "big")
            assert length > 125, "length is not in its shortest form"
        elif second == 127:
            length = int.from_bytes(self._take(8), "big")
            assert length > 65535, "length is not in its shortest form"
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 15, self._take(length))

    def message(self):
        """Reads one frame that must be a whole text or binary message."""
        received = self.frame()
        assert received.fin and not received.rsv and received.opcode in (TEXT, BINARY), received
        return received.text if received.opcode == TEXT else received.payload

    def echo(self, payload):
        """Sends a text and expects it back."""
        assert self.text(payload).message() == payload

    def skip_to_close(self):
        """The close frame behind whatever else is on its way; then nothing but the end may follow."""
        while (received := self.frame()).opcode != CLOSE:
            pass
        assert self.until_closed() == b""
        return received

    def expect_close(self, code, reason=None):
        """The next frame must be a close with this code, and then the server hangs up."""
        received = self.frame()
        assert received.opcode == CLOSE and received.fin, received
        assert received.code == code, f"{received}, code {received.code} instead of {code}"
        if reason is not None:
            assert received.reason == reason
        assert self.until_closed() == b""


def upgrade_request(target="/", *headers, method="GET", replace=None):
    """A good handshake request; `replace` changes (or with None leaves out) single headers."""
    fields = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": SAMPLE_KEY,
        "Sec-WebSocket-Version": "13",
        **(replace or {}),
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, *headers, "", ""]).encode()


def open_websocket(port, target="/", *headers, **how):
    """A connection with the handshake done."""
    wire = Wire(port, **how)
    wire.upgrade(target, *headers)
    return wire
