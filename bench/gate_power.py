# SPDX-License-Identifier: Apache-2.0
"""How often the test for a regression is right, by simulation: a planted fall found, equal models left alone.

Each of 2,000 runs draws a chance of passing for every item (beta, mean 0.8: most items are nearly always or
nearly never passed), has two versions try every item, and asks the shipped test, corrected over all
categories, and the margin. Three falls of 20 points are planted in one category:

    every item      each item's chance falls in proportion
    some items      single items go to 0 until the category has lost 20 points; the others stay
    other items     each item's chance is drawn anew, 20 points lower in the mean: the hardest, since items
                    that got better hide those that got worse

Equal models have the same chances and other luck; `equal on average` draws each item's chance anew.
"""

import argparse
import random
from collections.abc import Callable, Sequence

from node0.finetune.statistics.paired import bootstrap
from node0.finetune.statistics.power import ALPHA
from node0.finetune.statistics.regression import Outcomes, chances, verdict_of
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.verdict import Verdict

RUNS, CATEGORIES, ITEMS, EPOCHS = 2000, 5, 40, 5
MEAN, SHARPNESS, FALL = 0.8, 1.0, 0.2

Chances = list[float]
Plant = Callable[[random.Random, Chances], Chances]


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate and print a line for each number of epochs."""
    options = _options(argv)
    for epochs in options.epochs:
        found = {name: _flagged(plant, epochs, options) for name, plant in PLANTS.items()}
        print(
            f"{CATEGORIES} categories of {options.items} items, {epochs} epochs, {options.runs} runs: "
            + "; ".join(f"{name} {share:.3f}" for name, share in found.items())
        )


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--items", type=int, default=ITEMS, help="of a category")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 3, EPOCHS, 8])
    return parser.parse_args(argv)


def _flagged(plant: Plant, epochs: int, options: argparse.Namespace) -> float:
    """Share of runs in which some category is said to have fallen."""
    chance = random.Random(20)
    runs: int = options.runs
    return sum(_one(plant, epochs, options.items, chance) for _ in range(runs)) / runs


def _one(plant: Plant, epochs: int, items: int, chance: random.Random) -> bool:
    before = [_draw(chance, items, MEAN) for _ in range(CATEGORIES)]
    after = [plant(chance, before[0]), *before[1:]]
    if plant is _equal_on_average:
        after = [plant(chance, shares) for shares in before]
    old, new = (
        {str(number): _try_all(chance, shares, epochs) for number, shares in enumerate(version)}
        for version in (before, after)
    )
    found = _fallen(old, new)
    return bool(found) if plant in (_equal, _equal_on_average) else "0" in found


def _fallen(old: Outcomes, new: Outcomes) -> list[str]:
    """Categories that fell; bounds, which take long, are drawn only where chance is no excuse."""
    return [
        name
        for name, chance in chances(old, new).items()
        if chance < ALPHA
        and verdict_of(bootstrap([*old[name].values()], [*new[name].values()])[0], chance) is Verdict.FAIL
    ]


def _draw(chance: random.Random, items: int, mean: float) -> Chances:
    return [chance.betavariate(mean * SHARPNESS, (1 - mean) * SHARPNESS) for _ in range(items)]


def _try_all(chance: random.Random, shares: Chances, epochs: int) -> dict[str, Tally]:
    return {
        str(item): Tally(sum(chance.random() < share for _ in range(epochs)), epochs)
        for item, share in enumerate(shares)
    }


def _every_item(chance: random.Random, shares: Chances) -> Chances:
    return [share * (MEAN - FALL) / MEAN for share in shares]


def _some_items(chance: random.Random, shares: Chances) -> Chances:
    left, after = FALL * len(shares), list(shares)
    for item in chance.sample(range(len(shares)), len(shares)):
        lost = min(left, after[item])
        after[item] -= lost
        left -= lost
    return after


def _other_items(chance: random.Random, shares: Chances) -> Chances:
    return _draw(chance, len(shares), MEAN - FALL)


def _equal(chance: random.Random, shares: Chances) -> Chances:
    return shares


def _equal_on_average(chance: random.Random, shares: Chances) -> Chances:
    return _draw(chance, len(shares), MEAN)


PLANTS: dict[str, Plant] = {
    "20 points lower, every item": _every_item,
    "some items": _some_items,
    "other items": _other_items,
    "equal": _equal,
    "equal on average": _equal_on_average,
}


if __name__ == "__main__":
    main()
