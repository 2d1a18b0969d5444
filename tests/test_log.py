"""The server's log: where it goes, what a line looks like, and that no line is lost while it is rotated."""

import collections
import json
import os
import re
import signal

import pytest

from conftest import TESTS
from server import free_port, php_command, run, wait_until
from wire import open_websocket

MODES = pytest.mark.parametrize("mode", ["base", "process"])
ROTATIONS = 25
ERROR, WARNING, E_ALL = 5, 4, 32767


@pytest.fixture
def service(php_server):
    """service(mode, set={…}, **config): starts php/service.php."""

    def start(mode, **config):
        return php_server(TESTS / "php/service.php", "PORT", json.dumps({"mode": mode} | config))

    return start


def do(wire, call, argument=None):
    wire.text(json.dumps([call, argument]))
    return json.loads(wire.message())


def open_files(pid, prefix):
    """What a process has open below a path."""
    found = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if target.startswith(str(prefix)):
            found.add(target)
    return found


# ---- where it goes, and how it looks ----


def test_lines(service, tmp_path):
    log = tmp_path / "a.log"
    server = service("process", set={"log_file": str(log), "worker_num": 1}, before="early")
    with open_websocket(server.port) as wire:
        pid = do(wire, "log", [ERROR, "one\ttwo"])["pid"]
        lines = log.read_text().splitlines()
    assert re.fullmatch(rf"\[\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \*{pid}\]\tERROR\tone\ttwo", lines[-1])
    # The log of a script that has no server yet is the standard output.
    assert re.search(r"^\[.*\]\tWARNING\tearly$", server.stdout, re.M)
    assert "early" not in "".join(lines)


@pytest.mark.parametrize("least", range(7))
def test_level_says_what_is_logged_and_nothing_else(service, tmp_path, least):
    log = tmp_path / "a.log"
    server = service("process", set={"log_file": str(log), "log_level": least, "worker_num": 1})
    with open_websocket(server.port) as wire:
        for level, name in enumerate(["DEBUG", "TRACE", "INFO", "NOTICE", "WARNING", "ERROR", "NONE"]):
            do(wire, "log", [level, f"as {name}"])
        reporting = do(wire, "level")["result"]
    ours = re.findall(r"\t(\w+)\tas (\w+)$", log.read_text(), re.M)
    names = ["DEBUG", "TRACE", "INFO", "NOTICE", "WARNING", "ERROR"][least:]
    assert ours == [(name, name) for name in names]
    assert reporting == E_ALL


def test_what_the_server_says_goes_by_level_too(service, tmp_path):
    for least, is_said in (ERROR, False), (WARNING, True):
        log = tmp_path / f"{least}.log"
        server = service("process", set={"log_file": str(log), "log_level": least, "worker_num": 1})
        with open_websocket(server.port) as wire:
            wire.send(b"\xff\xff\xff\xff\xff\xff")
            wire.skip_to_close()
        server.stop()
        assert bool(re.search(r"\tWARNING\tconnection 1 is failed with 1002", log.read_text())) == is_said


def test_date(service, tmp_path):
    # All conversions that there are.
    form = "".join(f"%{letter}" for letter in "aAbBcCdDeFgGhHIjklmMpPrRsSTuUVwWxXyYzZ%")
    log = tmp_path / "a.log"
    options = {"log_file": str(log), "log_date_format": f"<{form}", "log_date_with_microseconds": True, "worker_num": 1}
    server = service("process", set=options)
    with open_websocket(server.port) as wire:
        do(wire, "log", [ERROR, "hello"])
    assert re.search(r"^\[<.*%\.\d{6} \*\d+\]\tERROR\thello$", log.read_text(), re.M)
    assert "Warning" not in server.output


@pytest.mark.parametrize("form", ["%", "%Q", "%E", "a\nb", "%n", "", "x" * 101, 7])
def test_a_date_format_that_is_none(service, form):
    server = service("base", set={"log_date_format": form})
    assert "option [log_date_format] is " in server.output


