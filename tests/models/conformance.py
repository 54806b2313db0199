"""What every adapter must do: a suite that each adapter's test class inherits.

A subclass names the model type, a few small parameters and, where a library cannot be exact, its tolerance; it inherits
``WeightConformance``, ``RoundsConformance`` and ``prefix_conformance.PrefixConformance`` too where its adapter takes
weights, trains in rounds, or says that shorter fits are prefixes of longer ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytest

from rapidml.dataset.frame import Column, Frame, Task, TrainingRows
from rapidml.errors import ModelError
from rapidml.models.adapter import Adapter, Fitted
from rapidml.models.fitting import ModelSpec, TrainedModel, load_model, train
from rapidml.models.holding import hold, predict_held, train_held
from rapidml.models.registry import find_adapter
from rapidml.models.shares import Source
from rapidml.recipe.schema import Choice, ModelEntry

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["binary", "multiclass", "regression"]
TASKS: dict[Kind, Task] = {
    "binary": Task("binary", ("background", "signal")),
    "multiclass": Task("multiclass", ("low", "middle", "high")),
    "regression": Task("regression"),
}


def make_rows(
    kind: Kind, n: int = 400, *, seed: int = 0, weighted: bool = False, categories: bool = False, missing: bool = False
) -> TrainingRows:
    """Rows with a learnable target: four positive numbers, which every class can take, and a category if asked."""
    random = np.random.default_rng(seed)
    numbers = random.gamma(2.0, size=(n, 4))
    group = random.integers(0, 4, n)
    signal = numbers[:, 0] - numbers[:, 1] + 0.5 * numbers[:, 2] * (numbers[:, 3] > 2) - 0.5
    signal += 0.3 * random.normal(size=n) + (group == 2) * categories
    target = {
        "binary": (signal > 0).astype(np.float64),
        "multiclass": np.digitize(signal, [-0.7, 0.7]).astype(np.float64),
        "regression": np.exp(signal / 3),
    }[kind]
    if missing:
        numbers[random.random(numbers.shape) < 0.1] = np.nan
    columns = [Column(f"x{i}", numbers[:, i]) for i in range(4)]
    if categories:
        codes = np.where(random.random(n) < 0.05, -1, group) if missing else group
        columns.append(Column("group", codes.astype(np.int32), ("a", "b", "c", "d")))
    weight = random.exponential(size=n) if weighted else None
    if weight is not None:
        weight /= weight.mean()
    return TrainingRows(Frame(tuple(columns)), target, weight, np.arange(n, dtype=np.uint64))


def stored_bytes(model: TrainedModel, folder: Path) -> dict[str, bytes]:
    """The files of a model."""
    folder.mkdir(parents=True)
    model.save(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class AdapterConformance:
    """Inherit, and set what is above the first test."""

    type: ClassVar[str]
    params: ClassVar[dict[str, Any]] = {}
    prepare: ClassVar[tuple[Choice, ...]] = ()
    kinds: ClassVar[tuple[Kind, ...]] = ("binary", "multiclass", "regression")
    has_prefixes: ClassVar[bool] = False
    """Set by ``PrefixConformance``."""

    @pytest.fixture
    def adapter(self) -> Adapter:
        return find_adapter(self.type)

    @pytest.fixture
    def any_kind(self) -> Kind:
        return self.kinds[0]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Tests that ask for a ``kind`` run once for each that the adapter learns."""
        if "kind" in metafunc.fixturenames:
            metafunc.parametrize("kind", metafunc.cls.kinds)

    def spec(self, kind: Kind, **fields: Any) -> ModelSpec:
        adapter = find_adapter(self.type)
        early_stopping = fields.get("early_stopping")
        params = adapter.resolve(self.params | fields.pop("params", {}), TASKS[kind], early_stopping)
        return ModelSpec(self.type, params, self.prepare, **fields, iterations=adapter.iterations)

    def fit(self, rows: TrainingRows, kind: Kind, *, seed: int = 5, threads: int = 1, **fields: Any) -> TrainedModel:
        start = fields.pop("start", None)
        if not find_adapter(self.type).takes_weights:
            rows = replace(rows, weight=None)
        return train(
            self.spec(kind, **fields), rows, TASKS[kind], seed=seed, threads=threads, start=start and start.fitted
        )

    # The contract as such

    def test_satisfies_the_protocols(self, adapter: Adapter, any_kind: Kind) -> None:
        assert isinstance(adapter, Adapter)
        assert adapter.name == self.type
        assert adapter.tasks == set(self.kinds)
        assert adapter.takes_weights == isinstance(self, WeightConformance)
        assert (adapter.iterations is not None) == isinstance(self, RoundsConformance)
        assert (adapter.prefix is not None) == self.has_prefixes
        assert adapter.versions()
        assert isinstance(self.fit(make_rows(any_kind), any_kind).fitted, Fitted)

    def test_its_own_test_parameters_are_right(self, adapter: Adapter, kind: Kind) -> None:
        assert list(adapter.check(self.params, kind)) == []

    def test_unknown_parameters_are_named(self, adapter: Adapter) -> None:
        (complaint,) = adapter.check({**self.params, "no_such_parameter": 1}, None)
        assert complaint.path == ("no_such_parameter",)
        assert complaint.on_key

    def test_entries_resolve_to_plain_parameters(self, kind: Kind, adapter: Adapter) -> None:
        entry = ModelEntry(type=self.type, params=self.params)
        resolved = adapter.resolve(entry.params, TASKS[kind], None)
        assert adapter.resolve(resolved, TASKS[kind], None) == resolved

    # Predictions

    def test_predictions_have_the_form_of_the_task(self, kind: Kind) -> None:
        rows = make_rows(kind)
        predicted = self.fit(rows, kind).predict(rows.features)
        assert predicted.dtype == np.float32
        assert np.isfinite(predicted).all()
        assert predicted.shape == ((400, 3) if kind == "multiclass" else (400,))
        if kind != "regression":
            assert predicted.min() >= 0
            assert predicted.max() <= 1 + 1e-6
        if kind == "multiclass":
            np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)

    def test_it_learns(self, kind: Kind) -> None:
        rows, fresh = make_rows(kind, 600), make_rows(kind, 600, seed=1)
        predicted = self.fit(rows, kind).predict(fresh.features)
        if kind == "regression":
            constant = np.mean((fresh.target - fresh.target.mean()) ** 2)
            assert np.mean((fresh.target - predicted) ** 2) < 0.9 * constant
        else:
            guess = predicted.argmax(axis=1) if kind == "multiclass" else predicted > 0.5
            share = np.bincount(fresh.target.astype(int)).max() / len(fresh.target)
            assert np.mean(guess == fresh.target) > share + 0.05

    def test_a_class_absent_from_the_rows_gets_no_chance(self, adapter: Adapter) -> None:
        if "multiclass" not in adapter.tasks:
            return
        rows = make_rows("multiclass")
        present = rows.take(rows.target != 1)
        predicted = self.fit(present, "multiclass").predict(rows.features)
        assert predicted.shape == (400, 3)
        assert predicted[:, 1].max() < 0.01

    def test_no_rows_give_no_predictions(self, kind: Kind) -> None:
        rows = make_rows(kind)
        predicted = self.fit(rows, kind).predict(rows.features.take(np.zeros(400, bool)))
        assert predicted.shape == ((0, 3) if kind == "multiclass" else (0,))

    def test_columns_are_found_by_name(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        model = self.fit(rows, any_kind)
        extra = Column("extra", np.ones(400))
        turned = Frame((extra, *reversed(rows.features.columns)))
        np.testing.assert_array_equal(model.predict(turned), model.predict(rows.features))

    def test_an_absent_column_is_named(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        model = self.fit(rows, any_kind)
        with pytest.raises(ModelError, match="no column 'x1'"):
            model.predict(Frame(tuple(c for c in rows.features.columns if c.name != "x1")))

    def test_rows_are_predicted_one_by_one(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        model = self.fit(rows, any_kind)
        single = np.concatenate([model.predict(rows.features.take(np.array([i]))) for i in range(20)])
        np.testing.assert_allclose(single, model.predict(rows.features)[:20], rtol=2e-6)

    # Exactness

    def test_the_same_fit_twice_is_the_same_to_the_byte(self, kind: Kind, tmp_path: Path) -> None:
        rows = make_rows(kind, weighted=True, categories=True)
        first, second = self.fit(rows, kind), self.fit(rows, kind)
        first.predict(rows.features)
        assert stored_bytes(first, tmp_path / "1") == stored_bytes(second, tmp_path / "2")

    def test_threads_change_nothing(self, kind: Kind, tmp_path: Path) -> None:
        rows = make_rows(kind, 1500, weighted=True)
        one, two = (self.fit(rows, kind, threads=threads) for threads in (1, 2))
        np.testing.assert_array_equal(one.predict(rows.features, threads=2), two.predict(rows.features, threads=1))
        assert stored_bytes(one, tmp_path / "1") == stored_bytes(two, tmp_path / "2")

    def test_stored_models_predict_the_same(self, kind: Kind, tmp_path: Path) -> None:
        rows = make_rows(kind, weighted=True, categories=True)
        model = self.fit(rows, kind)
        stored = stored_bytes(model, tmp_path / "model")
        loaded = load_model(tmp_path / "model")
        np.testing.assert_array_equal(loaded.predict(rows.features), model.predict(rows.features))
        assert loaded.spec == model.spec
        assert (loaded.rounds, loaded.best_round) == (model.rounds, model.best_round)
        assert loaded.history == model.history
        assert not [name for name, content in stored.items() if content[:1] == b"\x80"]

    def test_damaged_files_are_refused(self, any_kind: Kind, tmp_path: Path) -> None:
        stored_bytes(self.fit(make_rows(any_kind), any_kind), tmp_path / "model")
        for path in list((tmp_path / "model").iterdir()):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            with pytest.raises(ModelError):
                load_model(tmp_path / "model").predict(make_rows(any_kind).features)
            path.write_bytes(whole)

    def test_held_rows_give_the_same_bytes(self, kind: Kind, tmp_path: Path) -> None:
        weighted = find_adapter(self.type).takes_weights
        rows = make_rows(kind, weighted=weighted, categories=True)
        shown = make_rows(kind, 150, seed=1, categories=True).features
        turned = Frame(tuple(reversed(shown.columns)))
        spec, task = self.spec(kind), TASKS[kind]
        expected = self.fit(rows, kind)
        wanted = stored_bytes(expected, tmp_path / "expected")
        held = hold(spec, Source.from_rows(rows), turned, task, seed=5)
        assert held.n_bytes > 0
        for threads in (1, 2, 1):  # the second fit on the same held rows is the first
            model = train_held(spec, held, task, seed=5, threads=threads)
            (predicted,) = predict_held(model, held, threads=threads)
            np.testing.assert_array_equal(predicted, expected.predict(shown))
            assert predicted.dtype == np.float32
            assert stored_bytes(model, tmp_path / str(len(list(tmp_path.iterdir())))) == wanted

    def test_no_held_rows_give_no_predictions(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        spec, task = self.spec(any_kind), TASKS[any_kind]
        held = hold(spec, Source.from_rows(rows), rows.features.take(slice(0, 0)), task, seed=5)
        (predicted,) = predict_held(train_held(spec, held, task, seed=5), held)
        assert predicted.shape == ((0, 3) if any_kind == "multiclass" else (0,))

    # What features may hold

    def test_unseen_categories_count_as_missing(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind, categories=True)
        model = self.fit(rows, any_kind)
        *numbers, group = rows.features.columns
        unseen = Column("group", np.zeros(400, np.int32), ("never seen",))
        missing = Column("group", np.full(400, -1, np.int32), group.categories)
        np.testing.assert_array_equal(
            model.predict(Frame((*numbers, unseen))), model.predict(Frame((*numbers, missing)))
        )

    def test_categories_are_matched_by_label(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind, categories=True)
        model = self.fit(rows, any_kind)
        *numbers, group = rows.features.columns
        turned = Column("group", (4 - group.values).astype(np.int32), ("z", "d", "c", "b", "a"))
        np.testing.assert_array_equal(model.predict(Frame((*numbers, turned))), model.predict(rows.features))

    def test_categories_are_learned_from(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind, 1000, categories=True)
        *numbers, group = rows.features.columns
        model = self.fit(rows, any_kind)
        one, other = (
            model.predict(Frame((*numbers, Column("group", np.full(1000, code, np.int32), group.categories))))
            for code in (0, 2)
        )
        assert other.mean() > one.mean()

    def test_missing_numbers_are_taken_or_explained(self, adapter: Adapter, any_kind: Kind) -> None:
        rows = make_rows(any_kind, missing=True)
        if adapter.takes_missing or any(step.name == "impute" for step in self.prepare):
            assert np.isfinite(self.fit(rows, any_kind).predict(rows.features)).all()
            return
        with pytest.raises(ModelError, match=r"prepare: \[impute: median\]"):
            self.fit(rows, any_kind)
        model = self.fit(make_rows(any_kind), any_kind)
        with pytest.raises(ModelError, match="missing values"):
            model.predict(rows.features)

    def test_infinite_numbers_are_refused(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        rows.features.columns[0].values[3] = np.inf
        with pytest.raises(Exception, match="holds infinite values"):
            self.fit(rows, any_kind)

    def test_array_features_are_flattened(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        cube = np.stack([c.values for c in rows.features.columns], axis=1).reshape(400, 2, 2)
        model = self.fit(replace(rows, features=Frame((Column("image", cube),))), any_kind)
        flat = self.fit(rows, any_kind)
        np.testing.assert_array_equal(model.predict(Frame((Column("image", cube),))), flat.predict(rows.features))

    def test_rows_of_one_class_are_refused(self, adapter: Adapter) -> None:
        if "binary" not in adapter.tasks:
            return
        rows = make_rows("binary")
        with pytest.raises(ModelError, match="one class, 'signal'"):
            self.fit(rows.take(rows.target == 1), "binary")


class WeightConformance(AdapterConformance):
    """For adapters that take weights."""

    weight_tolerance: ClassVar[float | None] = 1e-6
    """Largest difference of predictions between weight 2 and a row twice; None where the library counts rows too."""

    def test_weight_two_is_the_row_twice(self, kind: Kind) -> None:
        if self.weight_tolerance is None:
            return
        rows = make_rows(kind)
        twice = np.arange(400) % 3 == 0
        weight = np.where(twice, 2.0, 1.0)
        weighted = replace(rows, weight=weight / weight.mean())
        repeated = rows.take(np.repeat(np.arange(400), weight.astype(int)))
        repeated = replace(repeated, weight=np.full(len(repeated.target), 1 / weight.mean()))
        first, second = self.fit(weighted, kind), self.fit(repeated, kind)
        np.testing.assert_allclose(
            first.predict(rows.features), second.predict(rows.features), atol=self.weight_tolerance
        )

    def test_weight_zero_is_no_row(self, kind: Kind, tmp_path: Path) -> None:
        rows = make_rows(kind, categories=True)
        kept = np.arange(400) % 4 != 0
        zeroed = self.fit(replace(rows, weight=kept / kept.mean()), kind)
        absent = self.fit(replace(rows.take(kept), weight=np.ones(int(kept.sum()))), kind)
        assert stored_bytes(zeroed, tmp_path / "zeroed") == stored_bytes(absent, tmp_path / "absent")

    def test_weights_matter(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        tilted = np.where(rows.target > rows.target.mean(), 1.9, 0.1)
        plain, weighted = self.fit(rows, any_kind), self.fit(replace(rows, weight=tilted), any_kind)
        assert np.abs(weighted.predict(rows.features) - plain.predict(rows.features)).max() > 0.01

    def test_ignored_weights_are_ignored(self, any_kind: Kind, tmp_path: Path) -> None:
        rows = make_rows(any_kind, weighted=True)
        ignoring = train(self.spec(any_kind, weights_ignored=True), rows, TASKS[any_kind], seed=5)
        plain = self.fit(replace(rows, weight=None), any_kind)
        np.testing.assert_array_equal(ignoring.predict(rows.features), plain.predict(rows.features))


class RoundsConformance(AdapterConformance):
    """For adapters that train in rounds."""

    iterations: ClassVar[str] = "n_estimators"

    def test_fewer_rounds_are_the_first_rounds(self, kind: Kind) -> None:
        rows = make_rows(kind, weighted=True)
        long, short = (self.fit(rows, kind, params={self.iterations: n}) for n in (23, 11))
        assert (long.rounds, short.rounds) == (23, 11)
        cut = replace(long, fitted=long.fitted.cut(11))
        np.testing.assert_array_equal(cut.predict(rows.features), short.predict(rows.features))
        with pytest.raises(ValueError, match="cut"):
            short.fitted.cut(12)

    def test_continuing_is_undisturbed(self, kind: Kind, tmp_path: Path) -> None:
        rows = make_rows(kind, weighted=True, categories=True, missing=True)
        long, short = (self.fit(rows, kind, params={self.iterations: n}) for n in (31, 12))
        stored_bytes(short, tmp_path / "short")
        start = load_model(tmp_path / "short")
        continued = self.fit(rows, kind, params={self.iterations: 31}, start=start)
        cut = self.fit(rows, kind, params={self.iterations: 12}, start=long)
        assert stored_bytes(continued, tmp_path / "a") == stored_bytes(long, tmp_path / "b")
        assert stored_bytes(cut, tmp_path / "c") == stored_bytes(short, tmp_path / "d")

    def test_stopping_early_keeps_the_best_round(self, kind: Kind) -> None:
        rows = make_rows(kind, 800, weighted=True)
        model = self.fit(rows, kind, early_stopping=5, params={"learning_rate": 0.5, self.iterations: 300})
        watched = model.history["watch"]
        assert model.rounds == model.best_round == int(np.argmin(watched)) + 1
        assert len(watched) == min(model.best_round + 5, 300)
        assert model.best_round < 300

    def test_fixed_rounds_hold_nothing_out(self, any_kind: Kind) -> None:
        rows = make_rows(any_kind)
        fixed = self.fit(rows, any_kind, early_stopping=5, rounds=9)
        plain = self.fit(rows, any_kind, params={self.iterations: 9})
        assert fixed.rounds == 9
        assert fixed.best_round is None
        np.testing.assert_array_equal(fixed.predict(rows.features), plain.predict(rows.features))
