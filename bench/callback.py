"""Counts the instructions that a message costs in the extension, from the queue to the end of the script's callback:
once with the callback called directly, once in a coroutine of its own that does not wait. Fails when that costs too much.

    callback.py
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from server import PHP, free_port, wait_until  # noqa: E402
from wire import TEXT, Wire, frame  # noqa: E402

# What a message in a coroutine may cost, as a multiple of the direct call.
RATIO_MAX = 1.3
# Of the two runs of each kind, so that what happens once cancels out.
ROUNDS = (1_000, 11_000)
SECONDS_MAX = 120
# All that is done for one item of the queue.
COUNTED = "*Dispatch*handle*"


def messages(port, count):
    """Sends so many messages, and waits until the last one is handled."""
    with Wire(port, timeout=SECONDS_MAX) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, "20 bytes of payload.") * (count - 1) + frame(TEXT, "last"))
        assert wire.message() == "done"


def instructions(count, coroutines):
    """What so many messages cost a worker."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        tool = ["valgrind", "--tool=callgrind", f"--toggle-collect={COUNTED}", f"--callgrind-out-file={folder}/%p"]
        script = [str(ROOT / "bench/callback.php"), str(port), str(int(coroutines))]
        server = subprocess.Popen([*tool, *PHP, *script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_open(port), "the server to listen", SECONDS_MAX)
            messages(port, count)
            server.terminate()
            assert server.wait(SECONDS_MAX) == 0
        finally:
            server.kill()
            server.wait()
        files = [file.read_text() for file in pathlib.Path(folder).iterdir()]
        return max(int(re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[1]) for text in files)


def is_open(port):
    try:
        with Wire(port):
            return True
    except ConnectionError:
        return False


def per_message(coroutines):
    few, many = (instructions(count, coroutines) for count in ROUNDS)
    return (many - few) / (ROUNDS[1] - ROUNDS[0])


def main():
    direct, coroutine = per_message(coroutines=False), per_message(coroutines=True)
    ratio = coroutine / direct
    print(f"a PHP callback: {direct:.0f} instructions; in a coroutine: {coroutine:.0f}, {ratio:.2f} times as many")
    return 0 if ratio <= RATIO_MAX else f"wanted at most {RATIO_MAX} times as many"


if __name__ == "__main__":
    sys.exit(main())
