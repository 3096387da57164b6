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

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
"""(N, T, 3, crop, crop) normalised frames and (N,) labels, 1 = generated."""


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
    return weights / weights.sum()


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
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        cache: FrameCache,
        recipe: Recipe,
        statistics: tuple[tuple[float, ...], ...],
    ) -> None:
        self._recipe, self._statistics = recipe, statistics
        self._windows: dict[str, list[tuple[Any, ...]]] = {
            name: [cache.load(c, name).windows for c in clips] for name in recipe.conditions
        }
        self._labels = np.array([c.is_positive for c in clips], np.float32)
        self._weights = draw_weights(clips)
        self.steps_per_epoch = max(1, len(clips) // recipe.batch)

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
        mine = range(rank * share, (rank + 1) * share)
        return made_ahead(self._batch(step, mine) for step in range(first, last))

    def _batch(self, step: int, places: range) -> Batch:
        names = list(self._recipe.conditions)
        odds = np.array([self._recipe.conditions[n] for n in names])
        views: list[NDArray[np.uint8]] = []
        labels: list[np.float32] = []
        for place in places:
            rng = np.random.default_rng([self._recipe.seed, step, place])
            windows: tuple[Any, ...] = ()
            while not windows:
                clip = int(rng.choice(len(self._labels), p=self._weights))
                windows = self._windows[names[int(rng.choice(len(names), p=odds / odds.sum()))]][
                    clip
                ]
            window = windows[int(rng.integers(len(windows)))]
            views.append(training_view(window, self._recipe, rng))
            labels.append(self._labels[clip])
        return normalise(np.stack(views), *self._statistics), np.array(labels, np.float32)
