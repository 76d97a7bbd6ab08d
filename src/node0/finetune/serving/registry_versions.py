# SPDX-License-Identifier: Apache-2.0
"""Versions and aliases of the registry as model ids, looked up at each request."""

import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from node0.errors import ConfigError, EngineUnavailable, Node0Error, RetriableError
from node0.finetune.registry.canaries import Canary, CanaryLog, canary_number
from node0.finetune.registry.schema import ModelName
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.serving.served_models import ServedModel

logger = logging.getLogger(__name__)

LONGEST = 140
"Characters of an id that is looked up."


class RegistryVersions:
    """`NAME:VER`, `NAME@ALIAS` and `NAME@canary-N` of some models, and ids that were given to aliases."""

    def __init__(
        self,
        registry: ModelRegistry,
        names: Collection[str],
        *,
        make: Callable[[str], ServedModel],
        given: Mapping[str, str] | None = None,
    ) -> None:
        """Serve the versions of the models `names`; `given` has ids and the aliases behind them."""
        self._registry = registry
        self._names = names
        self._make = make
        self._given = given or {}
        self._last: dict[str, str] = {}
        "What an id stood for when the registry could be read."
        self._canaries: dict[int, Canary] = {}
        "As they were when the registry could be read."
        # A store's connection is used by one thread.
        self._thread = ThreadPoolExecutor(1, "node0-registry")

    def version_of(self, name: str) -> str | None:
        """What an id stands for now; what it stood for last, while the registry is out of reach."""
        if (version := self.answering(name, "")) is not None:
            return version
        meant = self._given.get(name, name)
        if not self._is_one(meant):
            return None
        try:
            entry = self._thread.submit(self._registry.require, meant).result()
        except RetriableError as error:
            if name not in self._last:
                raise EngineUnavailable(f"the registry cannot be asked for {name}; ask again later") from None
            logger.warning("%s stands for %s until the registry answers: %s", name, self._last[name], error)
            return self._last[name]
        if self._last.get(name, entry.spelled) != entry.spelled:
            logger.info("%s stands for %s now", name, entry.spelled)
        self._last[name] = entry.spelled
        return entry.spelled

    def answering(self, name: str, session: str) -> str | None:
        """The version that answers a session of a canary; None where the id means none."""
        number = canary_number(name) if len(name) <= LONGEST else None
        if number is None or name.partition("@")[0] not in self._names:
            return None
        try:
            row = self._thread.submit(self._find_canary, number).result()
        except RetriableError as error:
            if (row := self._canaries.get(number)) is None:
                raise EngineUnavailable(f"the registry cannot be asked for {name}; ask again later") from None
            logger.warning("%s is split as before until the registry answers: %s", name, error)
        if row is None or row.asked != name:
            return None
        self._canaries[number] = row
        return row.answers(session)

    def make(self, version: str) -> ServedModel:
        """The version; why it cannot be used stands in the log, since the message may hold paths."""
        try:
            return self._make(version)
        except Node0Error as error:
            logger.warning("cannot serve %s: %s", version, error)
            kind = type(error).__name__
            raise EngineUnavailable(f"{version} cannot be served ({kind}); see the server's log") from None

    def names(self) -> list[str]:
        """The ids that were given, every version and every alias; none while the registry is out of reach."""
        try:
            return [*self._given, *self._thread.submit(self._registered).result()]
        except RetriableError as error:
            logger.warning("the registry cannot be listed: %s", error)
            return list(self._given)

    def close(self) -> None:
        """Let go of the registry."""
        self._thread.shutdown()
        self._registry.close()

    def _find_canary(self, number: int) -> Canary | None:
        return CanaryLog(self._registry.store).find(number)

    def _registered(self) -> list[str]:
        running = (one.asked for one in CanaryLog(self._registry.store).unfinished())
        aliases = self._registry.aliases()
        spelled = [asked for asked in running if asked.partition("@")[0] in self._names]
        for entry in self._registry.list():
            if entry.name in self._names:
                known = aliases.get((entry.name, entry.version), ())
                spelled += [entry.spelled, *(f"{entry.name}@{alias.value}" for alias in known)]
        return spelled

    def _is_one(self, name: str) -> bool:
        try:
            found = ModelName.parse(name if len(name) <= LONGEST else "")
        except ConfigError:
            return False
        return found.name in self._names and (found.version is not None or found.alias is not None)
