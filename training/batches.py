"""Training batches out of the frame cache, made ahead in a thread while the network works."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.detector.errors import UsageError
from unreel.detector.preprocess import normalise
from unreel.training.augment import training_view
from unreel.training.cache import FrameCache
from unreel.training.recipe import Recipe

Batch = tuple[NDArray[np.float32], NDArray[np.float32], int]
"""(N, T, 3, crop, crop) normalised frames, (N,) labels, 1 = generated, and how many at the front
are halves of pairs: camera, made, camera, made, ..."""

Pair = tuple[Clip, Clip]
"""A camera clip and what was made of it, both encoded alike."""
_OF_PAIRS = 1
"""Tells the draws of pairs from those of single clips."""


def paired_places(recipe: Recipe) -> int:
    """How many clips at the front of a batch are halves of pairs: an even number."""
    return 2 * round(recipe.batch * recipe.pair_share / 2)


def draw_weights(clips: Sequence[Clip]) -> NDArray[np.float64]:
    """Share of draws each clip gets: both classes alike, a group by the root of its size.

    Fifty clips of one page teach less than fifty of fifty pages, but more than one.
    """
    size = Counter((c.group, c.is_positive) for c in clips)
    weights = np.array([size[c.group, c.is_positive] ** -0.5 for c in clips])
    positive = np.array([c.is_positive for c in clips])
    for cls in (False, True):
        if (positive == cls).any():
            weights[positive == cls] /= weights[positive == cls].sum()
    return weights / weights.sum() if len(weights) else weights


def made_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, made in a thread while the network works on those before.

    What goes wrong in the thread is raised here.
    """
    ready: queue.Queue[Batch | Exception | None] = queue.Queue(maxsize=4)

    def produce() -> None:
        try:
            for batch in batches:
                ready.put(batch)
            ready.put(None)
        except Exception as error:  # handed to the caller, whatever it is
            ready.put(error)

    threading.Thread(target=produce, daemon=True).start()
    while (found := ready.get()) is not None:
        if isinstance(found, Exception):
            raise found
        yield found


class TrainingBatches:
    """All batches of one run, in order; the same for the same seed.

    Args:
        clips: Training clips; those without a window under a condition are passed over there.
        cache: Filled for all conditions of the recipe.
        recipe: Batch size, conditions, augmentation, seed.
        statistics: (mean, std) per channel that the backbone expects.
        pairs: (camera half, made half); drawn for `recipe.pair_share` of the places of a batch.

    Raises:
        UsageError: The recipe wants pairs or clips and none can be drawn.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        cache: FrameCache,
        recipe: Recipe,
        statistics: tuple[tuple[float, ...], ...],
        pairs: Sequence[Pair] = (),
    ) -> None:
        self._recipe, self._statistics = recipe, statistics
        self._paired = paired_places(recipe)
        self._windows = _windows(cache, clips, recipe)
        self._halves = [_windows(cache, [p[half] for p in pairs], recipe) for half in (0, 1)]
        if self._paired and not _any_drawn(*self._halves):
            raise UsageError(
                f"recipe {recipe.name!r} trains on pairs (pair_share = {recipe.pair_share:g}), and "
                f"none of {len(pairs)} is long enough for a window: name a folder of `unreel "
                "pairs` with --pairs, of 25 frames as it makes them, or more"
            )
        if self._paired < recipe.batch and not _any_drawn(self._windows):
            raise UsageError(
                f"none of {len(clips)} clips can be trained on: pair_share is "
                f"{recipe.pair_share:g}, allowed without clips is 1"
            )
        self._labels = np.array([c.is_positive for c in clips], np.float32)
        self._weights = draw_weights(clips)
        self._pair_weights = draw_weights([camera for camera, _ in pairs])
        self.steps_per_epoch = max(1, (len(clips) or 2 * len(pairs)) // recipe.batch)

    def run(self, first: int, last: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Batches of the steps first..last-1, or the share of them that one process gets.

        A view depends on seed, step and place in the batch and on nothing else, so that a run can
        be taken up at any step, and several processes together see what one would see.

        Raises:
            UsageError: A batch cannot be shared evenly.
        """
        if self._recipe.batch % ranks:
            raise UsageError(
                f"batch = {self._recipe.batch} cannot be shared by {ranks} processes: take a "
                f"multiple of {ranks}"
            )
        share = self._recipe.batch // ranks
        if self._paired and share % 2:
            raise UsageError(
                f"{share} clips of a batch for each process: halves of pairs stay together, take a "
                f"batch that is a multiple of {2 * ranks}"
            )
        mine = range(rank * share, (rank + 1) * share)
        return made_ahead(self._batch(step, mine) for step in range(first, last))

    def _batch(self, step: int, places: range) -> Batch:
        paired = min(max(0, self._paired - places.start), len(places))
        drawn = [
            self._half(step, place) if place < self._paired else self._single(step, place)
            for place in places
        ]
        views, labels = [view for view, _ in drawn], [label for _, label in drawn]
        frames = normalise(np.stack(views), *self._statistics)
        return frames, np.array(labels, np.float32), paired

    def _single(self, step: int, place: int) -> tuple[NDArray[np.uint8], float]:
        """A view of some clip, and its label."""
        rng = np.random.default_rng([self._recipe.seed, step, place])
        windows: tuple[Any, ...] = ()
        while not windows:
            clip = int(rng.choice(len(self._labels), p=self._weights))
            windows = self._windows[self._condition(rng)][clip]
        window = windows[int(rng.integers(len(windows)))]
        return training_view(window, self._recipe, rng), float(self._labels[clip])

    def _half(self, step: int, place: int) -> tuple[NDArray[np.uint8], float]:
        """The same view of one half of a pair as of its other half, which is its neighbour."""
        rng = np.random.default_rng([self._recipe.seed, step, place // 2, _OF_PAIRS])
        count = 0
        while not count:
            pair = int(rng.choice(len(self._pair_weights), p=self._pair_weights))
            name = self._condition(rng)
            both = [half[name][pair] for half in self._halves]
            count = min(len(windows) for windows in both)
        window = both[place % 2][int(rng.integers(count))]
        return training_view(window, self._recipe, rng), float(place % 2)

    def _condition(self, rng: np.random.Generator) -> str:
        names = list(self._recipe.conditions)
        odds = np.array([self._recipe.conditions[n] for n in names])
        return names[int(rng.choice(len(names), p=odds / odds.sum()))]


def _any_drawn(*halves: dict[str, list[tuple[Any, ...]]]) -> bool:
    """Some clip has a window under some condition, in all halves at once."""
    return any(
        all(both)
        for name in halves[0]
        for both in zip(*(half[name] for half in halves), strict=True)
    )


def _windows(
    cache: FrameCache, clips: Sequence[Clip], recipe: Recipe
) -> dict[str, list[tuple[Any, ...]]]:
    return {name: [cache.load(c, name).windows for c in clips] for name in recipe.conditions}
