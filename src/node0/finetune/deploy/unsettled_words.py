# SPDX-License-Identifier: Apache-2.0
"""Say what a comparison with the version at work leaves open, and what would settle it."""

from node0.finetune.statistics.settling import More, Unsettled


def in_words(one: Unsettled, *, has_epochs: bool) -> str:
    """What may be so, what would settle it, and what to do, without a full stop.

    has_epochs: whether items can be tried more often; recorded calls are what they are.
    """
    if one.category is None:
        seen = (
            f"All categories together may be {-one.low:.1%} below the version at work ({one.delta:+.1%} seen)"
        )
        return f"{seen}: inconclusive, {_settled_by(one.more, 'in all', has_epochs=has_epochs)}"
    seen = f"{one.category} is {-one.delta:.1%} below the version at work, which may be chance"
    return f"{seen}: inconclusive, {_settled_by(one.more, 'of it', has_epochs=has_epochs)}"


def _settled_by(more: More | None, which: str, *, has_epochs: bool) -> str:
    if more is None:
        return "and no number of items would settle it, so near is it to the margin. Look at both"
    if more.trials is None or not has_epochs:
        return f"about {more.items} items {which} would settle it. Evaluate both on more"
    return (
        f"about {more.trials} trials an item would settle it. Evaluate both with node0 eval run "
        f"--epochs {more.trials}"
    )
