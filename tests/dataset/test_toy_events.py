"""The generated events: the generator against its definition, distributions against closed forms, and any partition."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from rapidml.dataset.files import identify
from rapidml.dataset.frame import Column, Task
from rapidml.dataset.leaks import find_leaks
from rapidml.dataset.readers import toy_events as toy
from rapidml.dataset.readers.registry import open_source
from rapidml.recipe.schema import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.dataset.conftest import Memory, Reads

Events = dict[str, Any]
OPTIONS = {"rows": 200_000, "signal_fraction": 0.5, "seed": 0}
LEAST_CHANCE = 1e-4
"""Draws are always the same, so a test that passes once passes always; the chance that a right generator fails it."""


@pytest.fixture(scope="module")
def events() -> Events:
    return toy.make_events(OPTIONS, 0, 200_000)


@pytest.fixture(scope="module")
def signal(events: Events) -> Events:
    return {name: values[events["target"] == 1].astype(float) for name, values in events.items()}


@pytest.fixture(scope="module")
def background(events: Events) -> Events:
    return {name: values[events["target"] == 0].astype(float) for name, values in events.items()}


def chance(values: NDArray[Any], distribution: Any) -> float:
    return float(stats.kstest(values, distribution.cdf if hasattr(distribution, "cdf") else distribution).pvalue)


def philox(key: tuple[int, int], counter: list[int]) -> list[int]:
    """Four numbers of Philox 4x64 with ten rounds, as Salmon and others (2011) define it."""
    mask, first, second = 2**64 - 1, *key
    c = list(counter)
    for number in range(10):
        if number:
            first, second = (first + 0x9E3779B97F4A7C15) & mask, (second + 0xBB67AE8584CAA73B) & mask
        left, right = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(right >> 64) ^ c[1] ^ first, right & mask, (left >> 64) ^ c[3] ^ second, left & mask]
    return c


@pytest.mark.parametrize(("seed", "block", "place"), [(0, 0, 0), (0, 0, 65_536 * 16 - 1), (7, 15_258, 123_457)])
def test_draws_are_those_of_philox(seed: int, block: int, place: int) -> None:
    digest = hashlib.sha256(f"toy_events 1 {seed}".encode()).digest()
    key = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")
    number = philox(key, [place // 4 + 1, 0, 0, block])[place % 4]
    drawn = toy.draw_block(seed, block).ravel()[place]
    assert drawn == ((number >> 12) + 0.5) / 2**52
    assert 0 < drawn < 1


def test_frozen_rows() -> None:
    """Stored models depend on these numbers: other ones need another ``FORMAT``."""
    made = toy.make_events({**OPTIONS, "rows": 1000}, 0, 3)
    assert made["target"].tolist() == [1, 0, 1]
    assert made["n_jets"].tolist() == [3, 2, 4]
    assert made["pair_mass"] == pytest.approx([192.87326, 321.05328, 213.79628], rel=1e-6)
    assert made["lep2_eta"] == pytest.approx([1.1658412, -2.0120451, -1.8385836], rel=1e-6)
    assert made["met"] == pytest.approx([7.372811, 18.354177, 53.227917], rel=1e-6)
    assert made["weight"] == pytest.approx([2.9170663, 98.998198, 2.5855182], rel=1e-6)


def test_rows_are_the_same_in_any_part(events: Events) -> None:
    for first, n_rows in [(0, 10), (65_530, 12), (131_071, 66_000), (199_999, 1)]:
        part = toy.make_events(OPTIONS, first, n_rows)
        for name, values in part.items():
            np.testing.assert_array_equal(values, events[name][first : first + n_rows])


def test_more_rows_begin_with_the_same_ones(events: Events) -> None:
    more = toy.make_events({**OPTIONS, "rows": 400_000}, 0, 1000)
    for name in set(toy.KINDS) - {"weight"}:
        np.testing.assert_array_equal(more[name], events[name][:1000])
    np.testing.assert_allclose(more["weight"], events["weight"][:1000] / 2, rtol=1e-12)
    other = toy.make_events({**OPTIONS, "seed": 1}, 0, 1000)
    assert not np.isin(other["lep1_pt"], events["lep1_pt"][:1000]).any()


class TestPhysics:
    def test_background_mass_falls_exponentially(self, background: Events) -> None:
        mass = background["true_mass"]
        assert chance(mass, stats.expon(toy.THRESHOLD, toy.GENERATED_SLOPE)) > LEAST_CHANCE

    def test_weighted_background_has_the_steeper_slope(self, background: Events) -> None:
        """Mean and variance of an exponential, and its share above two slopes."""
        mass, weight = background["true_mass"] - toy.THRESHOLD, background["weight"]
        n_effective = weight.sum() ** 2 / (weight @ weight)
        assert np.average(mass, weights=weight) == pytest.approx(toy.SLOPE, abs=4 * toy.SLOPE / n_effective**0.5)
        above = np.average(mass > 2 * toy.SLOPE, weights=weight)
        assert above == pytest.approx(np.exp(-2), abs=4 * (np.exp(-2) / n_effective) ** 0.5)

    def test_signal_peak(self, signal: Events) -> None:
        low, high = toy.PEAK_RANGE
        peak = stats.cauchy(toy.MASS, toy.WIDTH / 2)
        below, within = peak.cdf(low), peak.cdf(high) - peak.cdf(low)
        assert chance(signal["true_mass"], lambda mass: (peak.cdf(mass) - below) / within) > LEAST_CHANCE

    def test_mass_after_the_detector(self, signal: Events) -> None:
        """Each lepton's factor is normal: the mass is smeared by the root of their product, its peak a convolution."""
        ratio = signal["pair_mass"] / signal["true_mass"]
        draws = 1 + toy.RESOLUTION * np.random.default_rng(1).standard_normal((2, 200_000))
        assert stats.ks_2samp(ratio, np.sqrt(draws[0] * draws[1])).pvalue > LEAST_CHANCE
        assert np.std(ratio) == pytest.approx(toy.RESOLUTION / np.sqrt(2), rel=0.01)
        assert np.median(signal["pair_mass"]) == pytest.approx(toy.MASS, abs=0.3)
        half = np.subtract(*np.percentile(signal["pair_mass"], [75, 25])) / 2
        voigt = toy.WIDTH / 2 + 0.6745 * toy.MASS * toy.RESOLUTION / np.sqrt(2)  # an upper bound of its quartile
        assert 0.6745 * toy.MASS * toy.RESOLUTION / np.sqrt(2) < half < voigt

    @pytest.mark.parametrize("label", [0, 1])
    def test_transverse_momentum_is_a_power_law(self, events: Events, label: int) -> None:
        """Of the pair before the detector; smearing moves it by a few percent, so the tail shows the power."""
        own = events["pair_pt"][events["target"] == label].astype(float)
        scale = toy.PT_SCALE[label]
        for many in (2, 4, 6):
            assert np.mean(own > many * scale) == pytest.approx((1 + many**2) ** -2.0, rel=0.12)

    def test_decay_angles(self, signal: Events, background: Events) -> None:
        """Of slow pairs half the pseudorapidity difference tells the cosine: tanh(difference / 2)."""
        for own, power in ((signal, 0.0), (background, 1.0)):
            slow = own["pair_pt"] < 8
            cosine = np.abs(np.tanh((own["lep1_eta"] - own["lep2_eta"])[slow] / 2))
            expected = (1 / 2, (1 / 2 + 1 / 4) / (1 + 1 / 3))[int(power)]  # mean of |c| under 1 and under 1 + c**2
            assert np.mean(cosine) == pytest.approx(expected, abs=0.015)

    def test_angles_are_flat(self, events: Events) -> None:
        for name in ("lep1_phi", "lep2_phi", "met_phi"):
            assert chance(events[name].astype(float), stats.uniform(-np.pi, 2 * np.pi)) > LEAST_CHANCE

    def test_rapidity_is_normal(self, signal: Events, background: Events) -> None:
        """Of pairs of nearly no transverse momentum it is the mean pseudorapidity."""
        for own, width in ((background, toy.RAPIDITY[0]), (signal, toy.RAPIDITY[1])):
            slow = own["pair_pt"] < 6
            mean = (own["lep1_eta"] + own["lep2_eta"])[slow] / 2
            assert np.std(mean) == pytest.approx(width, rel=0.05)

    @pytest.mark.parametrize("label", [0, 1])
    def test_jets(self, events: Events, label: int) -> None:
        own = events["target"] == label
        counts = np.bincount(events["n_jets"][own], minlength=6)[:6] / own.sum()
        assert counts == pytest.approx(stats.poisson(toy.JETS[label]).pmf(np.arange(6)), abs=4e-3)
        for n_jets in (1, 3):  # the hardest of n exponentials
            hardest = events["jet1_pt"][own & (events["n_jets"] == n_jets)].astype(float)
            rule = stats.expon(toy.JET_THRESHOLD, toy.JET_SLOPE)
            assert chance(hardest, lambda pt, n=n_jets, rule=rule: rule.cdf(pt) ** n) > LEAST_CHANCE
        assert not events["jet1_pt"][events["n_jets"] == 0].any()

    def test_missing_energy_is_two_normal_components(self, events: Events) -> None:
        for n_jets in (0, 2):
            own = events["met"][events["n_jets"] == n_jets].astype(float)
            width = np.hypot(toy.MET_WIDTH, toy.MET_WIDTH_PER_JET * np.sqrt(n_jets))
            assert chance(own, stats.rayleigh(0, width)) > LEAST_CHANCE

    @pytest.mark.parametrize("share", [0.5, 0.1])
    def test_weights_sum_to_the_yields(self, share: float) -> None:
        made = toy.make_events({"rows": 150_000, "signal_fraction": share, "seed": 3}, 0, 150_000, ["weight", "target"])
        weight, target = made["weight"], made["target"]
        assert (weight > 0).all()
        assert np.mean(target) == pytest.approx(share, abs=0.005)
        assert weight[target == 0].sum() == pytest.approx(toy.YIELDS[0], rel=0.02)
        assert weight[target == 1].sum() == pytest.approx(toy.YIELDS[1], rel=0.02)


