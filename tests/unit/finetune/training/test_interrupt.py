# SPDX-License-Identifier: Apache-2.0
import signal

import pytest

from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.interrupt import telling_what_is_kept, watch_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_ctrl_c_after_it_interrupts(number):
    with watch_signals() as interrupt:
        signal.raise_signal(number)
        noted = interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert noted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_request_to_end_hurries_nothing(number):
    with watch_signals() as interrupt:
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)

        assert interrupt.requested


def test_the_first_signal_ends_what_the_step_waits_for_once():
    told = []
    with watch_signals(on_request=lambda: told.append("stop")):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    assert told == ["stop"]


def test_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    with watch_signals():
        pass

    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGINT, "finishing step 8, then saving; again to quit without\n"),
        (signal.SIGTERM, "finishing step 8, then saving\n"),
    ],
)
def test_the_first_signal_is_answered_at_once_and_once(number, said, capsys):
    with watch_signals(lambda: 8):
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)

    assert capsys.readouterr().err == said


@pytest.mark.parametrize(("steps", "kept"), [([3, 12], "step 12 is kept"), ([], "no step is kept")])
def test_leaving_in_a_hurry_tells_the_step_that_is_kept(steps, kept, tmp_path, caplog):
    run = RunDirectory(tmp_path)
    for step in steps:
        run.state(step).mkdir(parents=True)

    with pytest.raises(KeyboardInterrupt), watch_signals() as interrupt, telling_what_is_kept(interrupt, run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    assert kept in caplog.text


def test_leaving_after_the_step_was_saved_tells_nothing_more(tmp_path, caplog):
    with (
        pytest.raises(KeyboardInterrupt),
        watch_signals() as interrupt,
        telling_what_is_kept(interrupt, RunDirectory(tmp_path)),
    ):
        signal.raise_signal(signal.SIGINT)
        raise KeyboardInterrupt

    assert caplog.text == ""
