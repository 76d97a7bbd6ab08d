# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

from node0.finetune.corpus.exchange.town_names import gather, machine_names
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town


def test_a_town_tells_its_rigs_people_repositories_and_beads(town_root: Path) -> None:
    (town_root / "mayor" / "town.json").write_text('{"name": "Saltmarsh", "owner": "ada@saltmarsh.io"}')
    rigs = {
        "harbor": {"git_url": "git@github.com:acme/harbor-app.git", "beads": {"prefix": "hb"}},
        "main": {"git_url": None},
    }
    (town_root / "mayor" / "rigs.json").write_text(json.dumps({"rigs": rigs}))
    (town_root / ".beads").mkdir()
    (town_root / ".beads" / "routes.jsonl").write_text('{"prefix": "qq-", "path": "x"}\nno json\n')
    (town_root / "harbor" / "crew" / "joe").mkdir(parents=True)
    store = CorpusStore(town_root / ".corpus")
    facts = {"task_type": "bead_work", "outcome": "success", "created_at": "2026-01-05T06:00:00Z"}
    store.add(CorpusEntry(id="one", role="crew", rig="gone", bead_id="zz-1a2b", messages=[], **facts))

    found = gather(Town(town_root), store.headers(), machine={"ada", "root"})

    assert found.rigs == {"harbor", "gone"}
    assert found.names == {"Saltmarsh", "ada@saltmarsh.io", "acme", "harbor-app", "joe", "ada"}
    assert found.prefixes == {"hq", "hb", "qq", "zz"}
    assert found.beads == {"zz-1a2b"}


def test_a_town_without_any_of_it_is_no_error(tmp_path: Path) -> None:
    found = gather(Town(tmp_path / "gt"), [], machine=())

    assert (found.rigs, found.names, found.prefixes) == (frozenset(), frozenset(), {"hq"})


def test_a_machine_names_itself() -> None:
    assert all(len(name) > 2 for name in machine_names())
