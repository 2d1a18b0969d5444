"""What a PHP script can learn about its connections, and in which order it hears of them."""

import json

import pytest

from server import wait_until
from wire import CLOSE, CONTINUATION, PING, TEXT, Wire, close_payload, frame, upgrade_request

WEBSOCKET_STATUS_ACTIVE, WEBSOCKET_STATUS_CLOSING = 3, 4
SESSION_CLOSING, SESSION_CLOSED, SESSION_NOT_EXIST = 1003, 1004, 1005
UNKNOWN_FD = 987654
INFO_KEYS = {
    "websocket_status": int,
    "server_port": int,
    "server_fd": int,
    "socket_fd": int,
    "socket_type": int,
    "remote_port": int,
    "remote_ip": str,
    "reactor_id": int,
    "connect_time": int,
    "last_time": int,
    "last_recv_time": float,
    "last_send_time": float,
    "last_dispatch_time": float,
    "close_errno": int,
    "recv_queued_bytes": int,
    "send_queued_bytes": int,
}


@pytest.fixture(params=["base", "process"])
def control(request, control_server):
    return control_server(mode=request.param)


def result(control, call, *arguments):
    """The result of a call that must raise no warning."""
    answer = control.do(call, *arguments)
    assert answer["warnings"] == [], answer
    return answer["result"]


def names(events):
    return [event["event"] for event in events]


# ---- existence ----


def test_exist_and_is_established(control):
    with control.client() as websocket, control.http_client() as http, Wire(control.port) as silent:
        silent.fd = control.fd_of(silent)
        for call in ("exist", "exists"):
            assert [result(control, call, wire.fd) for wire in (websocket, http, silent)] == [True] * 3
            assert result(control, call, UNKNOWN_FD) is False
        assert [result(control, "isEstablished", wire.fd) for wire in (websocket, http, silent)] == [True, False, False]
        assert result(control, "isEstablished", UNKNOWN_FD) is False
    for fd in (websocket.fd, http.fd, silent.fd):
        wait_until(lambda fd=fd: result(control, "exist", fd) is False, "the connection to be forgotten")
        assert result(control, "isEstablished", fd) is False


def test_upgrade_after_a_request_is_established(control):
    with control.http_client() as wire:
        assert result(control, "isEstablished", wire.fd) is False
        wire.upgrade()
        control.wait_event("open", fd=wire.fd)
        assert result(control, "isEstablished", wire.fd) is True


@pytest.mark.parametrize("call", ["getClientInfo", "connection_info"])
def test_client_info(control, call):
    with control.client() as wire:
        info = result(control, call, wire.fd)
        assert (
            info.items()
            >= {
                "websocket_status": WEBSOCKET_STATUS_ACTIVE,
                "server_port": control.port,
                "remote_port": wire.local_port,
                "remote_ip": "127.0.0.1",
                "socket_type": 1,
            }.items()
        )
        assert {key: type(info.get(key)) for key in INFO_KEYS} == INFO_KEYS
        assert info["connect_time"] <= info["last_time"] <= info["connect_time"] + 60

        def received_later():
            wire.echo("later")
            return result(control, call, wire.fd)["last_recv_time"] > info["last_recv_time"]

        # The clock of a pass counts milliseconds: one message may be too soon.
        wait_until(received_later, "a later last_recv_time")
    assert result(control, call, UNKNOWN_FD) is False


def test_client_info_of_a_plain_connection(control):
    with control.http_client() as wire:
        assert result(control, "getClientInfo", wire.fd)["websocket_status"] == 0


# ---- connections ----


def test_connections(control):
    with control.client() as one, control.http_client() as two, control.client() as three:
        pairs = result(control, "iterate")
        assert [key for key, _ in pairs] == list(range(1, len(pairs) + 1))
        fds = {fd for _, fd in pairs}
        assert fds > {one.fd, two.fd, three.fd}
        assert len(fds) == len(pairs) == result(control, "count") == 4  # and the one that asks
        there, info = result(control, "offset", one.fd)
        assert (there, info["remote_port"]) == (True, one.local_port)
        assert result(control, "offset", UNKNOWN_FD) == [False, False]
    wait_until(lambda: result(control, "count") == 1, "the others to leave")
    assert len(result(control, "iterate")) == 1


