# SPDX-License-Identifier: Apache-2.0
import json
import sqlite3
from pathlib import Path

import pytest

from node0.commands.model.model_options import main
from node0.errors import BadSignature
from node0.finetune.inference.source import find_model
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


def _json(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def test_list_shows_the_columns_and_filters_by_role(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for role in ("deacon", "witness"):
        main(["register", str(run), "--role", role, "--town", str(town)])
    capsys.readouterr()

    assert main(["list", "--town", str(town)]) == 0
    table = capsys.readouterr().out
    main(["list", "--role", "witness", "--json", "--town", str(town)])

    assert all(
        word in table for word in ("NAME", "ROLE", "BASE", "VER", "EVAL", "STATUS", "ALIAS", "registered")
    )
    assert [row["name"] for row in _json(capsys)] == ["witness"]


def test_an_unknown_name_is_one_line_and_writes_nothing(
    town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "nobody", "--town", str(town)]) == 1

    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in town.iterdir()] == ["mayor"]


def test_listing_an_empty_town_says_how_to_register(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--town", str(town)]) == 0
    assert "node0 model register --help" in capsys.readouterr().err
    assert main(["list", "--json", "--town", str(town)]) == 0
    assert _json(capsys) == []


@pytest.fixture
def full(town: Path, run: Path) -> list[str]:
    """A town with two versions as real ones are named, evaluated and with every alias; its option."""
    at = ["--town", str(town)]
    for rank in (4, 8):
        adapter = {
            "base_model_name_or_path": "Qwen/Qwen2.5-Coder-0.5B-Instruct",
            "node0_base_digest": "d" * 64,
        }
        (run / "adapter_config.json").write_text(json.dumps(adapter | {"r": rank}))
        (run / "config.resolved.yaml").write_text(
            f"role: refinery\nlora: {{rank: {rank}}}\nnote: {'x' * 200}\n"
        )
        assert main(["register", str(run), *at]) == 0
    registry = ModelRegistry(Town(town))
    whole = Evaluation(suite="held-out", items=40, score=0.9, low=0.8, high=0.95, by_category={"loss": 1 / 3})
    registry.add_evaluation("refinery:2", whole)
    registry.move_alias("refinery:2", Alias.CANDIDATE, reason="a reason that is far too long for one cell")
    registry.close()
    return at


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["show", "refinery:2"],
        ["adapters"],
        ["history", "refinery"],
        ["diff", "refinery:1", "refinery:2"],
        ["lineage", "refinery"],
        ["lineage", "--entry", "a"],
        ["prune", "--dry-run", "--keep-last", "0"],
    ],
)
def test_what_is_printed_fits_eighty_columns(
    full: list[str], capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    capsys.readouterr()

    assert main([*command, *full]) == 0

    printed = capsys.readouterr().out
    assert printed or command[0] == "prune"
    assert max(map(len, printed.splitlines()), default=0) <= 80


def test_show_is_a_page_with_settings_and_files_on_request(
    full: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["show", "refinery@candidate", *full]) == 0
    page = capsys.readouterr().out
    assert main(["show", "refinery@candidate", "--all", *full]) == 0
    whole = capsys.readouterr().out

    assert page.startswith("refinery:2\n")
    assert "0.900 [0.800, 0.950], 40 items" in page
    assert "yes, signed" in page
    assert len(page.splitlines()) < 24
    assert "lora.rank" not in page
    assert whole.startswith(page)
    assert "lora.rank" in whole
    assert "adapter_model.safetensors" in whole


def test_show_says_what_is_wrong(full: list[str], town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = Path(ModelRegistry(Town(town)).require("refinery:2").artifact_path)
    (files / "adapter_model.safetensors").write_bytes(b"Weights")
    capsys.readouterr()

    assert main(["show", "refinery:2", *full]) == 0
    page = capsys.readouterr().out
    assert main(["verify", "refinery:2", *full]) == 1

    assert "no: adapter_model.safetensors" in " ".join(page.split())
    assert "adapter_model.safetensors does not have the recorded sha256" in capsys.readouterr().err


def test_the_score_and_the_aliases_stand_in_the_list(
    full: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    main(["list", *full])
    table = capsys.readouterr().out
    main(["list", "--json", *full])

    newest, first = _json(capsys)
    assert "0.90" in table
    assert "@candidate" in table
    assert (newest["eval_score"], newest["aliases"]) == (0.9, ["candidate"])
    assert (first["eval_score"], first["aliases"]) == (None, [])


def test_adapters_are_listed_with_rank_and_base(full: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    main(["adapters", "--json", *full])

    rows = _json(capsys)

    assert [(row["VER"], row["RANK"]) for row in rows] == [(2, 8), (1, 4)]
    assert {row["BYTES"] for row in rows} == {len(b"weights")}


def test_two_versions_are_compared_by_what_differs(
    full: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["diff", "refinery:1", "refinery:2", "--json", *full]) == 0
    found = {str(row["what"]): (row["before"], row["after"]) for row in _json(capsys)}
    assert main(["diff", "refinery:1", "refinery:1", *full]) == 0

    assert found["settings.lora.rank"] == (4, 8)
    assert found["eval.score"] == (None, 0.9)
    assert "are alike" in capsys.readouterr().err


def test_an_unsigned_row_can_be_signed_when_its_files_are_in_order(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--town", str(town)]
    main(["register", str(run), *at])
    registry = ModelRegistry(Town(town))
    with registry.store.write("as an older program left it") as connection:
        connection.exec_driver_sql("UPDATE model_registry SET signature = '', signer = ''")
    capsys.readouterr()

    assert main(["verify", "deacon", *at]) == 1
    line = capsys.readouterr().err
    assert main(["verify", "deacon", "--sign", *at]) == 0

    assert "is not signed; look at it, then sign it with: gt-model verify --sign" in line
    assert main(["verify", "deacon", *at]) == 0


def test_history_says_when_who_what_and_why(full: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["history", "refinery:2", "--json", *full]) == 0

    rows = _json(capsys)

    assert [row["event"] for row in rows] == ["registered", "evaluated", "alias"]
    assert rows[-1]["reason"] == "a reason that is far too long for one cell"
    assert all(row["actor"] and str(row["at"]).endswith("+00:00") for row in rows)
    assert main(["history", "nobody", *full]) == 1


@pytest.mark.parametrize(
    "change",
    [
        "training_config = '{'",
        f"training_config = '{'[' * 100_000}'",
        "deployment_status = 'gone'",
        "eval_scores_by_category = '[]'",
        f"""deployed_to = '{'["a",' * 150}[]{"]" * 150}'""",
        "eval_score = CAST(X'31FF' AS TEXT)",
        "role = CAST(X'61FF62' AS TEXT)",
        "artifact_path = CAST(X'FF' AS TEXT) || hex(zeroblob(1024))",
    ],
)
def test_one_bad_row_is_named_and_hides_no_other(
    full: list[str], town: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    with ModelRegistry(Town(town)).store.write("break it") as transaction:
        transaction.exec_driver_sql(f"UPDATE model_registry SET {change} WHERE version = 1")
    capsys.readouterr()

    assert main(["list", "--json", *full]) == 0
    told = capsys.readouterr()
    assert main(["show", "refinery:1", *full]) == 1

    assert [row["version"] for row in json.loads(told.out)] == [2]
    assert "the registry's row of refinery:1 cannot be read" in told.err
    assert "the registry's row of refinery:1 cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM model_artefacts WHERE version = 2 AND path = 'adapter_model.safetensors'",
        "DELETE FROM model_artefacts WHERE version = 2",
        "UPDATE model_artefacts SET path = '../' || path WHERE version = 2",
        "UPDATE model_artefacts SET version = 1, path = 'x' WHERE version = 2 AND path = 'entries.jsonl'",
        f"UPDATE model_artefacts SET sha256 = '{'a' * 64}' WHERE version = 2",
        "UPDATE model_registry SET role = 'mayor' WHERE version = 2",
        "UPDATE model_registry SET content_digest = 'a' WHERE version = 2",
    ],
)
def test_rows_that_were_changed_are_refused_by_verify_load_and_deploy(
    full: list[str], town: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    with ModelRegistry(Town(town)).store.write("change it") as transaction:
        transaction.exec_driver_sql(change)
    capsys.readouterr()

    assert main(["verify", "refinery:2", *full]) == 1
    assert "refinery:2" in capsys.readouterr().err
    assert main(["deploy", "refinery:2", *full]) == 1
    assert "refinery:2" in capsys.readouterr().err
    with pytest.raises(BadSignature, match="refinery:2"):
        find_model("refinery:2", town=town)


def test_a_row_whose_name_is_no_text_hides_no_other(
    full: list[str], town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(town / ".models" / "store.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("UPDATE model_registry SET name = X'FF00' WHERE version = 1")
    connection.close()
    capsys.readouterr()

    assert main(["list", "--json", *full]) == 0

    told = capsys.readouterr()
    assert [row["version"] for row in json.loads(told.out)] == [2]
    assert "cannot be read" in told.err


def test_signing_again_does_not_make_a_changed_row_good(
    full: list[str], town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for change in (
        "DELETE FROM model_artefacts WHERE version = 2 AND path = 'entries.jsonl'",
        "UPDATE model_registry SET base_digest = '' WHERE version = 2",
        "UPDATE model_registry SET signer = '', signature = '' WHERE version = 2",
        "DELETE FROM model_artefacts WHERE version = 2",
    ):
        with ModelRegistry(Town(town)).store.write("change it") as transaction:
            transaction.exec_driver_sql(change)
        capsys.readouterr()

        assert main(["verify", "refinery:2", "--sign", *full]) == 1, change
        assert "refinery:2" in capsys.readouterr().err
        with pytest.raises(BadSignature):
            find_model("refinery:2", town=town)
