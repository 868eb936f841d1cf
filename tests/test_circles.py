"""No two files import each other, not even by way of others. What may import what is in pyproject.toml (import-linter); its
contracts are about folders, and a circle within one would pass them."""

from __future__ import annotations

from collections.abc import Mapping

import grimp


def circles(imports: Mapping[str, set[str]]) -> list[set[str]]:
    """Groups of files that import each other, directly or not: what is left when files that import nobody of the rest,
    or that nobody of the rest imports, are taken away again and again, split by who reaches whom."""
    left = {name: {one for one in wanted if one in imports} for name, wanted in imports.items()}
    while ends := {one for one in left if not left[one] or not any(one in others for others in left.values())}:
        left = {name: wanted - ends for name, wanted in left.items() if name not in ends}
    found: list[set[str]] = []
    while left:
        start = next(iter(left))
        group = {one for one in _reached(left, start) if start in _reached(left, one)}
        if len(group) > 1:
            found.append(group)
        left = {name: wanted - group - {start} for name, wanted in left.items() if name not in group | {start}}
    return found


def _reached(imports: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for one in imports[todo.pop()]:
            if one not in seen:
                seen.add(one)
                todo.append(one)
    return seen


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("postprober", exclude_type_checking_imports=True)
    assert len(graph.modules) > 400
    assert circles({one: graph.find_modules_directly_imported_by(one) for one in graph.modules}) == []


def test_the_search_finds_circles() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b", "e"}, "e": set()}) == [{"b", "c", "d"}]
    two = circles({"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}})
    assert sorted(map(sorted, two)) == [["a", "b"], ["c", "d"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
