# SPDX-License-Identifier: Apache-2.0
import signal

import pytest

from node0.finetune.training.interrupt import watch_signals


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


def test_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    with watch_signals():
        pass

    assert signal.getsignal(signal.SIGINT) is before
