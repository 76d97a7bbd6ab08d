# SPDX-License-Identifier: Apache-2.0
from node0.finetune.deploy.unsettled_words import in_words
from node0.finetune.statistics.settling import More, Unsettled


def test_what_would_settle_it_is_more_trials_or_more_items() -> None:
    one = Unsettled("git", -0.07, -0.12, More(trials=9, items=80))

    assert in_words(one, has_epochs=True) == (
        "git is 7.0% below the version at work, which may be chance: inconclusive, about 9 trials an item "
        "would settle it. Evaluate both with node0 eval run --epochs 9"
    )
    assert in_words(one, has_epochs=False).endswith(
        "about 80 items of it would settle it. Evaluate both on more"
    )


def test_all_categories_together_may_be_worse_than_was_seen() -> None:
    together = in_words(Unsettled(None, 0.01, -0.06, None), has_epochs=True)

    assert together.startswith("All categories together may be 6.0% below the version at work (+1.0% seen)")
    assert together.endswith("so near is it to the margin. Look at both")
