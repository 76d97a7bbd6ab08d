# SPDX-License-Identifier: Apache-2.0
"""An alias moves in the registry while a server runs and answers."""

from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from integration.served_process import openai_client, serving
from tiny_run import make_base

from node0.finetune.registry.publish import publish
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

pytestmark = pytest.mark.integration

ASKED: dict[str, Any] = {"prompt": [1, 2, 3], "temperature": 0, "extra_body": {"return_token_ids": True}}


def test_the_next_request_is_answered_by_the_new_version_and_a_running_one_is_finished(
    tmp_path: Path,
) -> None:
    town, registry = Town(tmp_path), ModelRegistry(Town(tmp_path))
    for seed in (1, 2):
        base = make_base(tmp_path / f"model{seed}", seed=seed, max_seq_len=1024)
        publish(registry, base, name="deacon", role="deacon", models=town.models)
    registry.move_alias("deacon:1", Alias.ACTIVE)

    with (
        serving("--model", "deacon@active", "--model", "d=deacon@active", "--town", tmp_path) as served,
        openai_client(served) as client,
    ):

        def root(name: str) -> object:
            card = httpx.get(f"{served.url}/v1/models/{name}", trust_env=False).json()
            return card.get("root", card)

        def ids(model: str, tokens: int = 16) -> list[int]:
            found = client.completions.create(model=model, max_tokens=tokens, **ASKED)
            return list(found.choices[0].model_extra["token_ids"])  # type: ignore[index]  # asked for

        old = ids("deacon@active", 400)
        running = client.completions.create(model="d", max_tokens=400, stream=True, **ASKED)
        got = list(next(running).choices[0].model_extra["token_ids"])  # type: ignore[index]  # as above
        registry.move_alias("deacon:2", Alias.ACTIVE)
        new = ids("deacon@active")
        for chunk in running:
            got += chunk.choices[0].model_extra["token_ids"]  # type: ignore[index]  # as above

        assert got == old
        assert new == ids("deacon:2") == ids("d") != old[:16] == ids("deacon:1")
        assert [root(name) for name in ("deacon@active", "d", "deacon:1")] == [
            "deacon:2",
            "deacon:2",
            "deacon:1",
        ]
        listed = [model.id for model in client.models.list()]
        assert sorted(listed) == ["d", "deacon:1", "deacon:2", "deacon@active"]
        with pytest.raises(openai.NotFoundError, match="@candidate"):
            ids("deacon@candidate")
        assert served.stop() == 0
