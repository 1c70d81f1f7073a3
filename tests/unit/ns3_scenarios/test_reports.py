from dataclasses import fields

import numpy as np

from ns3_scenarios.reports import LinkReport


def links(next_hop):
    n = len(next_hop)
    nothing = {field.name: np.zeros((n, n)) for field in fields(LinkReport)}
    return LinkReport(**nothing | {"next_hop": np.array(next_hop)})


def test_hops_are_the_steps_of_a_walk_along_the_next_ones():
    # A line 0 - 1 - 2 - 3; nobody knows a path to 4 but 3, whose two know only each other's.
    table = [
        [-1, 1, 1, 1, -1],
        [0, -1, 2, 2, 3],
        [1, 1, -1, 3, 1],
        [2, 2, 2, -1, 1],
        [-1, -1, -1, -1, -1],
    ]
    expected = np.full((5, 5), -1)
    for start in range(5):
        for goal in range(5):
            at, steps = start, 0
            while at != goal and at >= 0 and steps < 5:
                at, steps = table[at][goal], steps + 1
            if start != goal and at == goal:
                expected[start, goal] = steps
    np.testing.assert_array_equal(links(table).hops, expected)
    assert links(table).hops[0].tolist() == [-1, 1, 2, 3, -1]
    # 1 asks 3 for 4, and 3 asks 1: a walk without an end.
    assert links(table).hops[1, 4] == -1
