"""What /openapi.json says is true: requests made from it meet no failure, and no answer that it does not tell of."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.web.stage import KINDS, Served, write

# The stream of events has no end, and a client of this kind waits for one: tests/web/test_events.py has it.
ENDLESS = "/api/host/events/.*"
# Checks that say nothing here, and why.
LEFT_OUT = {
    "positive_data_acceptance": "a device, a file or a range that fits its schema need not be there",
    "negative_data_rejection": "numbers and texts of a path are read as generously as HTTP servers do: `05` is 5",
}


@pytest.mark.timeout(120)
def test_the_description_is_true(root: Path, tmp_path: Path, serve: Callable[..., Served]) -> None:
    now = time.time()
    for kind, name in KINDS.items():
        write(root / "capture1" / kind / name.format(1), now + 600)
        write(root / "capture1" / kind / "3" / name.format(2), now - 60)
    served = serve()
    command = [sys.executable, "-c", "import schemathesis.cli; schemathesis.cli.schemathesis()", "run"]
    options = ["--exclude-path-regex", ENDLESS, "--exclude-checks", ",".join(LEFT_OUT), "--max-examples", "25"]
    url = f"http://127.0.0.1:{served.port}/openapi.json"
    found = subprocess.run(
        [*command, url, *options, "--no-color", "--seed", "1", "--workers", "2"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=100,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Traceback" not in served.log.read_text("utf-8")
