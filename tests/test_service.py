"""A server as a service: its pid file, without a terminal, workers that are somebody else."""

import json
import os
import pathlib
import pwd
import re
import signal
import subprocess

import pytest

from conftest import TESTS, start_rust
from server import RUST_ECHO, descendants, free_port, php_command, process_status, run, rust_command, tcp_sockets, wait_until
from wire import open_websocket

MODES = pytest.mark.parametrize("mode", ["base", "process"])
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
SOMEBODY = pwd.getpwnam("nobody")


@pytest.fixture
def service(php_server):
    """service(mode, set={…}, **config): starts php/service.php."""

    def start(mode, **config):
        return php_server(TESTS / "php/service.php", "PORT", json.dumps({"mode": mode} | config))

    return start


@pytest.fixture
def daemon(tmp_path):
    """daemon(mode, **options): (how the command ended, the daemon's pid, its port); it is ended afterwards."""
    started = []

    def start(mode, port=None, **options):
        port = port or free_port()
        options = {"daemonize": True, "pid_file": str(tmp_path / "pid")} | options
        command = php_command(TESTS / "php/service.php", port, json.dumps({"mode": mode, "set": options}))
        command = [str(part) for part in command]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=tmp_path)
        path = tmp_path / "pid"
        pid = int(path.read_text()) if path.exists() and not ended.returncode else None
        if pid:
            started.append((pid, process_status(pid)[2]))
        return ended, pid, port

    yield start
    for pid, began in started:
        if (status := process_status(pid)) and status[2] == began:
            os.kill(pid, signal.SIGKILL)


def do(wire, call, argument=None):
    wire.text(json.dumps([call, argument]))
    return json.loads(wire.message())


