# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.review.audit_entries import audit_entries


def test_an_audit_flags_what_rules_of_today_find_and_names_its_report(
    town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (town / ".corpus" / "mayor" / "one.json").read_bytes()
    (town / ".models").mkdir(exist_ok=True)
    (town / ".models" / "settings.yaml").write_text("scrub: {deny: [use]}\n")

    audit_entries(town, role=None, strict=False, as_json=True)

    out, err = capsys.readouterr()
    (report,) = json.loads(out)
    assert sorted(report["flagged"]) == ["one", "two"]
    (path,) = (town / ".corpus").glob("audit-report-*.json")
    assert err.splitlines()[-1] == f"2 entries audited, 2 flagged; report: {path}"
    assert (town / ".corpus" / "mayor" / "one.json").read_bytes() == before
