"""Row ids and random streams: held still by golden values, and random by scipy's tests."""

from __future__ import annotations

import hashlib
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import stats

from rapidml.dataset.rowid import Stream, hash_columns, hash_record, mix, uniform
from rapidml.errors import DatasetError

STREAMS = get_args(Stream)
N = 100_000
IDS = hash_record("events.csv", None, np.arange(N))


def test_record_ids_are_what_stored_facts_were_made_with() -> None:
    assert hash_record("signal/hh_1.root", "Events", np.arange(3)).tolist() == [
        14865592801668699026,
        4097770950166131666,
        15640776291975788793,
    ]
    assert hash_record("a.csv", None, np.arange(2)).tolist() == [11590248773114156648, 10981302982277004060]


def test_column_ids_are_what_stored_facts_were_made_with() -> None:
    ids = hash_columns([np.array([1, 2]), np.array([10, -3])])
    assert ids.tolist() == [17714727266323295346, 13250268556390800155]
    assert hash_columns([np.array(["a", "Zürich"])]).tolist() == [10365889976087615398, 6153061095791924122]


@pytest.mark.parametrize(
    ("stream", "numbers"),
    [
        ("test", [13970575436721428091, 16959190878705351459, 16338094695743281233]),
        ("folds", [10340937153089346200, 12360423880231157191, 4698595657402477368]),
        ("valid", [15938991128488920375, 627793726447372176, 9945444941038269021]),
        ("early_stopping", [7932466673720681994, 13979990710756763601, 10046996501990307383]),
        ("bootstrap", [14245693416320930602, 1050601358111763723, 9044139819215556692]),
    ],
)
def test_streams_are_what_stored_facts_were_made_with(stream: Stream, numbers: list[int]) -> None:
    assert mix(np.array([0, 1, 2**64 - 1], np.uint64), stream, 0).tolist() == numbers


@given(st.integers(0, 2**64 - 1), st.sampled_from(STREAMS), st.integers())
def test_mix_is_splitmix_in_plain_integers(row: int, stream: Stream, seed: int) -> None:
    def scramble(z: int) -> int:
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    content = json.dumps(["stream", stream, seed], separators=(",", ":")).encode()
    first, second = np.frombuffer(hashlib.sha256(content).digest()[:16], ">u8").tolist()
    expected = scramble(scramble((row + first) % 2**64) ^ second)
    ids = np.array([row], np.uint64)
    assert mix(ids, stream, seed).tolist() == [expected]
    assert uniform(ids, stream, seed).tolist() == [(expected >> 11) / 2**53]


def test_records_of_one_file_have_different_ids() -> None:
    others = [hash_record("events.csv", "t", np.arange(N)), hash_record("b.csv", None, np.arange(N))]
    assert len(np.unique(np.concatenate([IDS, *others]))) == 3 * N


@pytest.mark.parametrize("ids", [IDS, np.arange(N, dtype=np.uint64), np.arange(N, dtype=np.uint64) << np.uint64(40)])
@pytest.mark.parametrize("stream", STREAMS)
def test_numbers_are_uniform_whatever_the_ids(stream: Stream, ids: np.ndarray) -> None:
    numbers = uniform(ids, stream, 3)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers, "uniform").pvalue > 1e-4
    assert abs(stats.pearsonr(numbers[1:], numbers[:-1]).statistic) < 5 / N**0.5


@pytest.mark.parametrize("ids", [IDS, np.arange(N, dtype=np.uint64)])
def test_streams_and_seeds_are_independent(ids: np.ndarray) -> None:
    draws = [uniform(ids, stream, seed) for stream in STREAMS for seed in (0, 1)]
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 5 / N**0.5
    cells = np.histogram2d(draws[0], draws[2], bins=16)[0]
    assert stats.chi2_contingency(cells).pvalue > 1e-4


def test_every_bit_is_a_fair_coin() -> None:
    bits = np.unpackbits(mix(np.arange(N, dtype=np.uint64), "bootstrap", 0).view(np.uint8).reshape(N, 8), axis=1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / N**0.5


@given(st.lists(st.integers(-100, 100), min_size=1))
def test_ids_of_numbers_do_not_depend_on_their_type(values: list[int]) -> None:
    expected = hash_columns([np.array(values, np.int64)])
    for dtype in (np.int8, np.int32, np.float32, np.float64):
        assert_array_equal(hash_columns([np.array(values, dtype)]), expected)
    assert_array_equal(hash_columns([np.ma.masked_array(values)]), expected)


def test_ids_of_text_do_not_depend_on_its_type() -> None:
    names = ["run-1", "run-2", "run-1"]
    ids = hash_columns([np.array(names)])
    assert_array_equal(ids, hash_columns([np.array(names, object)]))
    assert_array_equal(ids, hash_columns([np.array(names, np.dtypes.StringDType())]))
    assert ids[0] == ids[2] != ids[1]


def test_columns_and_their_order_count() -> None:
    run, event = np.array([1, 2]), np.array([2, 1])
    pairs = hash_columns([run, event])
    assert pairs[0] != pairs[1]
    assert pairs[0] != hash_columns([event, run])[0]
    assert len(np.unique(hash_columns([np.repeat(np.arange(300), 300), np.tile(np.arange(300), 300)]))) == 90_000


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            np.array([1.0, np.nan]),
            "dataset.id: expected an id in every row; column event is null in 1 row; to fix: drop",
        ),
        (np.array([None, "a", None]), "column event is null in 2 rows"),
        (np.ma.masked_array([1, 2], [True, False]), "column event is null in 1 row;"),
        (np.array([1.0, 2.5]), "whole numbers or text; column event holds 2.5"),
        (np.array([2.0**60]), "column event holds floats beyond 2\\*\\*53"),
        (np.array([np.inf]), "column event holds floats beyond 2\\*\\*53"),
        (np.array([1, "a"], object), "column event holds 1 \\(int\\)"),
        (np.array(["2026-01-01"], "datetime64[D]"), "is of type datetime64"),
    ],
)
def test_what_cannot_be_an_id_is_refused(column: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        hash_columns([column], ["event"])


def test_an_id_needs_a_column() -> None:
    with pytest.raises(ValueError, match="at least one column"):
        hash_columns([])