def numbers(pid):
    """The users, groups and further groups of a process, as /proc tells."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    users, groups, more = (re.search(rf"^{name}:(.*)$", status, re.M)[1].split() for name in ("Uid", "Gid", "Groups"))
    return set(map(int, users)), set(map(int, groups)), set(map(int, more))


# ---- all that is wrong at once ----


def test_all_that_is_wrong_with_a_start_is_said_at_once(tmp_path):
    options = {
        "user": "nobody-knows-him",
        "group": "nor-them",
        "chroot": str(tmp_path / "no-folder"),
        "pid_file": str(tmp_path / "no/pid"),
        "log_file": str(tmp_path / "no/log"),
        "buffer_low_watermark": 10,
        "buffer_high_watermark": 5,
    }
    command = php_command(TESTS / "php/service.php", free_port(), json.dumps({"set": options}))
    ended = run(command)
    assert ended.returncode == 255
    (said,) = re.findall("Uncaught Swoole.Exception: failed to start the server: (.*) in ", ended.stdout)
    assert {part.split()[0] for part in said.split("; ")} == set(options) - {"buffer_high_watermark"}
    assert 'user is "nobody-knows-him": wanted a user of this system' in said
    assert "buffer_low_watermark is 10: wanted less than buffer_high_watermark" in said
    assert not (tmp_path / "pid").exists()


def test_a_start_that_fails_leaves_no_pid_file(tmp_path):
    options = {"pid_file": str(tmp_path / "pid"), "log_file": str(tmp_path / "no/log")}
    assert run(php_command(TESTS / "php/service.php", free_port(), json.dumps({"set": options}))).returncode == 255
    assert list(tmp_path.iterdir()) == []


# ---- pid_file ----


@MODES
def test_the_pid_file_is_there_as_long_as_the_server(service, tmp_path, mode):
    path = tmp_path / "pid"
    server = service(mode, set={"pid_file": "pid"})
    wait_until(lambda: path.exists() and path.read_text(), "the pid")
    assert int(path.read_text()) == server.pid
    with open_websocket(server.port) as wire:
        assert do(wire, "pid")["result"] == server.pid
        workers = server.workers(2)
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: not set(server.workers(2)) & set(workers), "other workers")
    assert int(path.read_text()) == server.pid
    server.terminate()
    assert server.wait_exit() == 0
    assert not path.exists()


def test_the_pid_file_of_a_server_that_runs_is_refused(service, tmp_path):
    path = tmp_path / "pid"
    server = service("process", set={"pid_file": str(path)})
    wait_until(lambda: path.exists() and path.read_text(), "the pid")
    config = json.dumps({"set": {"pid_file": str(path)}})
    ended = run(php_command(TESTS / "php/service.php", free_port(), config))
    assert ended.returncode == 255
    wanted = f'pid_file is "{path}": wanted a file that this server can have: the server of process {server.pid} has it'
    assert wanted in ended.stdout
    assert int(path.read_text()) == server.pid


@pytest.mark.parametrize("left", ["killed", "a process that is no server", "zeros"])
def test_a_pid_file_that_was_left_behind_is_replaced(service, tmp_path, left):
    path = tmp_path / "pid"
    if left == "killed":
        killed = service("process", set={"pid_file": str(path)})
        wait_until(lambda: path.exists() and path.read_text(), "the pid")
        killed.terminate(signal.SIGKILL)
        wait_until(lambda: not killed.remaining(), "the end of all its processes")
        assert int(path.read_text()) == killed.pid
    else:
        path.write_text(str(os.getpid()) if left.startswith("a process") else "\0" * 8)
    server = service("process", set={"pid_file": str(path)})
    wait_until(lambda: path.read_text() == f"{server.pid}\n", "the pid")


def test_a_pid_file_that_is_something_else_is_left_alone(tmp_path):
    path = tmp_path / "notes"
    path.write_text("nonsense\n")
    config = json.dumps({"mode": "process", "set": {"pid_file": str(path)}})
    ended = run(php_command(TESTS / "php/service.php", free_port(), config))
    assert ended.returncode == 255
    assert f'pid_file is "{path}": wanted a file that this server can have: something else' in ended.stdout
    assert path.read_text() == "nonsense\n"


# ---- daemonize ----


@MODES
def test_a_daemon(daemon, tmp_path, mode):
    log = tmp_path / "log"
    ended, pid, port = daemon(mode, log_file=str(log))
    # It listens already, and has no terminal, parent or output of whoever started it.
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert tcp_sockets(port, "0A")
    with open_websocket(port) as wire:
        worker = do(wire, "log", [5, "to the log"])
        do(wire, "echo", "printed")
        assert do(wire, "who")["result"][3] == str(tmp_path)
        assert do(wire, "pid")["result"] == pid
    everybody = {pid, *descendants(pid)}
    assert worker["pid"] in everybody
    for process in everybody:
        streams = [os.readlink(f"/proc/{process}/fd/{number}") for number in range(3)]
        assert streams == ["/dev/null", str(log), str(log)]
        session, terminal = (pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[i] for i in (3, 4))
        assert int(terminal) == 0 and int(session) not in (os.getsid(0), pid)
    assert "to the log\n" in log.read_text() and "\nprinted\n" in log.read_text()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not any(map(process_status, everybody)), "the end")
    assert log.read_text().endswith(f'{{"event":"ended","pid":{pid}}}\n')
    assert not (tmp_path / "pid").exists()


def test_a_daemons_output_follows_its_log(daemon, tmp_path):
    log = tmp_path / "log"
    _, pid, port = daemon("process", log_file=str(log), worker_num=1)
    with open_websocket(port) as wire:
        do(wire, "echo", "before")
        log.rename(tmp_path / "old")
        os.kill(pid, signal.SIGWINCH)
        wait_until(log.exists, "the new file")

        def goes_there():
            do(wire, "echo", "after")
            return "after" in log.read_text()

        wait_until(goes_there, "output in the new file")
    assert "before" in (tmp_path / "old").read_text()
    for process in {pid, *descendants(pid)}:
        wait_until(lambda p=process: os.readlink(f"/proc/{p}/fd/1") == str(log), "the new file everywhere")


def test_a_daemon_without_a_log_prints_nowhere(daemon, tmp_path):
    _, pid, port = daemon("base")
    with open_websocket(port) as wire:
        worker = do(wire, "echo", "into the void")["pid"]
    assert [os.readlink(f"/proc/{worker}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]


def test_what_keeps_a_daemon_from_starting_is_said_where_it_is_started(daemon, service, tmp_path):
    ended, _, _ = daemon("process", log_file=str(tmp_path / "no/log"))
    assert ended.returncode == 255 and "log_file is" in ended.stdout
    server = service("process")
    ended, _, _ = daemon("process", port=server.port)
    assert ended.returncode == 255 and "Address already in use" in ended.stdout


def test_a_daemon_that_ends_before_it_is_ready(tmp_path):
    script = tmp_path / "a.php"
    script.write_text("""<?php
