"""Five seconds of each part of soak.py, which `make soak` runs for longer."""

import pytest

from server import raise_descriptor_limit
from soak import PARTS, soak

SECONDS = 5


@pytest.mark.parametrize("name", PARTS)
def test_soak(name):
    raise_descriptor_limit()
    report = soak(name, SECONDS)
    print(f"\n{name}: {report}")
    assert report.messages and (report.kills or report.reloads or report.slept)
