# SPDX-License-Identifier: Apache-2.0
"""One deacon for all engines, and what it answers on our own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration.engines.sample_deacon import NAME, Deacon, HeldOutCall, answers, make_deacon
from integration.served_process import serving

COMPARED = 50
"Held-out calls that are answered by each engine."


@pytest.fixture(scope="session")
def deacon(tmp_path_factory: pytest.TempPathFactory) -> Deacon:
    """A small deacon."""
    return make_deacon(tmp_path_factory.mktemp("deacon"))


@pytest.fixture(scope="session")
def compared(deacon: Deacon) -> list[HeldOutCall]:
    """The calls that are answered."""
    return deacon.some_calls(COMPARED)


@pytest.fixture(scope="session")
def ours(deacon: Deacon, compared: list[HeldOutCall]) -> list[dict[str, Any]]:
    """What our own engine answers in float32."""
    with serving("--model", NAME, "--town", deacon.town, "--dtype", "float32") as served:
        return answers(served.url, compared)


Theirs = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def theirs(deacon: Deacon, compared: list[HeldOutCall]) -> Theirs:
    """What another engine answers behind the gateway: kind, URL, its name for the model."""

    def ask(kind: str, url: str, model: str) -> list[dict[str, Any]]:
        flags = ["--engine", kind, "--engine-url", url, "--engine-model", model]
        with serving("--model", NAME, "--town", deacon.town, *flags) as served:
            return answers(served.url, compared)

    return ask


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where engines log."""
    return tmp_path_factory.mktemp("logs")