def test_connections_of_other_workers(control_server):
    control = control_server(set={"worker_num": 2})
    wires = [control.client() for _ in range(20)]
    infos = {wire.fd: result(control, "getClientInfo", wire.fd) for wire in wires}
    assert {info["reactor_id"] for info in infos.values()} == {0, 1}
    assert all(info.get("worker_id", 0) == info["reactor_id"] for info in infos.values())
    assert [infos[wire.fd]["remote_port"] for wire in wires] == [wire.local_port for wire in wires]
    assert {info["websocket_status"] for info in infos.values()} == {WEBSOCKET_STATUS_ACTIVE}
    listed = {fd for _, fd in result(control, "iterate")}
    assert listed > set(infos) and len(listed) == len(wires) + 1 == result(control, "count")
    assert result(control, "offset", wires[0].fd) == [True, infos[wires[0].fd]]
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: result(control, "count") == 1, "the others to leave")


def test_fds_count_from_one_and_are_not_reused(control):
    fds = []
    for _ in range(5):
        with control.client() as wire:
            fds.append(wire.fd)
    assert fds == [1, 2, 3, 4, 5]


# ---- order ----


def test_order_of_a_plain_request_and_a_websocket(control_server):
    control = control_server(without=["request"])
    with Wire(control.port) as http:
        assert http.get("/").status == 400
        assert http.until_closed() == b""
    with control.client() as wire:
        wire.send(frame(CLOSE, close_payload(1000))).skip_to_close()
    control.wait_event("close")
    heard = [(event["event"], event["fd"]) for event in control.events()]
    assert heard == [("connect", 1), ("disconnect", 1), ("connect", 2), ("open", 2), ("close", 2)]


