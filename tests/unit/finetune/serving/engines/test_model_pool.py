# SPDX-License-Identifier: Apache-2.0
import threading
from collections.abc import Callable
from typing import Any

import pytest

from node0.errors import BadCheckpoint, DoesNotFit
from node0.finetune.serving.engines.model_pool import Loader, ModelPool


class Weights:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Shelf:
    """Loaders that note what they loaded."""

    def __init__(self, **sizes: int) -> None:
        self.loaded: list[tuple[str, Weights]] = []
        self.loaders = {name: Loader(size, self._loader(name)) for name, size in sizes.items()}

    def _loader(self, name: str) -> Callable[[], Any]:
        def load() -> Weights:
            self.loaded.append((name, Weights()))
            return self.loaded[-1][1]

        return load

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.loaded]


def use(pool: ModelPool, *names: str) -> None:
    for name in names:
        with pool.using(name):
            pass


def test_a_model_is_loaded_when_it_is_first_used_and_kept() -> None:
    shelf = Shelf(a=1, b=1)
    pool = ModelPool(shelf.loaders)

    use(pool, "a", "b", "a", "a")

    assert shelf.names == ["a", "b"]
    assert pool.fits_all


@pytest.mark.parametrize("budget", [{"max_loaded": 2}, {"max_bytes": 25}])
def test_the_model_that_was_idle_the_longest_makes_room(budget: dict[str, int]) -> None:
    shelf = Shelf(a=10, b=10, c=10)
    pool = ModelPool(shelf.loaders, **budget)

    use(pool, "a", "b", "a", "c")

    assert pool.loaded == ["a", "c"]
    assert [weights.closed for _, weights in shelf.loaded] == [False, True, False]
    assert not pool.fits_all


def test_a_model_in_use_is_not_unloaded_and_whoever_needs_its_room_waits() -> None:
    shelf = Shelf(a=1, b=1)
    pool = ModelPool(shelf.loaders, max_loaded=1)
    waiter = threading.Thread(target=use, args=(pool, "b"))

    with pool.using("a"):
        waiter.start()
        waiter.join(0.05)
        assert waiter.is_alive() and pool.loaded == ["a"]
    waiter.join(5)

    assert pool.loaded == ["b"]


def test_whoever_waits_for_room_comes_before_whoever_takes_an_idle_model_again() -> None:
    shelf, order = Shelf(a=1, b=1), []
    pool = ModelPool(shelf.loaders, max_loaded=1)

    def take(name: str) -> None:
        with pool.using(name):
            order.append(name)

    other = threading.Thread(target=take, args=("b",))
    with pool.using("a"):
        other.start()
        while not pool.wanted:
            other.join(0.001)
    take("a")
    other.join(5)

    assert order == ["b", "a"]
    assert not pool.wanted


def test_two_users_of_a_model_load_it_once() -> None:
    shelf = Shelf(a=1)
    pool = ModelPool(shelf.loaders)
    users = [threading.Thread(target=use, args=(pool, "a")) for _ in range(8)]

    for user in users:
        user.start()
    for user in users:
        user.join(5)

    assert shelf.names == ["a"]


def test_a_model_that_cannot_be_loaded_leaves_its_room_free() -> None:
    def broken() -> Any:
        raise BadCheckpoint("torn")

    shelf = Shelf(a=1)
    pool = ModelPool({**shelf.loaders, "b": Loader(1, broken)}, max_loaded=1)

    with pytest.raises(BadCheckpoint), pool.using("b"):
        pass
    use(pool, "a")

    assert pool.loaded == ["a"]


def test_a_model_over_the_whole_budget_is_refused_at_once() -> None:
    with pytest.raises(DoesNotFit, match="model a takes 10 bytes, the budget is 9"):
        ModelPool(Shelf(a=10).loaders, max_bytes=9)


def test_closing_unloads_everything() -> None:
    shelf = Shelf(a=1, b=1)
    pool = ModelPool(shelf.loaders)
    use(pool, "a", "b")

    pool.close()

    assert pool.loaded == [] and all(weights.closed for _, weights in shelf.loaded)
