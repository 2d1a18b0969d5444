"""The phpt tests of coroutines once more, each in a worker of a real server: what holds in a plain script holds there."""

import re
import subprocess

import pytest

from server import PHP, ROOT

TESTS = ROOT / "crates/php/tests/phpt"
SECONDS_MAX = 60

# What those of EXPECTF stand for (PHP's own run-tests.php says it so).
PATTERNS = {
    "%s": "[^\r\n]+",
    "%S": "[^\r\n]*",
    "%a": "(?s:.+)",
    "%A": "(?s:.*)",
    "%w": r"\s*",
    "%i": r"[+-]?\d+",
    "%d": r"\d+",
    "%x": "[0-9a-fA-F]+",
    "%f": r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?",
    "%c": ".",
    "%%": "%",
}


def sections(path):
    """The sections of a phpt test by name."""
    parts = re.split(r"^--([A-Z_]+)--\n", path.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def runs_in_workers(path):
    """Those that say so: a description that holds also in a worker."""
    return "in workers" in sections(path).get("DESCRIPTION", "")


CASES = sorted(path for path in TESTS.rglob("*.phpt") if runs_in_workers(path))


def pattern(expected):
    parts = re.split("(%[sSaAwidxfc%])", expected)
    return "".join(PATTERNS[part] if index % 2 else re.escape(part) for index, part in enumerate(parts))


@pytest.mark.parametrize("mode", ["base", "process"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_in_worker(path, mode, tmp_path):
    test = sections(path)
    script = tmp_path / f"{path.stem}.php"
    script.write_text(re.sub(r"\b(Swoole\\Coroutine|Co)\\run\b", r"Probe\\run", test["FILE"]))
    command = [*PHP, str(ROOT / "tests/php/in_worker.php"), mode, str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    wanted = pattern(test["EXPECTF"].strip()) if "EXPECTF" in test else re.escape(test["EXPECT"].strip())
    assert re.fullmatch(wanted, ran.stdout.strip()), f"{ran.stdout}\n{ran.stderr}"
    assert ran.returncode == 0


def test_there_are_some():
    assert CASES
