"""The cost model of scaling: made-up times give their coefficients back; limits are those of the closed forms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from rapidml.planning.cost_model import fit_cost_model

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = st.floats(0.01, 1000.0)
NOISY = [{1: 2.9, 2: 2.0}, {1: 3.0, 2: 2.1}, {1: 3.1, 2: 1.9}]


def make_times(numbers: Sequence[int], serial: float, parallel: float, exchange: float = 0.0) -> list[dict[int, float]]:
    return [{n: serial + parallel / n + exchange * (n - 1) for n in numbers}] * 3


@given(SECONDS, SECONDS)
def test_coefficients_are_recovered(serial: float, parallel: float) -> None:
    model = fit_cost_model(make_times([1, 2, 4], serial, parallel), n_draws=5)
    assert model.term("serial").value == pytest.approx(serial, rel=1e-6, abs=1e-6 * parallel)
    assert model.term("parallel").value == pytest.approx(parallel, rel=1e-6, abs=1e-6 * serial)
    assert model.seconds(64).value == pytest.approx(serial + parallel / 64, rel=1e-6)


@given(SECONDS, SECONDS, SECONDS)
def test_an_exchange_is_recovered(serial: float, parallel: float, exchange: float) -> None:
    times = make_times([1, 2, 4, 8], serial, parallel, exchange)
    model = fit_cost_model(times, with_exchange=True, n_draws=5)
    for name, known in (("serial", serial), ("parallel", parallel), ("exchange", exchange)):
        assert model.term(name).value == pytest.approx(known, abs=1e-6 * (serial + parallel + exchange))


@given(SECONDS, SECONDS)
def test_the_limit_is_amdahls(serial: float, parallel: float) -> None:
    model = fit_cost_model(make_times([1, 2], serial, parallel), n_draws=5)
    share = serial / (serial + parallel)
    assert model.limit().value == pytest.approx(1 / share, rel=1e-6)
    assert model.speed_up(16).value == pytest.approx(1 / (share + (1 - share) / 16), rel=1e-6)
    assert model.speed_up(1e9).value == pytest.approx(model.limit().value, rel=1e-3)


def test_the_limit_with_an_exchange_is_at_the_square_root() -> None:
    model = fit_cost_model(make_times([1, 2, 4, 8], 1.0, 64.0, 4.0), with_exchange=True, n_draws=5)
    assert model.limit().value == pytest.approx(65.0 / (1.0 + 64.0 / 4.0 + 4.0 * 3.0))
    assert max(model.speed_up(n).value for n in range(1, 50)) == pytest.approx(model.speed_up(4).value)


def test_the_limit_counts_from_the_smallest_number() -> None:
    model = fit_cost_model(make_times([2, 4], 1.0, 8.0), n_draws=5)
    assert model.speed_up(2).value == pytest.approx(1.0)
    assert model.limit().value == pytest.approx(5.0)


def test_without_a_serial_part_there_is_no_limit() -> None:
    model = fit_cost_model(make_times([1, 2, 4], 0.0, 3.0))
    assert model.term("serial").value == pytest.approx(0.0, abs=1e-9)
    faster = fit_cost_model([{1: 4.0, 2: 1.9}, {1: 4.1, 2: 1.8}])  # caches may do that
    assert faster.term("serial").value == 0.0
    assert math.isinf(faster.limit().value)
    assert faster.limit().to_json() == {"value": None, "low": None, "high": None}


@given(st.lists(st.floats(0.5, 20.0), min_size=4, max_size=4))
def test_the_coefficients_are_those_of_scipy(seconds: list[float]) -> None:
    numbers = [1, 2, 4, 8]
    times = [{n: share * t for n, t in zip(numbers, seconds, strict=True)} for share in (1.0, 1.1)]
    rows = np.array([[1.0, 1.0 / n, n - 1.0] for n in numbers for _ in range(2)])
    flat = np.array([one[n] for n in numbers for one in times])
    scale = np.repeat([1 / np.mean([one[n] for one in times]) for n in numbers], 2)
    expected, _ = nnls(rows * scale[:, None], flat * scale)
    model = fit_cost_model(times, with_exchange=True, n_draws=2)
    assert list(model.coefficients) == pytest.approx(list(expected), rel=1e-6, abs=1e-6)


def test_equal_repetitions_leave_no_uncertainty_and_others_do() -> None:
    exact = fit_cost_model(make_times([1, 2], 1.0, 2.0)).seconds(8)
    assert exact.low == pytest.approx(exact.value)
    assert exact.high == pytest.approx(exact.value)
    noisy = fit_cost_model(NOISY)
    assert noisy.seconds(8).low < noisy.seconds(8).value < noisy.seconds(8).high


def test_what_slows_whole_repetitions_leaves_the_ratios_sharp() -> None:
    model = fit_cost_model([{n: share * (1.0 + 8.0 / n) for n in (1, 2, 4)} for share in (0.8, 1.0, 1.3)])
    assert model.seconds(16).high > 1.05 * model.seconds(16).low
    for found, known in ((model.limit(), 9.0), (model.speed_up(8), 4.5)):
        assert (found.value, found.low, found.high) == pytest.approx((known, known, known))


def test_repetitions_that_were_cut_short_count_where_they_have_times() -> None:
    whole, part = {1: 3.0, 2: 2.0}, {1: 3.6}
    model = fit_cost_model([whole, part])
    assert model.n_fits == 3
    assert model.seconds(1).value == pytest.approx(3.3)
    assert model.seconds(2).value == pytest.approx(2.0)
    assert fit_cost_model([{1: 3.0}, {2: 2.0}]).seconds(2).value == pytest.approx(2.0)


def test_the_interval_of_a_time_covers_as_often_as_it_says() -> None:
    draw = np.random.default_rng(7)
    inside = 0
    for _ in range(100):
        times = [{n: (1.0 + 2.0 / n) * draw.normal(1.0, 0.03) for n in (1, 2, 4)} for _ in range(12)]
        found = fit_cost_model(times, n_draws=200).seconds(16)
        inside += found.low <= 1.125 <= found.high
    assert 53 <= inside <= 80  # 68.3 +- 4.7, with three standard deviations to either side; the bootstrap is narrow


def test_the_same_times_give_the_same_draws() -> None:
    assert fit_cost_model(NOISY).limit() == fit_cost_model(NOISY).limit()


def test_an_exchange_needs_three_numbers() -> None:
    assert fit_cost_model(make_times([1, 2], 1.0, 2.0), with_exchange=True).terms == ("serial", "parallel")
    assert not fit_cost_model(make_times([1, 2], 1.0, 2.0)).is_tested
    assert fit_cost_model(make_times([1, 2, 4], 1.0, 2.0)).is_tested


@pytest.mark.parametrize("times", [[{1: 1.0}], [], [{}], [{1: 0.0, 2: 1.0}]])
def test_too_little_is_refused(times: list[dict[int, float]]) -> None:
    with pytest.raises(ValueError, match="number"):
        fit_cost_model(times)
