# SPDX-License-Identifier: Apache-2.0
"""The registry of models: versions that never change, with their evaluation and deployment."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from node0.errors import BadCheckpoint, BadSignature, ConfigError, NotFound
from node0.finetune.registry import aliases, evaluations, model_events, versions
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.model_events import ModelEvent
from node0.finetune.registry.schema import ModelName, ModelRegistryEntry
from node0.finetune.registry.signatures import integrity
from node0.finetune.registry.signatures.signing import Signer
from node0.finetune.registry.signatures.trust import town_signer, trusted_keys
from node0.finetune.registry.states import Alias, DeploymentStatus, check_move
from node0.store.town_store import open_town_store
from node0.store.transactions import Store, Transaction
from node0.town import Town


class Registered(NamedTuple):
    """A version as it is kept, and whether it was kept just now."""

    entry: ModelRegistryEntry
    is_new: bool


class ModelRegistry:
    """Register, find and update models. Reading a registry that does not exist yet finds nothing."""

    def __init__(
        self,
        place: Store | Town | None = None,
        *,
        create: bool = True,
        signer: Callable[[], Signer] | None = None,
        trusted: Collection[str] = (),
    ) -> None:
        """Use a store, or the one of a town (None: the town that is found from here).

        A town's registry signs with the town's key and trusts what the town trusts. Over a bare store
        `signer` and `trusted` say so; without them rows are kept unsigned.
        """
        self.town = (place or Town.locate()) if place is None or isinstance(place, Town) else None
        self.store = open_town_store(self.town, create=create) if self.town else _as_store(place)
        self._signer = partial(town_signer, self.town) if self.town else signer
        self._trusted = trusted

    def register(self, entry: ModelRegistryEntry) -> ModelRegistryEntry:
        """Keep `entry` as the next version of its name; the entry as kept."""
        return self.register_once(entry).entry

    def register_once(self, entry: ModelRegistryEntry) -> Registered:
        """As `register`; the same files under the same name and role are the version that they were."""
        signer = self._signer() if self._signer is not None else None
        with self.store.write(f"Register {entry.name}") as transaction:
            if (same := versions.find_same(transaction, entry)) is not None:
                return Registered(same, is_new=False)
            number = versions.newest(transaction, entry.name) + 1
            kept = entry.model_copy(
                update={"version": number, "created_at": entry.created_at or model_events.now()}
            )
            kept = _signed(kept, signer)
            versions.add(transaction, kept)
            model_events.append_event(transaction, kept.name, kept.version, "registered")
        return Registered(kept, is_new=True)

    def sign(self, name: str) -> ModelRegistryEntry:
        """Sign the row of a version as it is now; the entry.

        Raises:
            NotFound: there is no such version.
            BadSignature: the row is known to have changed since it was signed or registered.
        """
        if self._signer is None:
            raise ConfigError("this registry has no key to sign with; open it by its town")
        entry = self.require(name)
        integrity.refuse_unsignable(entry, stored_digest=self._stored_digest(entry), trusted=self._trust())
        entry = _signed(entry, self._signer())
        with self.store.write(f"Sign {entry.spelled}") as transaction:
            values = {"signer": entry.signer, "signature": entry.signature}
            versions.change(transaction, entry, values)
            model_events.append_event(transaction, entry.name, entry.version, "signed")
        return entry

    def get(self, name: str) -> ModelRegistryEntry | None:
        """The version that `NAME` (newest), `NAME:VER` or `NAME@ALIAS` means, or None."""
        with self.store.read() as transaction:
            return versions.find(transaction, ModelName.parse(name)) or _by_plan_spelling(transaction, name)

    def require(self, name: str) -> ModelRegistryEntry:
        """As `get`.

        Raises:
            NotFound: there is none; the message names the nearest ones.
        """
        if (entry := self.get(name)) is not None:
            return entry
        wanted = ModelName.parse(name)
        if (newest := self.get(wanted.name)) is None:
            raise NotFound(f"no model {name!r}; {self._suggestion(wanted.name)}")
        if wanted.alias is not None:
            raise NotFound(f"no version of {wanted.name!r} is @{wanted.alias}; newest is {newest.version}")
        raise NotFound(f"no version {wanted.version} of model {wanted.name!r}; newest is {newest.version}")

    def list(self, role: str | None = None) -> list[ModelRegistryEntry]:
        """Every version that can be read, of one role or of all, by name and then newest first."""
        with self.store.read() as transaction:
            return versions.readable(transaction, role)

    def aliases(self) -> Mapping[tuple[str, int], Sequence[Alias]]:
        """The aliases of each version, by name and number."""
        with self.store.read() as transaction:
            return aliases.aliases_of(transaction)

    def move_alias(self, name: str, alias: Alias, *, reason: str = "") -> ModelRegistryEntry:
        """Let an alias stand for `NAME:VER`; the entry.

        Raises:
            NotFound: there is no such version.
        """
        entry = self.require(name)
        with self.store.write(f"{entry.spelled} is @{alias}") as transaction:
            versions.refreshed(transaction, entry)
            aliases.move(transaction, entry.name, alias, entry.version, reason=reason)
        return entry

    def update_eval_score(self, name: str, eval_score: float, by_category: Mapping[str, float]) -> None:
        """Record an evaluation of `NAME` or `NAME:VER`.

        Raises:
            NotFound: there is no such version.
        """
        self.add_evaluation(
            name, Evaluation(suite="score", items=0, score=eval_score, by_category=by_category)
        )

    def add_evaluation(self, name: str, evaluation: Evaluation) -> ModelRegistryEntry:
        """Keep a measurement; it is the version's score from now on.

        Raises:
            NotFound: there is no such version.
        """
        entry = self.require(name)
        values = {"eval_score": evaluation.score, "eval_scores_by_category": dict(evaluation.by_category)}
        with self.store.write(f"Evaluate {entry.spelled}") as transaction:
            entry = versions.refreshed(transaction, entry)
            if entry.deployment_status is DeploymentStatus.REGISTERED:
                values["deployment_status"] = DeploymentStatus.EVALUATED.value
            evaluations.add_evaluation(transaction, entry.name, entry.version, evaluation)
            versions.change(transaction, entry, values)
            detail = {"suite": evaluation.suite, "score": evaluation.score}
            model_events.append_event(transaction, entry.name, entry.version, "evaluated", detail=detail)
        return entry

    def evaluations(self, entry: ModelRegistryEntry) -> Sequence[Evaluation]:
        """Every measurement of a version, oldest first."""
        with self.store.read() as transaction:
            return evaluations.evaluations_of(transaction, entry.name, entry.version)

    def update_deployment_status(
        self, name: str, status: str, rigs: Sequence[str], *, reason: str = ""
    ) -> None:
        """Record the state of `NAME` or `NAME:VER`, and where it runs.

        Raises:
            NotFound: there is no such version.
            ConfigError: no such status.
            IllegalTransition: the version cannot become that.
        """
        if status not in list(DeploymentStatus):
            known = ", ".join(DeploymentStatus)
            raise ConfigError(f"no deployment status {status!r}; one of: {known}")
        entry = self.require(name)
        with self.store.write(f"{entry.spelled} is {status}") as transaction:
            entry = versions.refreshed(transaction, entry)
            check_move(entry.spelled, entry.deployment_status, DeploymentStatus(status))
            versions.change(transaction, entry, {"deployment_status": str(status), "deployed_to": [*rigs]})
            detail = {"from": entry.deployment_status.value, "to": str(status)}
            model_events.append_event(
                transaction, entry.name, entry.version, "status", reason=reason, detail=detail
            )

    def note(self, name: str, text: str) -> ModelRegistryEntry:
        """Write a remark into the history of a version; the entry.

        Raises:
            NotFound: there is no such version.
        """
        return self._remember(name, "note", text)

    def add_refusal(self, name: str, reason: str) -> ModelRegistryEntry:
        """Write into the history of a version that the gate did not let it pass, and why; the entry.

        Raises:
            NotFound: there is no such version.
        """
        return self._remember(name, "refused", reason)

    def holding(self, entry: ModelRegistryEntry) -> Sequence[str]:
        """Earlier versions that hold the rollout of this one."""
        with self.store.read() as transaction:
            found = versions.every(transaction)
        return [
            other.spelled
            for other in found
            if other.name == entry.name
            and other.version < entry.version
            and other.deployment_status is DeploymentStatus.HOLDS_ROLLOUT
        ]

    def history(self, name: str) -> Sequence[ModelEvent]:
        """What happened to a model, or to one version of it (`NAME:VER`), oldest first; removed ones too."""
        wanted = ModelName.parse(name)
        with self.store.read() as transaction:
            return model_events.events_of(transaction, wanted.name, wanted.version)

    def problems(self, entry: ModelRegistryEntry) -> Sequence[str]:
        """What of a version is not as it was registered, a line each: its row first, then its files."""
        return [*self._row_problems(entry), *integrity.file_problems(entry)]

    def require_whole(self, entry: ModelRegistryEntry) -> None:
        """Nothing where a version is as it was registered.

        Raises:
            BadSignature: its row is not.
            BadCheckpoint: a file is not; the message names it.
        """
        if found := self._row_problems(entry):
            raise BadSignature(found[0])
        if found := integrity.file_problems(entry):
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise BadCheckpoint(
                f"{entry.artifact_path}: {found[0]}{more}; register it again or restore the files"
            )

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def _remember(self, name: str, event: str, reason: str) -> ModelRegistryEntry:
        entry = self.require(name)
        with self.store.write(f"{event.capitalize()} on {entry.spelled}") as transaction:
            model_events.append_event(transaction, entry.name, entry.version, event, reason=reason)
        return entry

    def _row_problems(self, entry: ModelRegistryEntry) -> Sequence[str]:
        return integrity.row_problems(entry, stored_digest=self._stored_digest(entry), trusted=self._trust())

    def _stored_digest(self, entry: ModelRegistryEntry) -> str:
        with self.store.read() as transaction:
            return versions.stored_digest(transaction, entry)

    def _trust(self) -> Collection[str]:
        return trusted_keys(self.town) if self.town is not None else self._trusted

    def _suggestion(self, name: str) -> str:
        names = sorted({entry.name for entry in self.list()})
        if not names:
            return "none is registered; see: node0 model register --help"
        nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
        if nearest:
            return f"nearest: {', '.join(nearest)}; see: node0 model list"
        return "see: node0 model list"


def _as_store(place: Store | Town | None) -> Store:
    assert place is not None
    assert not isinstance(place, Town)
    return place


def _signed(entry: ModelRegistryEntry, signer: Signer | None) -> ModelRegistryEntry:
    if signer is None:
        return entry
    return entry.model_copy(
        update={"signer": signer.public, "signature": signer.sign(integrity.facts_of(entry))}
    )


def _by_plan_spelling(transaction: Transaction, name: str) -> ModelRegistryEntry | None:
    """`NAME-vVER`, as the plan writes a version."""
    stem, mark, version = name.rpartition("-v")
    is_version = bool(mark) and version.isdecimal() and int(version) > 0
    return versions.find(transaction, ModelName(stem, int(version), None)) if is_version else None
