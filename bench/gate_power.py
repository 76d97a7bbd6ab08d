# SPDX-License-Identifier: Apache-2.0
"""How often the test for a regression is right, by simulation: a planted fall found, equal models left alone.

It stands for what `node0 eval run` does by default: the shipped suite's categories with as many items as they
have, each tried five times. Each of 2,000 runs draws a chance of passing for every item (beta, mean 0.8: most
items are nearly always or nearly never passed), has two versions try every item, and asks the shipped test,
corrected over all categories, and the margin. Three falls of 20 points are planted in the smallest category:

    every item      each item's chance falls in proportion
    some items      single items go to 0 until the category has lost 20 points; the others stay
    other items     each item's chance is drawn anew, 20 points lower in the mean: the hardest, since items
                    that got better hide those that got worse

Equal models have the same chances and other luck; `equal on average` draws each item's chance anew.

With --gate it is asked how often the version is not deployed, since it fell or since that is not settled, and
in brackets how often it would not be if each category had to exclude a fall beyond the margin.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence

from node0.finetune.eval.running.eval_runner import EPOCHS
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.statistics.paired import bootstrap
from node0.finetune.statistics.power import ALPHA
from node0.finetune.statistics.regression import Outcomes, chances, compare, verdict_of
from node0.finetune.statistics.settling import unsettled
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.verdict import Verdict

RUNS, MEAN, SHARPNESS, FALL = 2000, 0.8, 1.0, 0.2

Chances = list[float]
Plant = Callable[[random.Random, Chances], Chances]
Answer = Callable[[Outcomes, Outcomes, str | None], list[bool]]
"Of an old and a new version, and the category that fell."


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate and print a line for each number of epochs."""
    options = _options(argv)
    sizes = _sizes(options.items)
    told = ", ".join(f"{name} {size}" for name, size in sizes.items())
    print(f"{sum(sizes.values())} items ({told}), {options.runs} runs")
    answer = _not_deployed if options.gate else _flagged
    for epochs in options.epochs:
        found = {name: _shares(plant, sizes, epochs, options.runs, answer) for name, plant in PLANTS.items()}
        print(f"{epochs} epochs: " + "; ".join(f"{name} {_show(shares)}" for name, shares in found.items()))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--items", type=int, help="of each category, in place of the shipped suite's")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 3, EPOCHS, 8])
    parser.add_argument("--gate", action="store_true", help="how often a version is not deployed; takes long")
    return parser.parse_args(argv)


def _sizes(items: int | None) -> dict[str, int]:
    """Items of each category, the smallest first."""
    shipped = Counter(item.category for item in load_suite())
    return {name: items or size for name, size in sorted(shipped.items(), key=lambda one: (one[1], one[0]))}


def _shares(plant: Plant, sizes: dict[str, int], epochs: int, runs: int, answer: Answer) -> list[float]:
    """The share of runs in which each answer is yes."""
    chance = random.Random(20)
    found = [_one(plant, sizes, epochs, chance, answer) for _ in range(runs)]
    return [sum(answers) / runs for answers in zip(*found, strict=True)]


def _show(shares: Sequence[float]) -> str:
    first, *others = shares
    return " ".join([f"{first:.3f}", *(f"({share:.3f})" for share in others)])


def _one(
    plant: Plant, sizes: dict[str, int], epochs: int, chance: random.Random, answer: Answer
) -> list[bool]:
    before = {name: _draw(chance, size, MEAN) for name, size in sizes.items()}
    fell = next(iter(sizes))
    after = before | {fell: plant(chance, before[fell])}
    if plant is _equal_on_average:
        after = {name: plant(chance, shares) for name, shares in before.items()}
    old, new = (
        {name: _try_all(chance, shares, epochs) for name, shares in version.items()}
        for version in (before, after)
    )
    return answer(old, new, None if plant in (_equal, _equal_on_average) else fell)


def _flagged(old: Outcomes, new: Outcomes, fell: str | None) -> list[bool]:
    """Whether the category that fell is said to have; where none did, whether any is.

    Bounds, which take long, are drawn only where chance is no excuse.
    """
    found = [
        name
        for name, chance in chances(old, new).items()
        if chance < ALPHA
        and verdict_of(bootstrap([*old[name].values()], [*new[name].values()])[0], chance) is Verdict.FAIL
    ]
    return [bool(found) if fell is None else fell in found]


def _not_deployed(old: Outcomes, new: Outcomes, fell: str | None) -> list[bool]:
    compared = compare(old, new)
    refused = any(one.verdict is Verdict.FAIL for one in compared)
    strict = any(one.verdict is not Verdict.PASS for one in compared)
    return [refused or any(unsettled(compared)), strict]


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
