"""The Python package websockets: `peer.py serve [PORT]` echoes in random fragments, `peer.py drive URL SEED COUNT
[--deflate]` sends random messages, checks that they come back, and prints how many."""

import asyncio
import random
import sys
import zlib

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

LARGEST = 16 << 20
DRIVE_SECONDS_MAX = 50
EDGES = [0, 1, 125, 126, 127, 65535, 65536, 65537]
WORDS = ["alpha", " ", "\n", "Grüße", "€", "𝄞", "漢字", "\0", '{"id":1}', "\U0010ffff"]
LAST_CHARACTERS = [0x7F, 0x7FF, 0xD7FF, 0x10FFFF]
BLOCK_CHARACTERS = 100_000  # that many are repeated, from beyond where deflate looks back


class Failed(Exception):
    """What did not come back as it was sent."""


def fill(characters, length):
    """Exactly `length` bytes of UTF-8."""
    block = "".join(characters).encode() or b"x"
    text = (block * (length // len(block) + 1))[:length].decode(errors="ignore").encode()
    return (text + b"x" * (length - len(text))).decode()


def words(rng, length):
    return fill(rng.choices(WORDS, k=min(length, BLOCK_CHARACTERS)), length)


def character(rng):
    """One of one to four bytes."""
    code = rng.randint(0, rng.choice(LAST_CHARACTERS))
    return "€" if 0xD800 <= code < 0xE000 else chr(code)


def characters(rng, length):
    return fill((character(rng) for _ in range(min(length, BLOCK_CHARACTERS))), length)


def message_length(rng):
    """Mostly short."""
    near_one_mebibyte = (1 << 20) - 2 + rng.randrange(5)
    lengths = [rng.randrange(300), rng.choice(EDGES), rng.randrange(10_000), rng.randrange(200_000), near_one_mebibyte]
    return rng.choices(lengths, [40, 25, 25, 7, 3])[0]


def random_message(rng, length):
    """Text as str, binary as bytes."""
    make = rng.choices(
        [
            lambda: words(rng, length),
            lambda: characters(rng, length),
            lambda: bytes([rng.randrange(256)]) * length,
            lambda: words(rng, length).encode(),
            lambda: zlib.compress(rng.randbytes(length), 1)[:length],
            lambda: rng.randbytes(length),
        ],
        [3, 2, 1, 1, 1, 2],
    )
    return make[0]()


async def send(socket, rng, message, pongs):
    """In random fragments, with no regard for where characters end, and with pings in between."""
    payload = message.encode() if isinstance(message, str) else message
    ends = [len(payload)]
    if rng.random() < 0.4:
        # Some cuts are the same, and some at the ends: these make empty fragments.
        count = rng.randint(1, 40 if rng.random() < 0.2 else 7)
        ends += [rng.choice([0, len(payload), *[rng.randint(0, len(payload))] * 4]) for _ in range(count)]
    ends.sort()

    async def fragments():
        start = 0
        for end in ends:
            yield payload[start:end]
            start = end
            await ping()

    async def ping():
        if rng.random() < 0.1:
            # websockets refuses the payload of a ping that has no answer yet.
            number = len(pongs).to_bytes(4)
            pongs.append(await socket.ping(number + rng.randbytes(rng.randrange(122))))

    text = isinstance(message, str)
    if len(ends) > 1:
        await socket.send(fragments(), text=text)
    else:
        await socket.send(payload, text=text)
    await ping()


async def receive(socket, batch, count):
    for number, expected in enumerate(batch, count + 1):
        message = await socket.recv()
        place = f"message {number} ({type(expected).__name__}, {len(expected)} long) came back"
        if type(message) is not type(expected):
            raise Failed(f"{place} as {type(message).__name__}")
        if message != expected:
            raise Failed(f"{place} different, {len(message)} long")


async def drive(url, seed, count, deflate):
    rng = random.Random(seed)
    offer = ClientPerMessageDeflateFactory(
        server_no_context_takeover=rng.random() < 0.5,
        client_no_context_takeover=rng.random() < 0.5,
        server_max_window_bits=rng.choice([None, rng.randint(9, 15)]),
        client_max_window_bits=rng.choice([None, True, rng.randint(9, 15)]),
        compress_settings={"level": rng.choice([1, 6])},
    )
    how = {"compression": None, "max_size": None, "proxy": None, "ping_interval": None}
    async with connect(url, extensions=[offer] if deflate else None, **how) as socket:
        extensions = socket.response.headers.get("Sec-WebSocket-Extensions", "")
        if bool(extensions) != deflate:
            raise Failed(f"the server answers {extensions!r}")
        pongs = []
        longest, came = rng.randrange(count), 0
        while came < count:
            size = min(rng.randint(2, 8) if rng.random() < 0.33 else 1, count - came)
            lengths = [LARGEST if number == longest else message_length(rng) for number in range(came, came + size)]
            batch = [random_message(rng, length) for length in lengths]

            async def send_all(batch=batch):
                for message in batch:
                    await send(socket, rng, message, pongs)

            # At once: the server may want to be read from before it reads on.
            await asyncio.gather(send_all(), receive(socket, batch, came))
            came += size
        if pongs:
            await pongs[-1]
        await socket.close(1000, "done")
        if socket.close_code != 1000:
            raise Failed(f"closed with {socket.close_code}, not 1000, after {came} messages")
        try:
            raise Failed(f"{len(await socket.recv())} bytes more than asked for")
        except ConnectionClosed:
            print(f"{came} messages came back, close 1000, {extensions or 'no extension'}")


async def echo(socket):
    rng, pongs = random.Random(1), []
    async for message in socket:
        await send(socket, rng, message, pongs)


async def serve_forever(port):
    async with serve(echo, "127.0.0.1", port, max_size=None, ping_interval=None) as server:
        print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


def main(role, *arguments):
    if role == "serve":
        asyncio.run(serve_forever(int(arguments[0]) if arguments else 0))
        return
    url, seed, count = arguments[0], int(arguments[1]), int(arguments[2])
    try:
        driven = drive(url, seed, count, "--deflate" in arguments)
        asyncio.run(asyncio.wait_for(driven, DRIVE_SECONDS_MAX))
    except TimeoutError:
        sys.exit(f"not done after {DRIVE_SECONDS_MAX} s")
    except (Failed, ConnectionClosed, OSError) as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main(*sys.argv[1:])
