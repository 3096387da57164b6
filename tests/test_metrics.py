"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra: pip install 'unreel[train]'")

from unreel.training.metrics import (
    auc,
    balanced_brier,
    balanced_ece,
    measure,
    real_vs_real_floor,
    resampled,
    tpr_at,
)


def test_tpr_flags_no_more_real_clips_than_allowed() -> None:
    labels = np.array([0.0] * 20 + [1.0] * 4)
    scores = np.concatenate([np.arange(20) / 20, [0.5, 0.905, 0.96, 0.99]])
    # 5 % of 20 is one real clip: the threshold is the second highest real score, .90.
    assert tpr_at(labels, scores, 0.05) == 0.75
    # 1 % of 20 is none: above the highest real score, .95.
    assert tpr_at(labels, scores, 0.01) == 0.5


def test_ties_with_real_clips_do_not_count_as_found() -> None:
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    assert tpr_at(labels, np.ones(4), 0.05) == 0.0


def test_auc_of_one_class_is_not_a_number() -> None:
    assert math.isnan(auc(np.zeros(3), np.arange(3.0)))


def test_the_bootstrap_is_what_writing_out_each_sample_gives() -> None:
    rng = np.random.default_rng(3)
    groups = rng.choice([f"g{i}" for i in range(25)], 120)
    labels = (rng.random(120) < 0.4).astype(float)
    scores = np.round(rng.normal(size=120) + labels, 1)  # with ties
    aucs, tprs = resampled(labels, scores, groups, fpr=0.05, resamples=40, seed=1)
    names = np.unique(groups)
    draws = np.random.default_rng(1).integers(len(names), size=(40, len(names)))
    for row, draw in enumerate(draws):
        picked = np.concatenate([np.flatnonzero(groups == names[g]) for g in draw])
        assert aucs[row] == pytest.approx(auc(labels[picked], scores[picked]))
        assert tprs[row] == pytest.approx(tpr_at(labels[picked], scores[picked], 0.05))


def test_samples_of_a_single_class_are_left_out() -> None:
    labels = np.array([0.0, 1.0])
    aucs, tprs = resampled(labels, labels, np.array(["a", "b"]), fpr=0.01, resamples=200, seed=0)
    assert 60 < len(aucs) == len(tprs) < 140
    assert set(aucs) == set(tprs) == {1.0}


def test_brier_and_ece_weigh_classes_alike() -> None:
    labels = np.array([0.0] * 9 + [1.0])
    sure = np.array([0.0] * 9 + [0.0])
    assert balanced_brier(labels, sure) == pytest.approx(0.5)
    assert balanced_ece(labels, sure) == pytest.approx(0.5)
    assert balanced_ece(labels, labels) == 0
    assert balanced_ece(labels, np.full(10, 0.5)) == pytest.approx(0)


def test_the_interval_holds_the_value_and_widens_with_fewer_groups() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0.0, 1.0], 100)
    scores = labels + rng.normal(0, 1, 200)
    many = measure(labels, scores, np.arange(200).astype(str), calibrated=False)
    few = measure(labels, scores, (np.arange(200) // 20).astype(str), calibrated=False)
    assert many.auc_low < many.auc < many.auc_high
    assert many.clips == 200
    assert many.real == 100
    assert math.isnan(many.brier)
    assert few.auc == many.auc


def test_the_floor_is_folded_and_counts_sources() -> None:
    scores = np.concatenate([np.zeros(5), np.ones(5), np.full(4, 2.0), [9.0]])
    sources = np.array(["a"] * 5 + ["b"] * 5 + ["small"] * 4 + ["a"])
    labels = np.array([0.0] * 14 + [1.0])
    assert real_vs_real_floor(scores, labels, sources) == (1.0, 2)
