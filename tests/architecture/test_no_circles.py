# SPDX-License-Identifier: Apache-2.0
import ast

from architecture.source_tree import circles, import_graph, imported


def test_no_module_imports_itself_through_others() -> None:
    assert circles(import_graph()) == []


def test_a_circle_is_told_once_and_with_every_module_on_it() -> None:
    graph = {"a": {"b", "d"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": set()}

    assert circles(graph) == ["a -> b -> c -> a"]


def test_two_circles_through_one_module_are_both_told() -> None:
    graph = {"a": {"b", "c"}, "b": {"a"}, "c": {"a"}}

    assert circles(graph) == ["a -> b -> a", "c -> a -> c"]


def test_an_import_counts_wherever_it_stands() -> None:
    lines = [
        "import a.b",
        "if TYPE_CHECKING:",
        "    from c import d",
        "def late():",
        "    from e.f import g",
    ]

    assert imported(ast.parse("\n".join(lines))) == {"a.b", "c", "c.d", "e.f", "e.f.g"}