$server = new Swoole\\Server('127.0.0.1', 0);
$server->set(['daemonize' => true, 'log_file' => 'log']);
$server->on('receive', 'strlen');
$server->on('start', fn () => throw new Exception('not today'));
$server->start();
""")
    ended = subprocess.run(
        [str(part) for part in php_command(script)], capture_output=True, text=True, timeout=20, cwd=tmp_path
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "the server ended before it was ready, its log may say why\n"
    assert "not today" in (tmp_path / "log").read_text()


# ---- user, group, chroot ----


@AS_ROOT
@MODES
@pytest.mark.parametrize("by", ["name", "number"])
def test_workers_are_somebody_else(service, tmp_path, mode, by):
    log = tmp_path / "log"
    options = {"user": SOMEBODY.pw_name if by == "name" else SOMEBODY.pw_uid, "log_file": str(log), "worker_num": 2}
    server = service(mode, set=options)
    uid, gid = SOMEBODY.pw_uid, SOMEBODY.pw_gid
    groups = set(os.getgrouplist(SOMEBODY.pw_name, gid))
    workers = server.workers(2)
    for pid in workers:
        wait_until(lambda p=pid: numbers(p) == ({uid}, {gid}, groups), "who they are to be")
    assert all(numbers(pid)[:2] == ({0}, {0}) for pid in set(server.processes()) - set(workers))
    # So are those that replace them.
    os.kill(server.pid, signal.SIGUSR1)
    workers = wait_until(lambda: not set(now := server.workers(2)) & set(workers) and now, "other workers")
    for pid in workers:
        wait_until(lambda p=pid: numbers(p) == ({uid}, {gid}, groups), "who they are to be")
    assert (log.stat().st_uid, log.stat().st_gid) == (uid, gid)
    with open_websocket(server.port) as wire:
        assert do(wire, "who")["result"][:2] == [uid, gid]
        # What only root may read, they may not.
        assert do(wire, "read", "/etc/shadow")["result"] is False


@AS_ROOT
def test_a_group_alone(service):
    server = service("process", set={"group": "daemon", "worker_num": 1})
    (worker,) = server.workers(1)
    wait_until(lambda: numbers(worker) == ({0}, {1}, {1}), "the group")


@AS_ROOT
@MODES
def test_a_worker_that_is_somebody_else_leaves_when_the_server_is_killed(service, mode):
    server = service(mode, set={"user": SOMEBODY.pw_name, "worker_num": 2})
    server.workers(2)
    server.processes()
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait(10)
    wait_until(lambda: not server.remaining(), "the end of all")


@AS_ROOT
def test_workers_that_are_somebody_else_follow_the_log(service, tmp_path):
    # A folder that is not theirs: the master makes the file, and it is theirs.
    log = tmp_path / "log"
    server = service("process", set={"user": SOMEBODY.pw_name, "log_file": str(log), "worker_num": 1})
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(0o755)
    with open_websocket(server.port) as wire:
        log.rename(tmp_path / "old")
        os.kill(server.pid, signal.SIGWINCH)

        def goes_there():
            do(wire, "log", [5, "from a worker"])
            return log.exists() and "from a worker" in log.read_text()

        wait_until(goes_there, "the worker's line in the new file")
    assert log.stat().st_uid == SOMEBODY.pw_uid


@AS_ROOT
def test_chroot(service, tmp_path):
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    (root / "inside").write_text("found")
    options = {"chroot": str(root), "user": SOMEBODY.pw_name, "log_file": str(log), "worker_num": 1}
    server = service("process", set=options)
    with open_websocket(server.port) as wire:
        assert do(wire, "read", "/inside")["result"] == "found"
        assert do(wire, "who")["result"][3:] == ["/", False]
        do(wire, "log", [5, "one"])
        log.rename(tmp_path / "old")
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(log.exists, "the new file")

        def goes_there():
            do(wire, "log", [5, "two"])
            return "two" in log.read_text()

        wait_until(goes_there, "a line of the new worker's")
    assert "one" in (tmp_path / "old").read_text()
    assert [path.name for path in root.iterdir()] == ["inside"]


# ---- signals and titles ----


@MODES
def test_signals_that_change_nothing(service, mode):
    server = service(mode, set={"worker_num": 2})
    with open_websocket(server.port) as wire:
        workers, everybody = server.workers(2), server.processes()
        for pid in everybody:
            ignored = [signal.SIGHUP, signal.SIGPIPE, signal.SIGWINCH, signal.SIGRTMIN, signal.SIGUSR2]
            for number in ignored + ([signal.SIGUSR1, signal.SIGINT] if pid in workers else []):
                os.kill(pid, number)
        do(wire, "pid")
        # Whoever dies of one of them is replaced, or is missing, before a later signal to the same process is handled.
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: not set(server.workers(2)) & set(workers), "other workers")
    assert set(everybody) - set(workers) <= set(server.processes())
    assert "ERROR" not in server.output


@MODES
def test_a_worker_has_a_title(service, mode):
    server = service(mode, set={"worker_num": 1})
    with open_websocket(server.port) as wire:
        answer = do(wire, "title", "chat: worker")
        assert answer["result"] is True
        assert pathlib.Path(f"/proc/{answer['pid']}/cmdline").read_text().rstrip("\0") == "chat: worker"
        assert b"service.php" in pathlib.Path(f"/proc/{server.pid}/cmdline").read_bytes()


# ---- the same in Rust ----


def test_the_example_of_a_graceful_reload(start_server, tmp_path):
    def start(name, port):
        program = RUST_ECHO.with_name("graceful_reload")
        return start_server([program, "--port", port, "--workers", 1, "--pid-file", tmp_path / name], port)

    one = start("one", free_port())
    with open_websocket(one.port) as wire:
        before = wire.text("who").message()
        os.kill(int((tmp_path / "one").read_text()), signal.SIGUSR1)
        wait_until(lambda: wire.text("who").message() != before, "another worker")
        again = wire.text("who").message()
        wait_until(lambda: wire.text("reload").message() == "the workers are replaced", "a second reload")
        wait_until(lambda: wire.text("who").message() != again, "another worker")
        two = start("two", one.port)
        wait_until(lambda: len(tcp_sockets(one.port, "0A")) == 2, "both servers")
        os.kill(int((tmp_path / "one").read_text()), signal.SIGTERM)
        assert wire.skip_to_close().code == 1001
    assert one.wait_exit() == 0
    with open_websocket(one.port) as wire:
        assert int(wire.text("who").message().split()[1]) in two.processes()


@pytest.mark.parametrize("mode", ["base", "process", "thread"])
def test_rust_pid_file(start_server, tmp_path, mode):
    path = tmp_path / "pid"
    server = start_rust(start_server, mode, pid_file=path)
    wait_until(lambda: path.exists() and path.read_text() == f"{server.pid}\n", "the pid")
    second = run([*server.command[:1], "--port", free_port(), "--pid-file", path])
    assert second.returncode == 1 and f"the server of process {server.pid} has it" in second.stderr
    server.terminate()
    assert server.wait_exit() == 0 and not path.exists()


@AS_ROOT
@MODES
def test_rust_user(start_server, mode):
    server = start_rust(start_server, mode, workers=2, user=SOMEBODY.pw_name)
    for pid in server.workers(2):
        wait_until(lambda p=pid: numbers(p)[:2] == ({SOMEBODY.pw_uid}, {SOMEBODY.pw_gid}), "who they are to be")
    assert numbers(server.pid)[:2] == ({0}, {0})
    with open_websocket(server.port) as wire:
        wire.echo("hello")


def test_rust_threads_are_nobody_else(start_server):
    ended = run(rust_command("--port", free_port(), "--user", "nobody", "--group", "daemon"))
    assert ended.returncode == 1
    assert 'user is "nobody": wanted a mode with worker processes; group is "daemon": wanted' in ended.stderr
