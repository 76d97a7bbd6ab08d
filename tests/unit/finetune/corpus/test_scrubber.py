# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from node0.finetune.corpus.known.found_secrets import FoundSecrets
from node0.finetune.corpus.known.known_secrets import KnownSecrets
from node0.finetune.corpus.known.machine_secrets import MachineSecrets
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrubber import CorpusScrubber

SCRUBBER = CorpusScrubber()
SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


def test_an_entry_is_scrubbed_in_every_string() -> None:
    secret = SECRET
    call = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "Bash",
        "input": {"command": secret, secret: ["jane@harbor-yard.net"]},
    }
    told = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": f"{secret} /home/jane"}],
    }
    entry = CorpusEntry(
        id="a", role="polecat", rig=secret, task_type="t", outcome="o", created_at="",
        messages=[{"role": "assistant", "content": [call]}, {"role": "user", "content": [told]}],
        chosen=[{"role": "assistant", "content": secret}],
        systems={"s": f"mail jane@harbor-yard.net {secret}"},
        toolsets={"t": [{"name": "Bash", "description": secret, "input_schema": {"default": secret}}]},
        tools=[{"name": secret}],
    )  # fmt: skip

    scrubbed, redacted, quarantined = SCRUBBER.scrub_entry(entry)

    text = scrubbed.model_dump_json()
    assert secret not in text
    assert "jane" not in text
    assert "[EMAIL_1]" in scrubbed.systems["s"]
    assert "[EMAIL_1]" in str(scrubbed.messages[0])
    assert "[EMAIL_2]" not in text
    assert redacted["github-token"] == 9
    assert not quarantined
    assert not scrubbed.quarantined
    assert scrubbed.scrub_version == SCRUBBER.version
    assert scrubbed.messages[0]["content"][0]["id"] == scrubbed.messages[1]["content"][0]["tool_use_id"]
    assert SCRUBBER.scrub_entry(scrubbed).entry == scrubbed


def test_the_name_of_a_field_gives_its_value_away() -> None:
    secrets = ["Tr0ub4dorAnd3", "hunter2hunter2", "aB3dE5gH7jK9mN1pQ3"]
    secrets += ["0123456789abcdef" * 2, "sess=aB3dE5gH7jK9mN1p"]
    inputs = {
        "password": secrets[0],
        "env": {"DB_PASSWORD": secrets[1]},
        "headers": [{"name": "X-Api-Key", "value": secrets[2]}],
        "api_keys": [secrets[3]],
        "Cookie": secrets[4],
        "key": "3f786850e387550fdab836ed7e6dc881de23001b",
        "token_type": "bearer",
        "author": "somebody else",
        "keywords": "token, secret and password",
    }
    block = {"type": "tool_use", "id": "t", "name": "Call", "input": inputs}
    entry = CorpusEntry(
        id="a", role="polecat", rig="r", task_type="t", outcome="o", created_at="",
        messages=[{"role": "assistant", "content": [block]}],
    )  # fmt: skip

    scrubbed, redacted, waits = SCRUBBER.scrub_entry(entry)

    text = scrubbed.model_dump_json()
    assert [secret for secret in secrets if secret in text] == []
    assert (redacted.total(), waits.total()) == (5, 0)
    for name in ("key", "token_type", "author", "keywords"):
        assert scrubbed.messages[0]["content"][0]["input"][name] == inputs[name]
    assert SCRUBBER.scrub_entry(scrubbed).entry == scrubbed
    assert SCRUBBER.audit_entry(scrubbed) == []
    assert len(SCRUBBER.audit_entry(entry)) == 5


def test_an_uncertain_entry_waits_in_quarantine() -> None:
    entry = CorpusEntry(
        id="a", role="polecat", rig="r", task_type="t", outcome="o", created_at="",
        messages=[{"role": "user", "content": 'password: "dolphinswim"'}],
    )  # fmt: skip

    assert SCRUBBER.scrub_entry(entry).entry.quarantined


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("created_at", "2026-01-05T06:17:00Z", "2026-01-05T06:17:00Z"),
        ("created_at", f"at {SECRET}", ""),
        ("created_at", "jane@harbor-yard.net", ""),
        ("session_id", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("session_id", "s1", "s1"),
        ("session_id", None, None),
        ("answered_by", "deacon:2 deacon@canary-1", "deacon:2 deacon@canary-1"),
        ("answered_by", "org/Model-7B_v1.2", "org/Model-7B_v1.2"),
        ("answered_by", None, None),
    ],
)
def test_a_field_that_must_be_an_id_or_a_time_is_one(
    field: str, value: str | None, stored: str | None
) -> None:
    entry = an_entry().model_copy(update={field: value})

    assert getattr(SCRUBBER.scrub_entry(entry).entry, field) == stored


@pytest.mark.parametrize("value", [SECRET, f"x {SECRET}", "jane@harbor-yard.net", "a/../b", "two words"])
def test_what_is_no_id_leaves_only_a_digest(value: str) -> None:
    entry = an_entry().model_copy(update={"session_id": value, "id": SECRET})

    scrubbed = SCRUBBER.scrub_entry(entry).entry

    assert re.fullmatch(r"[0-9a-f]{16}", scrubbed.session_id or "")
    assert re.fullmatch(r"[0-9a-f]{16}", scrubbed.id)
    assert SCRUBBER.scrub_entry(scrubbed).entry == scrubbed


def an_entry() -> CorpusEntry:
    return CorpusEntry(
        id="a", role="polecat", rig="r", task_type="t", outcome="o", created_at="",
        messages=[{"role": "user", "content": "look"}],
    )  # fmt: skip


def test_what_was_learned_since_is_found_in_a_text_that_was_seen_before() -> None:
    found = FoundSecrets(lambda: b"of no town")
    scrubber = CorpusScrubber(voters=(), known=KnownSecrets(MachineSecrets.of(()), found))
    text = "then use harbor7-Quay instead"
    assert scrubber.scrub(text)[0] == text

    scrubber.known.learn([("assigned-secret", "harbor7-Quay")])

    assert scrubber.scrub(text)[0] == "then use [REDACTED:known-secret] instead"


def test_the_same_text_in_many_entries_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scrubber = CorpusScrubber(voters=())
    looked: list[str] = []
    look = scrubber._matcher.findings
    monkeypatch.setattr(
        scrubber._matcher, "findings", lambda text, *, wide: looked.append(text) or look(text, wide=wide)
    )
    entry = CorpusEntry(
        id="a", role="polecat", rig="r", task_type="t", outcome="o", created_at="",
        messages=[{"role": "user", "content": f"use {SECRET}"}],
    )  # fmt: skip

    results = [scrubber.scrub_entry(entry.model_copy(update={"id": name})).entry for name in "abc"]

    assert len({result.messages[0]["content"] for result in results}) == 1
    assert looked.count(f"use {SECRET}") == 1
