# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.registry.access import AccessGrantManager
from node0.finetune.serving.http.api_keys import ApiKey
from node0.finetune.serving.http.key_quotas import KeyQuotas, QuotaSettings, TierLimits
from node0.finetune.serving.protocols.api_errors import RequestRefused

KEY, OTHER = ApiKey("t" * 16, "rig"), ApiKey("u" * 16, "other")


class Hand:
    """A clock that is moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def quotas(clock: Hand, **limits: int | None) -> KeyQuotas:
    nothing = {"requests_per_minute": None, "tokens_per_minute": None, "concurrent": None}
    return KeyQuotas(QuotaSettings(standard=TierLimits(**{**nothing, **limits})), clock=clock)


def test_requests_beyond_a_minutes_share_wait_until_the_next_one_has_filled_up() -> None:
    clock = Hand()
    limited = quotas(clock, requests_per_minute=3)
    for _ in range(3):
        limited.enter(KEY)

    with pytest.raises(RequestRefused, match="rig may have 3 requests a minute") as refused:
        limited.enter(KEY)
    limited.enter(OTHER)
    assert (refused.value.status, refused.value.retry_after) == (429, 20)
    clock.now += 19
    with pytest.raises(RequestRefused):
        limited.enter(KEY)
    clock.now += 1.5
    limited.enter(KEY)


def test_tokens_may_be_overdrawn_by_one_request_and_are_then_waited_for() -> None:
    clock = Hand()
    limited = quotas(clock, tokens_per_minute=600)
    limited.enter(KEY)(1200)

    with pytest.raises(RequestRefused, match="600 tokens a minute") as refused:
        limited.enter(KEY)
    assert refused.value.retry_after == 61
    clock.now += 61
    limited.enter(KEY)(0)


def test_a_place_is_free_when_its_answer_has_ended() -> None:
    limited = quotas(Hand(), concurrent=2)
    leave, _ = limited.enter(KEY), limited.enter(KEY)

    with pytest.raises(RequestRefused, match="2 requests at once") as refused:
        limited.enter(KEY)
    assert (refused.value.status, refused.value.retry_after) == (429, 1)
    leave(0)
    limited.enter(KEY)


def test_a_grant_counts_from_the_next_request_on(tmp_path: Path) -> None:
    limited = KeyQuotas(QuotaSettings(standard=TierLimits(concurrent=1)), clock=Hand())
    key = ApiKey("t" * 16, "rig", tmp_path / "grant.json")
    limited.enter(key)
    with pytest.raises(RequestRefused):
        limited.enter(key)

    AccessGrantManager().grant_extended_access(tmp_path / "grant.json")

    for _ in range(20):
        limited.enter(key)


def test_a_rig_without_access_is_refused_and_a_broken_grant_is_the_standard_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limited, grant = KeyQuotas(clock=Hand()), tmp_path / "grant.json"
    grant.write_text(json.dumps({"model_access": {"tier": "none"}}))

    with pytest.raises(RequestRefused, match="rig has no access") as refused:
        limited.enter(ApiKey("t" * 16, "rig", grant))
    assert refused.value.status == 403
    grant.write_text("{")
    limited.enter(ApiKey("t" * 16, "rig", grant))
    assert "rig has the standard tier" in caplog.text
