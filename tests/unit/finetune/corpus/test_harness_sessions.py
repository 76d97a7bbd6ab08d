# SPDX-License-Identifier: Apache-2.0
"""Sessions that real harnesses wrote (tests/integration/harnesses/record.py), in neutral words."""

import json
from pathlib import Path

import pytest
from collected_town import SCRUBBER, SECRET
from harness_fixtures import FIXTURES, RECORDED, laid_down
from harness_requests import compare, rebuilt, recorded
from tiny_chat import tiny_tokenizer

from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.collect.session_recordings import SessionRecordings
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.harness_homes import HARNESS_HOMES
from node0.finetune.corpus.town.sessions import Session
from node0.finetune.corpus.transcript.gemini.gemini_records import MAYBE_CUT
from node0.finetune.corpus.transcript.known_harnesses import HARNESSES
from node0.finetune.corpus.transcript.recording import Recording
from node0.finetune.data.preview import preview
from node0.town import Town

CUT, SUMMARY = "answer that was interrupted", "summary that the harness asked for"
REWRITTEN = "answer with a call that the harness rewrote"
NOT_KEPT = ""
# Requests whose answers are not learnt, and why.
UNLEARNT = {
    ("opencode", "works"): {2: REWRITTEN, 4: CUT},
    ("opencode", "cut_tool"): {0: CUT},
    ("opencode", "compacted"): {2: SUMMARY},
    ("codex", "works"): {4: CUT},
    ("codex", "compacted"): {2: SUMMARY},
    ("gemini", "works"): {3: MAYBE_CUT, 4: NOT_KEPT, 5: MAYBE_CUT},
    ("gemini", "cut_tool"): {0: MAYBE_CUT, 1: MAYBE_CUT},
    ("pi", "works"): {4: NOT_KEPT},
    ("pi", "compacted"): {2: NOT_KEPT},
}

NOTHING_LEARNT = [("gemini", "cut_tool")]
"Two runs of one answer each, of which the first was stopped in its tool: the file does not tell which."

LEARNT = [pair for pair in RECORDED if pair not in NOTHING_LEARNT]


def recording(harness: Source, session: str, home: Path) -> Recording:
    (found,) = HARNESSES[harness].recordings([laid_down(harness, session, home)]).values()
    return found


@pytest.mark.parametrize(("harness", "session"), RECORDED)
def test_every_request_that_was_sent_is_rebuilt(harness: Source, session: str, tmp_path: Path) -> None:
    requests = recorded(FIXTURES / harness / f"{session}.requests.json")
    unlearnt = UNLEARNT.get((harness, session), {})

    calls, skipped = rebuilt(recording(harness, session, tmp_path))

    assert compare(calls, requests, unlearnt=unlearnt) == []
    assert (len(requests) > len(unlearnt)) == ((harness, session) in LEARNT)
    for reason in filter(None, unlearnt.values()):
        assert skipped[reason] == list(unlearnt.values()).count(reason)


@pytest.mark.parametrize("harness", sorted({harness for harness, _ in RECORDED}))
def test_a_recorded_session_has_parallel_tools_a_failing_one_an_interrupt_and_a_resume(
    harness: Source,
) -> None:
    """A run of its own asks each of what a person says; the answer to the second is interrupted."""
    records = recorded(FIXTURES / harness / "works.requests.json")[-1].records

    kinds = [record[0] for record in records]
    first = kinds.index("call")
    assert kinds[first : first + 4] == ["call", "call", "result", "result"]
    failing = next(one for one in records if one[0] == "call" and "exit 3" in str(one[3]))
    assert any(one[:2] == ["result", failing[1]] for one in records)
    said = [one[1].strip('"') for one in records if one[0] == "user"]
    asked = [said.index(words) for words in ("Run both.", "Cut this.", "Go on.")]
    assert asked == sorted(asked)


@pytest.mark.parametrize(("harness", "session"), LEARNT)
def test_what_is_stored_holds_no_secret_and_previews_what_the_model_said(
    harness: Source, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the id of its event, collected, scrubbed, rendered under the role's profile."""
    town = Town(tmp_path / "gt")
    variable, inside, _ = HARNESS_HOMES[harness][0]
    monkeypatch.setenv(variable, str(tmp_path / "harness"))
    found = recording(harness, session, tmp_path / "harness" / inside)
    event = {"ts": found.beginning().at, "type": "session_start", "actor": "demo/witness"}
    payload = {"session_id": found.session_id, "role": "demo/witness"}
    town.root.mkdir()
    town.events_file.write_text(json.dumps({**event, "payload": payload}) + "\n")
    store = CorpusStore(town.corpus)

    report = CorpusCollector(store, SCRUBBER, min_tokens=0).collect_town(town)

    entries = store.list("witness")
    said = [call.answer for call in rebuilt(found)[0]]
    assert report.reconstructed_calls == sum(len(entry.requests) for entry in entries) == len(said)
    assert {(entry.source, entry.session_id, entry.rig) for entry in entries} == {
        (harness, found.session_id, "demo")
    }
    assert SECRET not in "".join(path.read_text("utf-8") for path in store.root.rglob("*.json"))
    renderer = Renderer(tiny_tokenizer(), load_profile("witness"))
    trained = [
        segment.text
        for entry in entries
        for row in preview(entry, renderer)
        for segment in row.segments
        if segment.trained
    ]
    for words in (record[1] for answer in said for record in answer if record[0] == "assistant"):
        assert words in "".join(trained)
    shown = "".join(
        segment.text for entry in entries for row in preview(entry, renderer) for segment in row.segments
    )
    assert "environment_context" not in shown
    assert "session_context" not in shown


@pytest.mark.parametrize(("harness", "session"), [pair for pair in RECORDED if pair[0] in ("opencode", "pi")])
def test_a_session_whose_id_gt_made_up_is_found_by_its_place(
    harness: Source, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(Path("/srv/gt"))
    variable, inside, _ = HARNESS_HOMES[harness][0]
    monkeypatch.setenv(variable, str(tmp_path))
    found = recording(harness, session, tmp_path / inside)
    begun = Session("made-up", "witness", "demo", found.beginning().at, (), "demo/witness")

    assert [one.session_id for one in SessionRecordings(town, [begun], ()).of(begun)] == [found.session_id]
