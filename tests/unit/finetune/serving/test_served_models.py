# SPDX-License-Identifier: Apache-2.0
import asyncio
from dataclasses import replace
from typing import Any

import pytest
from serving_parts import TOKENIZER, served
from tiny_chat import user

from node0.errors import ConfigError, NotFound
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.serving.constraint import Constraint
from node0.finetune.serving.served_models import ModelCatalogue, ServedModel


def ids_of(catalogue: ModelCatalogue) -> list[str]:
    return [name for name, _ in asyncio.run(catalogue.listed())]


class Moving:
    """Versions of one model, and an alias that moves."""

    def __init__(self) -> None:
        self.active = 3
        self.made: list[str] = []

    def version_of(self, name: str) -> str | None:
        if not name.startswith("deacon"):
            return None
        return f"deacon:{self.active}" if name == "deacon@active" else name

    def answering(self, name: str, session: str) -> str | None:
        return f"deacon:{session}" if name == "deacon@canary-1" else None

    def make(self, version: str) -> ServedModel:
        self.made.append(version)
        return served(version)

    def names(self) -> list[str]:
        return ["deacon:3", "deacon:4", "deacon@active"]


def test_a_model_answers_under_each_of_its_ids() -> None:
    catalogue = ModelCatalogue([served("deacon", "deacon:3"), served("witness")])

    assert asyncio.run(catalogue.find("deacon:3")).ids[0] == "deacon"
    assert ids_of(catalogue) == ["deacon", "deacon:3", "witness"]


def test_the_id_that_answers_is_a_version_where_sessions_are_split_and_else_the_id() -> None:
    catalogue = ModelCatalogue([served("deacon:3")], Moving())
    names = ("deacon@canary-1", "deacon@active", "deacon:3", "witness")

    found = [asyncio.run(catalogue.answering(name, "4")) for name in names]
    assert found == ["deacon:4", *names[1:]]
    assert asyncio.run(ModelCatalogue([served("a")]).answering("b", "4")) == "b"


def test_an_alias_is_looked_up_at_each_request_and_a_version_is_made_once() -> None:
    versions = Moving()
    catalogue = ModelCatalogue([served("deacon:3")], versions)

    async def ask() -> list[str]:
        found = [await catalogue.find("deacon@active")]
        versions.active = 4
        found += await asyncio.gather(*(catalogue.find("deacon@active") for _ in range(3)))
        return [model.ids[0] for model in found]

    assert asyncio.run(ask()) == ["deacon:3", "deacon:4", "deacon:4", "deacon:4"]
    assert versions.made == ["deacon:4"]
    assert ids_of(catalogue) == ["deacon:3", "deacon:4", "deacon@active"]


@pytest.mark.parametrize("versions", [None, Moving()], ids=["fixed", "moving"])
def test_an_unknown_model_is_refused_with_those_there_are(versions: Moving | None) -> None:
    with pytest.raises(NotFound, match=r"no model 'x' .* deacon"):
        asyncio.run(ModelCatalogue([served("deacon")], versions).find("x"))


def test_two_models_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match="two models are called a"):
        ModelCatalogue([served("a"), served("b", "a")])


def test_the_length_that_a_client_leaves_open_is_the_profiles() -> None:
    profile = DeploymentProfile(role="deacon", max_output_tokens=77)

    assert served(profile=profile).default_max_tokens == 77
    assert served().default_max_tokens == 1024


def test_ids_are_those_of_the_renderer_and_a_plain_text_keeps_its_special_tokens() -> None:
    model = served()
    request: Any = {"system": "", "tools": [], "messages": [user("a <|end|>")]}

    async def both() -> tuple[list[int], list[int]]:
        return await model.prompt_ids(request), await model.text_ids("<|end|>")

    rendered, plain = asyncio.run(both())

    assert rendered == model.renderer.prompt_ids(request)
    assert plain[-1] in model.renderer.stop_ids


def test_tags_that_the_tokenizer_has_as_one_id_are_told_to_an_engine() -> None:
    calls = Constraint(tools=(("Bash", {"type": "object"}),), forced=True)
    plain, added = served(template="chatml"), served(template="chatml")
    added.renderer.tokenizer.add_tokens(["<tool_call>"])

    forms = [asyncio.run(model.form(calls)) for model in (plain, added)]

    assert [form.marks for form in forms] == [{}, {"<tool_call>": len(TOKENIZER)}]
    assert forms[0].calls == "tagged" and forms[0].constraint == calls


def test_a_form_that_no_grammar_can_hold_reaches_no_engine() -> None:
    with pytest.raises(ConfigError, match="cannot be followed here"):
        asyncio.run(served().form(Constraint(schema={"type": "nonsense"})))


def test_what_was_retrieved_follows_the_last_turn_and_takes_no_room_of_an_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = served("tiny", context=4096)
    short = "The lamp is broken."
    retrieving = replace(plain, context_of=lambda request: f"{short} {request['messages'][-1]['content']}")
    full = replace(plain, context_of=lambda request: short * 400)
    request: Any = {"system": "card", "tools": [], "messages": [user("Which lamp?")]}

    before, after, crowded = (asyncio.run(one.prompt_ids(request)) for one in (plain, retrieving, full))

    text = plain.decode(after)
    assert text.index("Which lamp?") < text.index("The lamp is broken. Which lamp?")
    opening = len(plain.renderer.prompt_ids({**request, "messages": []})) - 1
    assert after[:opening] == before[:opening]
    assert crowded == before
    (told,) = caplog.messages
    assert told.startswith("asked without retrieved context: with it the prompt has ")
    assert "1024 of the 4096 of tiny are kept for an answer" in told
