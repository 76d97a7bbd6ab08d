# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node0.usage.termination import Terminated, heard_sigterm, kept_signals

COMMAND = """
import time, typer
from node0 import console
from node0.usage.scratch import scratch_directory
app = typer.Typer()

@app.command()
def wait() -> None:
    with scratch_directory("kind-") as place:
        print(place, flush=True)
        time.sleep(60)

raise SystemExit(console.run(app, [], name="wait"))
"""


@pytest.fixture
def default() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("default")
def test_sigterm_is_raised_inside_and_ends_the_process_again_behind() -> None:
    with pytest.raises(Terminated), heard_sigterm():
        signal.raise_signal(signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.usefixtures("default")
def test_who_listens_already_goes_on_listening() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))

    with heard_sigterm():
        signal.raise_signal(signal.SIGTERM)

    assert heard == [signal.SIGTERM]


def test_a_command_that_is_told_to_end_leaves_no_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-c", COMMAND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = process.stdout.readline().strip()
        process.terminate()
        _, said = process.communicate(timeout=30)

    assert (process.returncode, said.strip()) == (143, "ended by SIGTERM")
    assert place.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("default")
@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
@pytest.mark.parametrize("later", [None, RecursionError("half imported")], ids=["goes on", "fails"])
def test_a_signal_that_a_library_swallows_is_raised_behind_it(
    number: signal.Signals, raised: type[KeyboardInterrupt], later: Exception | None
) -> None:
    before = signal.getsignal(signal.SIGINT)

    with heard_sigterm(), pytest.raises(KeyboardInterrupt) as caught, kept_signals():
        with suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        if later is not None:
            raise later

    assert caught.type is raised
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("default")
def test_without_a_signal_an_error_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="mine"), heard_sigterm(), kept_signals():
        raise ValueError("mine")


@pytest.mark.usefixtures("default")
def test_who_listens_in_another_way_is_told_as_before() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))

    with kept_signals():
        signal.raise_signal(signal.SIGTERM)

    assert heard == [signal.SIGTERM]
