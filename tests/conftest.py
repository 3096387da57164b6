"""Fixtures that more than one test file needs; everything else stands beside its test.

* corpus   the folder of labelled clips beside the checkout; the test is skipped where it is absent
* clip     a small H.264 video with motion, made once a run; read it, never write to it
* server   a running `unreel serve` with the quick judge of `serve_judges`, one for each file

pytest puts this folder on `sys.path`, and workers get it from there: they find the judges.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from serving import Running

# A time limit for each example fails on a busy machine and says nothing about the code.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The corpus: `manifest.csv` and `clips/`."""
    folder = CHECKOUT.parent / "shared" / "corpus"
    if not (folder / "manifest.csv").is_file():
        pytest.skip("no ../shared/corpus beside the checkout: its clips may not be published")
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a textured square that crosses a textured ground, 320x240, 24 fps."""
    path = tmp_path_factory.mktemp("clip") / "square.mp4"
    rng = np.random.default_rng(7)
    ground = rng.integers(60, 120, (240, 320, 3), dtype=np.uint8)
    square = rng.integers(140, 250, (64, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(48):
            picture = ground.copy()
            left = 5 * index
            picture[88:152, left : left + 64] = square
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that answers; which clips it holds depends on the tests before."""
    from serving import QUICK, running  # here: it needs the extra serve

    with running(tmp_path_factory.mktemp("server"), judge=QUICK) as found:
        yield found
