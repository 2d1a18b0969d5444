"""A peer: the Python package websockets. `python bench/peers/websockets_server.py PORT echo|broadcast|deflate`"""

import asyncio
import sys

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

MESSAGE_BYTES_MAX = 64 << 20

port, job = int(sys.argv[1]), sys.argv[2]
everybody = set()


async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass


async def to_everybody(connection):
    everybody.add(connection)
    try:
        async for message in connection:
            broadcast(everybody, message)
    except ConnectionClosed:
        pass
    finally:
        everybody.discard(connection)


def deflate():
    return ServerPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True, compress_settings={"level": 1, "memLevel": 8}
    )


async def main():
    # No pings: they would be answers that nobody asked for.
    async with serve(
        to_everybody if job == "broadcast" else echo,
        "127.0.0.1",
        port,
        backlog=1024,
        compression=None,
        extensions=[deflate()] if job == "deflate" else None,
        max_size=MESSAGE_BYTES_MAX,
        ping_interval=None,
    ) as server:
        await server.serve_forever()


asyncio.run(main())
