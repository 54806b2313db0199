"""What an adapter must do that names a ``prefix``: a shorter fit is the first part of a longer one, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from rapidml.models.fitting import ModelSpec, cut_model, load_model, train
from rapidml.models.holding import hold, predict_held, train_held
from rapidml.models.registry import find_adapter
from rapidml.models.shares import Source
from tests.models.conformance import TASKS, AdapterConformance, Kind, make_rows, stored_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.models.adapter import Adapter


class PrefixConformance(AdapterConformance):
    """For adapters that say along which parameter a shorter fit is the first part of a longer one."""

    has_prefixes = True
    lengths: ClassVar[tuple[int, ...]] = (17, 3, 8, 1)
    """Values of the parameter, the longest first."""
    default_length: ClassVar[int] = 100
    """Value of the parameter where none is given."""

    def of_length(self, kind: Kind, rounds: int) -> ModelSpec:
        prefix = find_adapter(self.type).prefix
        assert prefix is not None
        return self.spec(kind, params={prefix: rounds})

    def test_the_number_of_rounds_is_known(self, adapter: Adapter, kind: Kind) -> None:
        assert adapter.prefix_rounds(self.of_length(kind, 7).params) == 7
        assert adapter.prefix_rounds(adapter.resolve({}, TASKS[kind], None)) == self.default_length

    def test_shorter_fits_are_prefixes_of_longer_ones(self, kind: Kind, tmp_path: Path) -> None:
        rows, task = make_rows(kind, weighted=True, categories=True), TASKS[kind]
        whole, *shorter = (
            train(self.of_length(kind, rounds), rows, task, seed=5, threads=2) for rounds in self.lengths
        )
        for short in shorter:  # the longest is not touched by what is made of it, so all are made of it
            cut = cut_model(whole, short.spec)
            np.testing.assert_array_equal(cut.predict(rows.features), short.predict(rows.features))
            name = str(short.spec.params)
            assert stored_bytes(cut, tmp_path / "cut" / name) == stored_bytes(short, tmp_path / "short" / name)
        again = train(whole.spec, rows, task, seed=5)
        assert stored_bytes(whole, tmp_path / "whole") == stored_bytes(again, tmp_path / "again")

    def test_prefixes_of_loaded_models_are_the_same(self, any_kind: Kind, tmp_path: Path) -> None:
        rows, task = make_rows(any_kind, weighted=True), TASKS[any_kind]
        whole, short = (train(self.of_length(any_kind, rounds), rows, task, seed=5) for rounds in self.lengths[:2])
        stored_bytes(whole, tmp_path / "whole")
        cut = cut_model(load_model(tmp_path / "whole"), short.spec)
        assert stored_bytes(cut, tmp_path / "cut") == stored_bytes(short, tmp_path / "short")

    def test_one_fit_predicts_at_every_length(self, kind: Kind) -> None:
        rows, task = make_rows(kind, weighted=True, categories=True), TASKS[kind]
        shown = make_rows(kind, 150, seed=1, categories=True).features
        spec = self.of_length(kind, max(self.lengths))
        held = hold(spec, Source.from_rows(rows), shown, task, seed=5)
        model = train_held(spec, held, task, seed=5)
        predicted = predict_held(model, held, self.lengths, threads=2)
        for rounds, found in zip(self.lengths, predicted, strict=True):
            alone = train(self.of_length(kind, rounds), rows, task, seed=5)
            np.testing.assert_array_equal(found, alone.predict(shown))
            np.testing.assert_array_equal(found, predict_held(model, held, [rounds])[0])

    def test_a_model_is_not_cut_to_more_than_it_has(self, any_kind: Kind) -> None:
        rows, task = make_rows(any_kind), TASKS[any_kind]
        spec = self.of_length(any_kind, 3)
        held = hold(spec, Source.from_rows(rows), rows.features, task, seed=5)
        model = train_held(spec, held, task, seed=5)
        for rounds in (4, 0):
            with pytest.raises(ValueError, match=f"cannot cut .* to {rounds}"):
                model.fitted.cut(rounds)
            with pytest.raises(ValueError, match=f"cannot cut .* to {rounds}"):
                predict_held(model, held, [2, rounds])
