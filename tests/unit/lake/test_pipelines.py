"""The graph of computed tables."""

from __future__ import annotations

from reelwright.lake.core.pipelines import GRAPH, Node, stages


def node(table: str, *reads: str) -> Node:
    """A table that reads others."""
    return Node(table, reads, "")


def test_no_table_is_computed_beside_one_that_it_reads() -> None:
    """Each comes as early as it can, and none twice."""
    graph = (node("a", "events"), node("b", "a"), node("c", "events"), node("d", "b", "c"), node("e", "a", "events"))
    found = [[each.table for each in stage] for stage in stages(graph)]
    assert found == [["a", "c"], ["b", "e"], ["d"]]


def test_the_graph_is_whole() -> None:
    """Every table of the graph is in one stage, behind what it reads."""
    found = stages(GRAPH)
    place = {each.table: number for number, stage in enumerate(found) for each in stage}
    assert sorted(place) == sorted(each.table for each in GRAPH)
    assert all(place[name] < place[each.table] for each in GRAPH for name in each.reads if name in place)