@pytest.mark.parametrize(
    ("rotation", "pattern"), [(0, ""), (1, r"\.\d{6}"), (2, r"\.\d{8}"), (3, r"\.\d{10}"), (4, r"\.\d{12}")]
)
def test_rotation_by_time(service, tmp_path, rotation, pattern):
    server = service("process", set={"log_file": str(tmp_path / "a.log"), "log_rotation": rotation, "worker_num": 1})
    with open_websocket(server.port) as wire:
        do(wire, "log", [ERROR, "hello"])
    (name,) = [path.name for path in tmp_path.glob("a.log*") if "hello" in path.read_text()]
    assert re.fullmatch("a\\.log" + pattern, name)


def test_a_log_that_cannot_be_opened(tmp_path):
    config = {"set": {"log_file": str(tmp_path / "no/such/folder.log")}}
    ended = run(php_command(TESTS / "php/service.php", free_port(), json.dumps(config)))
    assert ended.returncode == 255
    wanted = f'log_file is "{tmp_path}/no/such/folder.log": wanted a file that this server can have: No such file'
    assert wanted in ended.stdout


# ---- it is rotated ----


@MODES
@pytest.mark.parametrize("signal_number", [signal.SIGWINCH, signal.SIGRTMIN, signal.SIGUSR1], ids=str)
def test_no_line_is_lost_while_it_is_rotated(service, tmp_path, mode, signal_number):
    log = tmp_path / "a.log"
    server = service(mode, set={"log_file": str(log), "worker_num": 3, "max_wait_time": 10}, lines=20)
    workers = wait_until(lambda: len(found := server.events()) >= 3 and found, "workers")
    for number in range(ROTATIONS):
        pattern = re.compile(r"\tline \d+\.", re.M)
        wait_until(lambda: log.exists() and len(pattern.findall(log.read_text())) > 50, f"lines in file {number}")
        log.rename(tmp_path / f"a.log.{number}")
        os.kill(server.pid, signal_number)
    wait_until(log.exists, "the last file")
    server.terminate()
    server.wait_exit()
    ends = {event["pid"]: event["lines"] for event in server.events() if event["event"] == "wrote"}
    assert len(ends) >= (3 * 2 if signal_number == signal.SIGUSR1 else 3) and len(workers) == 3
    numbers = collections.defaultdict(list)
    files = [*(tmp_path / f"a.log.{number}" for number in range(ROTATIONS)), log]
    for path in files:
        for line in path.read_text().splitlines():
            match = re.fullmatch(r"\[[-\d]+ [:\d]+ \*(\d+)\]\t(\w+)\t(.*)", line)
            assert match, f"{path.name} has a line that is none: {line!r}"
            if found := re.fullmatch(r"line (\d+)\.{100}", match[3]):
                numbers[int(match[1])].append(int(found[1]))
    # In the order in which they were written, each once; whatever file they went to.
    assert {pid: list(range(lines)) for pid, lines in ends.items() if lines} == dict(numbers)
    assert sum(ends.values()) > ROTATIONS * 50


@MODES
@pytest.mark.parametrize("signal_number", [signal.SIGWINCH, signal.SIGRTMIN], ids=str)
@pytest.mark.parametrize("to", ["master", "worker"])
def test_all_processes_reopen_it_though_nothing_happens(service, tmp_path, mode, signal_number, to):
    log = tmp_path / "a.log"
    server = service(mode, set={"log_file": str(log), "worker_num": 2})
    workers = server.workers(2)
    everybody = server.processes()
    assert all(open_files(pid, log) == {str(log)} for pid in everybody)
    old = tmp_path / "old"
    log.rename(old)
    os.kill(server.pid if to == "master" else workers[0], signal_number)
    who = everybody if to == "master" else workers[:1]
    wait_until(lambda: all(open_files(pid, tmp_path / "a") == {str(log)} for pid in who), "the new file")
    assert all(not open_files(pid, old) for pid in who)
    assert server.processes() == everybody


def test_a_file_that_cannot_be_made_costs_no_line(service, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    server = service("process", set={"log_file": str(folder / "a.log"), "worker_num": 1})
    with open_websocket(server.port) as wire:
        folder.rename(tmp_path / "moved")
        os.kill(server.pid, signal.SIGWINCH)
        do(wire, "log", [ERROR, "still there"])
        assert "still there" in (tmp_path / "moved/a.log").read_text()
        folder.mkdir()

        def goes_on():
            do(wire, "log", [ERROR, "again"])
            return (folder / "a.log").exists() and "again" in (folder / "a.log").read_text()

        wait_until(goes_on, "the new file")
