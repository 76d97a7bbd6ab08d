# SPDX-License-Identifier: Apache-2.0
"""How much each key may ask for: requests and tokens a minute, and requests at once, by its rig's tier."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from node0.errors import ConfigError
from node0.finetune.registry.access import AccessGrantManager
from node0.finetune.serving.http.api_keys import ApiKey
from node0.finetune.serving.protocols.api_errors import RequestRefused

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
"Seconds that only grow."


class TierLimits(BaseModel):
    """What a key of one tier may ask for; null sets no bound."""

    model_config = ConfigDict(extra="forbid")

    requests_per_minute: int | None = Field(default=60, ge=1)
    "May also come at once, after a minute without any."

    tokens_per_minute: int | None = Field(default=None, ge=1)
    "Of prompts and answers; counted when an answer has ended."

    concurrent: int | None = Field(default=4, ge=1)
    "Requests that are answered at the same time."


class QuotaSettings(BaseModel):
    """The block `serving` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    standard: TierLimits = TierLimits()
    "For rigs without a larger grant."

    extended: TierLimits = TierLimits(requests_per_minute=600, concurrent=32)
    "For rigs whose contribution to the corpus was taken."


class Allowance:
    """So many a minute: it fills evenly and holds what a minute brings; it may be overdrawn."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used = 0.0
        self._at = clock()

    def wait(self, per_minute: int) -> float:
        """Seconds until one more may be taken."""
        now = self._clock()
        self._used = max(0.0, self._used - (now - self._at) * per_minute / 60)
        self._at = now
        return max(0.0, self._used + 1 - per_minute) * 60 / per_minute

    def take(self, amount: int) -> None:
        """Use up some."""
        self._used += amount


@dataclass(slots=True)
class _Use:
    requests: Allowance
    tokens: Allowance
    running: int = 0


class KeyQuotas:
    """Counts for each key, and refuses what is beyond its tier. The grant is read at each request."""

    def __init__(self, settings: QuotaSettings | None = None, *, clock: Clock = time.monotonic) -> None:
        self._settings = settings or QuotaSettings()
        self._clock = clock
        self._grants = AccessGrantManager()
        self._uses: dict[str, _Use] = {}

    def enter(self, key: ApiKey) -> Callable[[int], None]:
        """Take a request; what is returned is called once when it has ended, with its tokens.

        Raises:
            RequestRefused: 403 without access; 429 beyond the quota, with the seconds to wait.
        """
        limits = self._limits(key)
        use = self._uses.setdefault(key.name, _Use(Allowance(self._clock), Allowance(self._clock)))
        if limits.concurrent is not None and use.running >= limits.concurrent:
            raise _beyond(key, f"{limits.concurrent} requests at once", 1)
        for allowance, per_minute, what in (
            (use.requests, limits.requests_per_minute, "requests"),
            (use.tokens, limits.tokens_per_minute, "tokens"),
        ):
            if per_minute is not None and (wait := allowance.wait(per_minute)) > 0:
                raise _beyond(key, f"{per_minute} {what} a minute", math.ceil(wait))
        use.requests.take(1)
        use.running += 1

        def leave(tokens: int) -> None:
            use.running -= 1
            use.tokens.take(tokens)

        return leave

    def _limits(self, key: ApiKey) -> TierLimits:
        try:
            tier = "standard" if key.grant is None else self._grants.tier_of(key.grant)
        except ConfigError as error:
            logger.warning("%s has the standard tier: %s", key.name, error)
            tier = "standard"
        if tier == "none":
            raise RequestRefused(f"{key.name} has no access to models; ask the operator", status=403)
        return self._settings.extended if tier == "extended" else self._settings.standard


def _beyond(key: ApiKey, quota: str, seconds: int) -> RequestRefused:
    message = f"{key.name} may have {quota}; ask again in {seconds} s"
    return RequestRefused(message, status=429, retry_after=seconds)
