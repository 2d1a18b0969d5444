"""What a peer sends, and what a script's callbacks leave behind, ends no worker and lets no peer hang."""

import pytest

from conftest import TESTS
from wire import Wire, open_websocket

INPUT_VARS_MAX = 1000  # max_input_vars
MANY = "&".join(f"a{number}=1" for number in range(INPUT_VARS_MAX + 200))
DEEP = "a" + "[a]" * 100 + "=1"  # max_input_nesting_level is 64
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture
def hostile(php_server):
    """php/hostile.php: its error handler throws."""
    return php_server(TESTS / "php/hostile.php", "PORT")


@pytest.mark.parametrize(
    "request_of, sizes",
    [
        ({"target": f"/?{MANY}"}, [INPUT_VARS_MAX, 0, 0]),
        ({"target": f"/?{DEEP}"}, [0, 0, 0]),
        ({"headers": [f"Cookie: {DEEP}; b=1"]}, [0, 1, 0]),
        ({"headers": [FORM], "method": "POST", "body": MANY.encode()}, [0, 0, INPUT_VARS_MAX]),
    ],
    ids=["too many in the query", "too deep in the query", "too deep a cookie", "too many in the body"],
)
def test_variables_php_warns_of_are_dropped(hostile, request_of, sizes):
    workers = hostile.workers(1)
    with Wire(hostile.port) as wire:
        how = {key: value for key, value in request_of.items() if key in ("method", "body")}
        answer = wire.request(request_of.get("target", "/"), *request_of.get("headers", []), **how).response()
        assert answer.status == 200
        # The script's own warnings still reach its error handler.
        assert answer.json() == [*sizes, "yes"]
        assert wire.get("/").json() == [0, 0, 0, "yes"]
    hostile.wait_output(r"WARNING\tconnection 1: variables beyond PHP's max_input_vars")
    assert hostile.workers(1) == workers


def test_an_upgrade_with_too_many_variables(hostile):
    with open_websocket(hostile.port, f"/?{MANY}") as wire:
        assert wire.message() == str(INPUT_VARS_MAX)