def test_order_of_a_request_that_becomes_a_websocket(control):
    with control.http_client() as wire:
        wire.upgrade(early=frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b") + frame(TEXT, "c"))
        assert [wire.message(), wire.message()] == ["ab", "c"]
        wire.send(frame(CLOSE)).skip_to_close()
    control.wait_event("close", fd=wire.fd)
    heard = control.events(fd=wire.fd)
    assert names(heard) == ["connect", "request", "open", "message", "message", "close"]
    assert [event["data"] for event in heard if event["event"] == "message"] == ["ab", "c"]


def test_a_failed_handshake_ends_in_disconnect(control):
    with Wire(control.port) as wire:
        wire.send(upgrade_request(replace={"Sec-WebSocket-Key": None}))
        assert wire.response().status == 400
        wire.until_closed()
    control.wait_event("disconnect")
    assert names(control.events()) == ["connect", "disconnect"]


def test_the_server_disconnecting_ends_in_disconnect(control):
    with control.client() as wire:
        assert result(control, "disconnect", wire.fd) is True
        wire.expect_close(1000)
    assert control.wait_event("disconnect", fd=wire.fd)["reactor"] == -1
    assert names(control.events(fd=wire.fd)) == ["connect", "open", "disconnect"]
    # It comes before the method has returned.
    control.wait_event("done", do="disconnect")
    assert names(control.events("disconnect", "done")) == ["disconnect", "done"]


def test_the_server_closing_ends_in_close(control):
    with control.client() as wire:
        assert result(control, "close", wire.fd) is True
        wire.until_closed()
    assert control.wait_event("close", fd=wire.fd)["reactor"] == -1
    assert names(control.events(fd=wire.fd)) == ["connect", "open", "close"]


# ---- the last event ----


@pytest.mark.parametrize("end", ["close frame", "FIN"])
def test_inside_on_close(control, end):
    with control.client() as wire:
        if end == "close frame":
            wire.send(frame(CLOSE, close_payload(1000))).skip_to_close()
    closed = control.wait_event("close", fd=wire.fd)
    assert closed["reactor"] >= 0
    inside = closed["inside"]
    assert inside["status"] == WEBSOCKET_STATUS_ACTIVE
    assert_half_closed(inside)


def assert_half_closed(inside):
    """There, but nothing can be done with it; that is no mistake of the script's, so nothing warns."""
    assert (inside["exist"], inside["established"], inside["listed"]) == (True, True, True)
    assert inside["push"] == {"result": False, "error": SESSION_CLOSED, "warnings": []}
    assert inside["close"] == {"result": False, "error": SESSION_CLOSING, "warnings": []}


def test_inside_on_disconnect(control):
    with control.client() as wire:
        assert result(control, "disconnect", wire.fd) is True
        inside = control.wait_event("disconnect", fd=wire.fd)["inside"]
    assert inside["status"] == WEBSOCKET_STATUS_CLOSING
    assert_half_closed(inside)


# ---- frames as the script sees them ----


def test_message_properties(control):
    with control.client() as wire:
        wire.echo("text")
        wire.send(frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b"))
        assert wire.message() == "ab"
        for heard in control.events("message", fd=wire.fd):
            assert (heard["opcode"], heard["finish"], heard["flags"]) == (TEXT, True, 1 + 32)


def test_control_frames_as_messages(control_server):
    control = control_server(set={f"open_websocket_{name}_frame": True for name in ("ping", "pong", "close")})
    with control.client() as wire:
        wire.send(frame(PING, "ping") + frame(0xA, "pong")).echo("and no answer to the ping before this")
        wire.send(frame(CLOSE, close_payload(4000, "tschüß".encode()))).skip_to_close()
    control.wait_event("close", fd=wire.fd)
    heard = control.events(fd=wire.fd)
    assert names(heard) == ["connect", "open"] + ["message"] * 4 + ["close"]
    assert [(event["opcode"], event["data"]) for event in heard[2:4]] == [(9, "ping"), (10, "pong")]
    assert (heard[5]["opcode"], heard[5]["code"], heard[5]["reason"], heard[5]["data"]) == (8, 4000, "tschüß", "")


def test_push_of_frame_objects(control):
    with control.client() as wire:
        for properties, expected in [
            ({"data": "text"}, (TEXT, b"text")),
            ({"data": "binary", "opcode": 2}, (2, b"binary")),
            ({"data": "ping", "opcode": PING}, (PING, b"ping")),
        ]:
            assert result(control, "push", wire.fd, {"frame": properties}) is True
            got = wire.frame()
            assert (got.opcode, got.payload) == expected
        assert result(control, "push", wire.fd, 42) is True
        assert wire.message() == "42"
        assert result(control, "push", wire.fd, None) is True
        assert wire.message() == ""


# ---- the rest ----


def test_send_is_raw(control):
    with control.client() as wire:
        assert result(control, "send", wire.fd, {"packed": "a frame of my own"}) is True
        assert wire.message() == "a frame of my own"
    with control.http_client() as http:
        assert result(control, "send", http.fd, "HTTP/1.1 204 By Hand\r\n\r\n") is True
        assert http.response().reason == "By Hand"


def test_defer_runs_after_the_callback(control):
    control.do("defer")
    control.wait_event("deferred")
    assert names(control.events("done", "deferred")) == ["done", "deferred"]


def test_timers_of_the_server_object(control):
    result(control, "after", 1, ["a", 1])
    assert control.wait_event("after")["with"] == ["a", 1]
    timer = result(control, "tick", 1, ["b"])
    wait_until(lambda: len(control.events("tick")) >= 3, "three ticks")
    assert result(control, "clearTimer", timer) is True
    assert {(tick["timer"], *tick["with"]) for tick in control.events("tick")} == {(timer, "b")}
    assert result(control, "clearTimer", timer) is False
    answer = control.do("tick", 0, [])
    assert answer["result"] is False and len(answer["warnings"]) == 1


def test_last_error_is_kept(control):
    assert control.do("push", UNKNOWN_FD, "x")["error"] == SESSION_NOT_EXIST
    assert result(control, "isEstablished", UNKNOWN_FD) is False
    assert result(control, "getLastError") == SESSION_NOT_EXIST


def test_properties(control_server):
    control = control_server(set={"open_websocket_ping_frame": True, "max_wait_time": 5})
    seen = result(control, "properties")
    (worker,) = control.server.workers(1)
    assert (seen["host"], seen["port"]) == ("127.0.0.1", control.port)
    assert (seen["type"], seen["ssl"], seen["mode"]) == (1, False, 1)
    assert (seen["worker_id"], seen["taskworker"]) == (0, False)
    assert seen["worker_pid"] == seen["own_pid"] == worker
    assert seen["master_pid"] == control.server.pid
    assert seen["manager_pid"] in control.server.processes()
    assert seen["manager_pid"] != worker
    expected = {"open_websocket_ping_frame": True, "max_wait_time": 5, "worker_num": 1, "open_websocket_protocol": True}
    assert seen["setting"].items() >= expected.items(), json.dumps(seen["setting"])
