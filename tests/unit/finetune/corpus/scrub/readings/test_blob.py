# SPDX-License-Identifier: Apache-2.0
from node0.finetune.corpus.scrub.readings.blob import Blob


def test_a_blob_tells_its_place() -> None:
    assert Blob(3, 9, "text").span == (3, 9)
