# SPDX-License-Identifier: Apache-2.0
import random

import pytest
from secret_formats import FORMATS, WRITTEN, pieces_left

from node0.finetune.corpus.scrubber import CorpusScrubber

pytestmark = pytest.mark.integration
SAMPLES = 200
SCRUBBER = CorpusScrubber()


@pytest.mark.parametrize("form", WRITTEN)
def test_no_piece_is_left_of_two_hundred_secrets_of_each_format(form: str) -> None:
    leaks = []
    for name, make in FORMATS.items():
        rng = random.Random(f"{name} {form}")
        for _ in range(SAMPLES):
            whole, secret = make(rng)
            scrubbed, _ = SCRUBBER.scrub(WRITTEN[form](whole))
            if pieces_left(scrubbed, secret):
                leaks.append((name, WRITTEN[form](whole), scrubbed))

    assert leaks == []
