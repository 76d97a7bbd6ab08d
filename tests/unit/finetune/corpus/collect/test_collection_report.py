# SPDX-License-Identifier: Apache-2.0
from collections import Counter

from node0.finetune.corpus.collect.collection_report import CollectionReport


def test_a_report_is_a_table_of_what_which_and_how_many() -> None:
    report = CollectionReport(sessions=2, exact_calls=5, reconstructed_calls=1)
    report.entries += Counter({"updated": 1, "new": 3})
    report.skipped["event that cannot be read"] += 4

    rows = [tuple(row.values()) for row in report.rows()]

    assert rows == [
        ("sessions", "read", 2),
        ("requests", "exact", 5),
        ("requests", "reconstructed", 1),
        ("entries", "new", 3),
        ("entries", "updated", 1),
        ("skipped", "event that cannot be read", 4),
    ]
