"""Movement traces: what is understood, where it takes the devices, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ns3_scenarios.description.movement import Movement
from ns3_scenarios.description.ns2_movement import read_ns2_movement
from ns3_scenarios.errors import ScenarioError

START = "\n".join(f"$node_({i}) set {axis}_ {10 * i}" for i in range(2) for axis in "XY") + "\n"


def read(tmp_path: Path, text: str | bytes, n: int = 2, until_s: float = 100.0) -> Movement:
    file = tmp_path / "moves.tcl"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_ns2_movement(file, n, 1.5, until_s)


def place_m(movement: Movement, device: int, time_s: float) -> list[float]:
    """Where a device is, by going through its legs one by one."""
    at = [0.0, 0.0, 0.0]
    for k in np.flatnonzero(movement.device == device):
        if movement.time_s[k] <= time_s:
            since_s = time_s - movement.time_s[k]
            at = list(movement.position_m[k] + movement.velocity_mps[k] * since_s)
    return [round(float(x), 9) for x in at]


def test_a_node_goes_straight_to_its_destination_and_stays_there(tmp_path: Path) -> None:
    moves = read(tmp_path, START + '$ns_ at 2.0 "$node_(1) setdest 13 14 2.5"\n')
    # 5 m away (3, 4), so 2 s at 2.5 m/s; antennas 1.5 m above the ground.
    assert [place_m(moves, 1, t)[:2] for t in (0, 2, 3, 4, 50)] == [
        [10, 10],
        [10, 10],
        [11.5, 12],
        [13, 14],
        [13, 14],
    ]
    assert moves.heights_m.tolist() == [[1.5, 1.5]] * 2
    assert moves.remarks == ()


def test_an_interrupted_node_turns_where_it_is_and_a_set_stops_it(tmp_path: Path) -> None:
    # Commands out of order in the file, as SUMO sorts by vehicle.
    text = START + '$ns_ at 6 "$node_(0) set X_ 50"\n$ns_ at 1 "$node_(0) setdest 10 0 1"\n'
    moves = read(tmp_path, text + '$ns_ at 4 "$node_(0) setdest 3 100 5"\n')
    # 3 m on at 4 s, then up at 5 m/s; at 6 s it is put to x = 50 and stands.
    assert [place_m(moves, 0, t)[:2] for t in (4, 5, 6, 9)] == [[3, 0], [3, 5], [50, 10], [50, 10]]


@pytest.mark.parametrize(
    "line",
    [
        '$ns at 1.0 "$node_(1) setdest 20 10 5"',
        '  $ns_   at 1.0  "$node_(1)  setdest 20 10 5  " ;',
        "$sim at 1.0 {$node_(1) setdest 2e1 10. +5} # to the east",
        '$ns_ at 1.0 "$node_(1) setdest 20 10 5"\r',
    ],
)
def test_the_same_command_in_other_clothes_moves_alike(tmp_path: Path, line: str) -> None:
    moves = read(tmp_path, START + line + "\n")
    assert place_m(moves, 1, 2.0) == [15, 10, 1.5]


def test_what_is_no_movement_is_passed_over(tmp_path: Path) -> None:
    text = "#\n# nodes: 2, pause: 0\n#\nset val(nn) 2\n\n" + START
    text += '$god_ set-dist 0 1 1\n$ns_ at 3.0 "$god_ set-dist 0 1 2"\n'
    assert len(read(tmp_path, text).device) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('$ns_ at 1 "$node_(0) setdest 1 2"', "line 5: expected $node_(I) set X_ V or"),
        ('$ns_ at 1 "$node_(0) setdest 1 2 -3"', "line 5: expected a speed as a number from 0"),
        ('$ns_ at 1 "$node_(0) setdest nan 2 3"', "line 5: expected a place as a number"),
        ('$ns_ at 1 "$node_(0) setdest 1 inf 3"', "got 'inf'"),
        ('$ns_ at 1 "$node_(0) setdest 1 1e9 3"', "from -1e+07 to 1e+07, got '1e9'"),
        ('$ns_ at -1 "$node_(0) setdest 1 2 3"', "line 5: expected a time as a number of at least"),
        ('$ns_ at $t "$node_(0) setdest 1 2 3"', "got '$t'"),
        ('$ns_ at 1 "$node_(0) setdest 1 2 3', "expected quotes and braces in pairs"),
        ('$ns_ at 1 "$node_(0) set X_ 3"; puts hi', "one command a line"),
        ('$ns_ at 1 "$node_(0) reset"', "line 5: expected $node_(I) set X_ V"),
        ("$node_(0) random-motion 0", "got '$node_(0) random-motion 0'"),
        ("$n0 set X_ 3", "line 5: expected $node_(I)"),
        ("$rsu_(0) set X_ 3", "line 5: expected nodes of one array, $node_"),
        ("$node_(0) set X_ 3", "line 5: expected X_ of $node_(0) once (it is set in line 1)"),
        ("$node_(99999999999999999999) set X_ 1", "line 5: expected"),
        ("foreach i {1 2} {", "line 5: expected quotes and braces in pairs"),
    ],
)
def test_a_line_that_is_not_understood_is_refused_with_its_number(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(ScenarioError) as refused:
        read(tmp_path, START + text + "\n")
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_node_without_a_start_is_refused_by_name_and_line(tmp_path: Path) -> None:
    # Destinations added to a placement would be another movement than the trace's.
    text = "".join(
        f'$ns_ at 0.0 "$node_({i}) setdest {30 * i}.0 {y}.0 {v}.0"\n'
        for i, (y, v) in enumerate([(0, 1), (100, 10), (100, 10)])
    )
    with pytest.raises(
        ScenarioError, match=r"line 1: expected where \$node_\(0\) starts, got no X"
    ):
        read(tmp_path, text, n=3)
    with pytest.raises(ScenarioError, match=r"trace: expected where \$node_\(2\) starts"):
        read(tmp_path, START, n=3)
    put = START + '$ns_ at 0.0 "$node_(2) set X_ 7"\n$ns_ at 0.0 "$node_(2) set Y_ 8"\n'
    assert read(tmp_path, put, n=3).start_m[2].tolist() == [7, 8, 1.5]


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="line 3: expected UTF-8 text"):
        read(tmp_path, b"# one\n# two\n# \xff\n" + START.encode())
    assert len(read(tmp_path, b"\xef\xbb\xbf" + START.encode()).device) == 2


def test_what_runs_but_perhaps_not_as_meant_is_remarked_once_with_its_line(tmp_path: Path) -> None:
    text = START + "$node_(1) set Z_ 2\n$node_(7) set X_ 1\n$node_(7) set Y_ 1\n"
    text += '$ns_ at 100 "$node_(0) setdest 1 2 0"\n'
    moves = read(tmp_path, text)
    assert [line.split(" in /")[0] for line in moves.remarks] == [
        "network.mobility_trace line 6: $node_(7) is none of the 2 devices: passed over, and 1 more"
        " such",
        "network.mobility_trace line 8: $node_(0) is sent off at speed 0: it stands",
        "network.mobility_trace line 8: the first movement begins at 100 s, after the run (100 s):"
        " all devices stand still",
        "network.mobility_trace line 5: Z_ 2 is ground: $node_(1) has its antenna at 3.5 m"
        " (network.device_height_m 1.5 above it)",
    ]
    assert moves.start_m[:, 2].tolist() == [1.5, 3.5]


def test_heights_that_change_on_the_way_are_known(tmp_path: Path) -> None:
    moves = read(tmp_path, START + '$ns_ at 5 "$node_(0) set Z_ 20"\n')
    assert moves.heights_m.tolist() == [[1.5, 21.5], [1.5, 1.5]]
    late = read(tmp_path, START + '$ns_ at 5 "$node_(0) set Z_ 20"\n', until_s=5.0)
    assert late.heights_m.tolist() == [[1.5, 1.5]] * 2


coordinates = st.floats(-50, 50).map(lambda x: round(x, 2))
commands = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(0, 30).map(lambda t: round(t, 1)),
        coordinates,
        coordinates,
        st.floats(0.1, 30).map(lambda v: round(v, 1)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(commands)
@example([(0, 0.0, 20.0, 20.0, 1.0), (1, 0.0, -10.0, -10.0, 1.0)])
def test_the_least_distance_is_that_of_a_walk_in_small_steps(
    tmp_path_factory: pytest.TempPathFactory, moves: Any
) -> None:
    text = "".join(f"$node_({i}) set {axis}_ {10 * i}\n" for i in range(3) for axis in "XY")
    text += "".join(f'$ns_ at {t} "$node_({i}) setdest {x} {y} {v}"\n' for i, t, x, y, v in moves)
    movement = read(tmp_path_factory.mktemp("moves"), text, 3, until_s=40.0)
    least_m, at_s = movement.least_distances_m()
    step_s = 0.02
    times_s = np.linspace(0, 40, 2001)
    walk = [movement._at(own, times_s)[0] for own in movement._legs()]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        stepped_m = np.linalg.norm(walk[i] - walk[j], axis=1)
        # Between two steps the gap can shrink by what both move in half a step.
        assert stepped_m.min() - 60 * step_s / 2 <= least_m[i, j] <= stepped_m.min() + 1e-9
        here, there = (np.array(place_m(movement, k, at_s[i, j])) for k in (i, j))
        assert np.linalg.norm(here - there) == pytest.approx(least_m[i, j], abs=1e-6)


WORDS = "$node_(0) $node_(1) $node_( $ns_ $ns at set setdest X_ Y_ Z_ 0 1 -1 2.5 1e999 nan 0x1"
WORDS += ' -- " { } ; # $god_ 1e-320 é ٣ \\'
PIECES = st.sampled_from([*WORDS.split(), *"\n\n\n", "\x00", "\u2028", "9" * 5000])


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40), st.integers(0, 200), st.binary(max_size=3))
def test_no_text_whatever_gives_more_than_one_line(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], cut: int, noise: bytes
) -> None:
    good = START + '$ns_ at 1.0 "$node_(0) setdest 1 2 3.5"\n' * 2
    text = good[:cut].encode() + noise + good[cut:].encode() + " ".join(pieces).encode()
    lines = said_of(tmp_path_factory.getbasetemp(), text)
    assert all(len(line.splitlines()) == 1 for line in lines)
    assert all(line.startswith("network.mobility_trace") for line in lines)


def said_of(folder: Path, text: bytes) -> tuple[str, ...]:
    """Every line that the user would see of a text."""
    try:
        movement = read(folder, text)
    except ScenarioError as refused:
        return (str(refused),)
    assert np.isfinite(movement.position_m).all()
    assert np.isfinite(movement.least_distances_m()[0][0, 1])
    return movement.remarks