def test_no_column_gives_the_answer_away(events: Events) -> None:
    columns = [Column(name, events[name]) for name in toy.FEATURES]
    task = Task("binary", ("background", "signal"))
    assert find_leaks(columns, events["target"].astype(float), events["weight"], task) == []


def test_trees_learn_them_but_not_trivially(events: Events) -> None:
    from sklearn.metrics import roc_auc_score
    from xgboost import XGBClassifier

    table = np.column_stack([events[name] for name in toy.FEATURES])
    target, weight = events["target"], events["weight"]
    balanced = np.where(target == 1, 1 / weight[target == 1].mean(), 1 / weight[target == 0].mean()) * weight
    trees = XGBClassifier(n_estimators=40, max_depth=5, n_jobs=1)
    trees.fit(table[:20_000], target[:20_000], sample_weight=balanced[:20_000])
    score = trees.predict_proba(table[-20_000:])[:, 1]
    assert 0.88 < roc_auc_score(target[-20_000:], score, sample_weight=weight[-20_000:]) < 0.94


class TestReading:
    def test_parts_are_whole_blocks(self) -> None:
        for n_rows in (1, 65_536, 131_073, 1_000_000, 1_000_000_000):
            parts = list(toy.list_stretches(n_rows))
            assert sum(count for _, count in parts) == n_rows
            assert len(parts) <= 256
            assert all(first % 65_536 == 0 for first, _ in parts)
        assert len(list(toy.list_stretches(1_000_000))) == 8

    def test_identity(self, memory: Memory) -> None:
        """Defaults are left out, and parts are nobody's business but the readers'."""
        plain = identify(Dataset.model_validate({"builtin": "toy_events"}), Path(), memory)
        written = {"toy_events": {"rows": 100_000, "seed": 0, "signal_fraction": 0.5}}
        assert plain.to_json() == identify(Dataset.model_validate({"builtin": written}), Path(), memory).to_json()
        more = identify(Dataset.model_validate({"builtin": {"toy_events": {"rows": 300_000}}}), Path(), memory)
        assert [file.first for file in more.files] == [0, 131_072, 262_144]
        assert more.to_json() == {
            "builtin": "toy_events",
            "options": {"rows": 300_000},
            "sha256": hashlib.sha256(b"toy_events 1").hexdigest(),
        }

    def test_a_header_makes_no_rows(self, memory: Memory) -> None:
        large = identify(Dataset.model_validate({"builtin": {"toy_events": {"rows": 10**9}}}), Path(), memory)
        started = time.perf_counter()
        source = open_source(large.files[0], limit=0)
        assert list(source.names) == list(toy.KINDS)
        first = open_source(large.files[200], ["met"], limit=5).load("met").values
        assert time.perf_counter() - started < 2
        np.testing.assert_array_equal(
            first, toy.make_events({**OPTIONS, "rows": 10**9}, large.files[200].first, 5, ["met"])["met"]
        )

    def test_tables_know_what_columns_are_for(self, read: Reads) -> None:
        found = read(builtin={"toy_events": {"rows": 140_000}})
        profile = found.profile
        assert [feature.name for feature in profile.features] == list(toy.FEATURES)
        assert profile.task == Task("binary", ("background", "signal"))
        assert profile.is_weighted
        assert profile.leaks == ()
        assert found.request.spectators == ("true_mass",)
        assert len(np.unique(found.table.ids)) == 140_000
        np.testing.assert_array_equal(found.values("pair_pt"), toy.make_events(OPTIONS, 0, 140_000)["pair_pt"])

    def test_what_is_written_goes_before(self, read: Reads) -> None:
        few = {"toy_events": {"rows": 500}}
        found = read(builtin=few, features=["true_mass", "met"], weight=1, spectators=["pair_*"])
        assert [feature.name for feature in found.profile.features] == ["true_mass", "met"]
        assert found.request.spectators == ("pair_mass", "pair_pt", "pair_delta_r")
        assert found.profile.is_weight_constant
        plain = read(builtin=few, weight=1).profile
        assert "weight" not in [feature.name for feature in plain.features]
        assert ("weight", "is the weight of the set") in plain.left_out

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"rows": 0}, r"dataset.builtin.toy_events.rows: expected a whole number from 1 to 1,000,000,000 for rows"),
            ({"rows": 1e6}, "for rows, not 1000000.0"),
            ({"rows": True}, "for rows, not True"),
            ({"signal_fraction": 1}, "a number between 0 and 1 for signal_fraction, not 1"),
            ({"seed": -1}, "a whole number from 0 to 4,294,967,295 for seed, not -1"),
            ({"n": 5}, "options of the set: rows, signal_fraction, seed; there is no option 'n'"),
        ],
    )
    def test_wrong_options(self, options: dict[str, Any], message: str, memory: Memory) -> None:
        from rapidml.dataset.problems import FieldError

        with pytest.raises(FieldError, match=message):
            identify(Dataset.model_validate({"builtin": {"toy_events": options}}), Path(), memory)
