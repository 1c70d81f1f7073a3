"""Shadowing of one field: how much links have in common, by worlds drawn and by the integral."""

import numpy as np
import pytest
from made_config import make_config
from scipy.interpolate import RegularGridInterpolator

from cosim.config.to_scenario import make_scenario
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.shadowing import MOST_POINTS, ShadowingField, draw_field
from ns3_scenarios.errors import ScenarioError

SIGMA_DB, DECAY_M = 4.0, 1.0
SIDE_M, APART_M = 400.0, 25.0


def polar(length_m: float, degrees: float) -> list[float]:
    angle = np.radians(degrees)
    return [length_m * np.cos(angle), length_m * np.sin(angle)]


# Two links each, (link, end, x and y) [m]; lengths of 3 to 12 decays.
LINKS = {
    "itself, long": [[[0, 0], [12, 0]], [[0, 0], [12, 0]]],
    "itself, short": [[[0, 0], [0.5, 0]], [[0, 0], [0.5, 0]]],
    "an end, 10 degrees": [[[0, 0], polar(10, 3)], [[0, 0], polar(10, 13)]],
    "an end, 45 degrees": [[[0, 0], polar(10, 3)], [[0, 0], polar(6, 48)]],
    "an end, opposite": [[[5, 0], polar(5, 60)], [[5, 0], [10, 0]]],
    "one beyond the other": [[[0, 0], polar(3, 20)], [[0, 0], polar(9, 20)]],
    "parallel, half a decay": [[[0, 0], [10, 0]], [[0, 0.5], [10, 0.5]]],
    "parallel, 3 decays": [[[0, 0], [10, 0]], [[0, 3], [10, 3]]],
    "crossing": [[[0, 0], [8, 8]], [[0, 8], [8, 0]]],
    "far": [[[0, 0], [5, 0]], [[0, 11], [5, 11]]],
}


def integral(first: FloatArray, second: FloatArray) -> float:
    """Covariance over sigma^2: the integral of exp(-r/d) over both links / (2 d sqrt(L L'))."""
    along = (np.arange(2000) + 0.5) / 2000
    a, b = (link[0] + along[:, None] * (link[1] - link[0]) for link in (first, second))
    r_m = np.hypot(a[:, None, 0] - b[:, 0], a[:, None, 1] - b[:, 1])
    lengths_m = [float(np.hypot(*(link[1] - link[0]))) for link in (first, second)]
    return float(np.exp(-r_m / DECAY_M).mean() * np.sqrt(np.prod(lengths_m)) / (2 * DECAY_M))


@pytest.fixture(scope="module")
def worlds() -> list[ShadowingField]:
    area_m = (0.0, SIDE_M, 0.0, SIDE_M)
    return [draw_field(area_m, SIGMA_DB, DECAY_M, np.random.default_rng(seed)) for seed in range(6)]


@pytest.mark.parametrize("name", LINKS)
def test_links_have_as_much_in_common_as_the_double_integral_says(
    name: str, worlds: list[ShadowingField]
) -> None:
    links = np.array(LINKS[name], dtype=float)
    first, second = links
    own, other, both = integral(first, first), integral(second, second), integral(first, second)
    places_m = np.arange(0, SIDE_M, APART_M) + 0.03  # off the points of the grid
    draws = np.array(
        [
            [world.link_db(*(link + np.array([x, 1.7 * y % SIDE_M]))) for link in links]
            for world in worlds
            for x in places_m
            for y in places_m
        ]
    )
    x, y = draws.T / SIGMA_DB
    # Of N draws, a product's deviation is sqrt(V V' + C^2); 2 % of a deviation is the grid's.
    spread = np.sqrt((own * other + both**2) / len(draws))
    assert abs((x * y).mean() - both) < 4 * spread + 0.04 * np.sqrt(own * other)
    assert (name == "far") == (both < 1e-3)
    if name.startswith("itself"):
        length_m = float(first[1, 0])
        assert both == pytest.approx(1 - (1 - np.exp(-length_m)) / length_m, rel=1e-3)


def test_a_link_crosses_the_field_as_a_fine_sum_over_its_points_does() -> None:
    field = draw_field((-20.0, 30.0, 5.0, 25.0), SIGMA_DB, 2.0, np.random.default_rng(3))
    rows, columns = field.values.shape
    x_m = field.origin_m[0] + field.step_m * np.arange(columns)
    y_m = field.origin_m[1] + field.step_m * np.arange(rows)
    between = RegularGridInterpolator((y_m, x_m), field.values)
    rng = np.random.default_rng(4)
    for _ in range(20):
        ends_m = rng.uniform((-20, 5, 0), (30, 25, 3), (2, 3))
        line = np.linspace(*ends_m[:, :2], 100_001)
        length_m = float(np.hypot(*(ends_m[1] - ends_m[0])[:2]))
        expected_db = np.trapezoid(between(line[:, ::-1]), dx=length_m / 100_000) / length_m**0.5
        assert field.link_db(*ends_m) == pytest.approx(expected_db, abs=0.03)
        assert field.link_db(*ends_m[::-1]) == pytest.approx(field.link_db(*ends_m), abs=1e-9)
        period_m = field.step_m * np.array([columns, -rows, 0])
        assert field.link_db(*(ends_m + period_m)) == pytest.approx(field.link_db(*ends_m))
    above = np.array([[3.0, 9.0, 1.5], [3.0, 9.0, 30.0]])
    assert field.link_db(*above) == 0.0


def test_an_area_of_too_many_points_is_refused_with_a_decay_that_does() -> None:
    area_m = (0.0, 3000.0, 0.0, 100.0)
    with pytest.raises(ScenarioError, match=f"3000 x 100 m .* {MOST_POINTS} points") as refused:
        draw_field(area_m, 4.0, 0.21, np.random.default_rng(1))
    least_m = float(str(refused.value).split("at least ")[1].split()[0])
    assert 0.21 < least_m < 1
    with pytest.raises(ScenarioError, match="expected at least"):
        draw_field(area_m, 4.0, 0.93 * least_m, np.random.default_rng(1))
    assert (
        draw_field(area_m, 4.0, least_m, np.random.default_rng(1)).values.size < MOST_POINTS * 1.1
    )


def test_a_network_has_the_shadowing_of_its_seeds_field() -> None:
    flags = ("--network.shadowing_model=network", "--network.shadowing_decay_m=2")
    one, again, other = (
        make_scenario(make_config(*flags, f"--seed={seed}", devices=5)).channel
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.shadowing_db, again.shadowing_db)
    np.testing.assert_array_equal(one.shadowing_db, one.shadowing_db.T)
    assert not np.diag(one.shadowing_db).any()
    off = ~np.eye(5, dtype=np.bool_)
    assert (one.shadowing_db != other.shadowing_db)[off].all()
    assert make_scenario(make_config(devices=5)).channel.shadowing_field is None


def test_a_field_covers_the_ground_that_anybody_reaches() -> None:
    flags = ["--network.shadowing_model=network", "--network.shadowing_decay_m=1"]
    still = make_scenario(make_config(*flags, devices=4)).channel.shadowing_field
    walk = ("--network.mobility=random_waypoint", "--network.mobility_area_m=300")
    moving = make_scenario(make_config(*flags, *walk, devices=4)).channel.shadowing_field
    for field, side_m in ((still, 30), (moving, 300)):
        assert field.step_m == 0.25
        for count in field.values.shape:
            assert side_m + 10 <= count * field.step_m < 1.1 * (side_m + 10)
