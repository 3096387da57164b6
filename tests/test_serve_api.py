"""The REST API of the server over real HTTP, from upload to report."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

import numpy as np
from serving import QUICK, Running, drop, mp4, running, wait

from unreel.detector.audit import open_store
from unreel.detector.audit.errors import StoreError
from unreel.detector.gallery import Gallery, KeyFrame, Scene
from unreel.detector.jsonin import from_json
from unreel.detector.jsonout import to_json
from unreel.detector.records import FacePicture, Reference
from unreel.detector.serve.kept import Kept
from unreel.detector.serve.service import Service
from unreel.detector.serve.steps import read_step, write_step
from unreel.detector.serve.uploads import shown_name
from unreel.detector.serve.words import own_messages

CHECKOUT = Path(__file__).resolve().parents[1]
HOSTILE = "../../etc/<img src=x onerror=alert(1)>\u202e.mp4"


def test_a_real_clip_from_upload_to_report(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.client() as client:
        with clip.open("rb") as handle:
            answer = client.post("/api/clips", files={"file": (HOSTILE, handle)})
        assert answer.status_code == 201
        (got,) = answer.json()["clips"]
        assert got["name"] == "<img src=x onerror=alert(1)>\\u202e.mp4"
        assert got["state"] in ("queued", "working")
        done = server.finished(got["id"])
        assert done["state"] == "done"
        assert 0 < done["score"] < 1
        assert done["width"] == 320
        report = client.get(f"/api/clips/{got['id']}/report.json").json()
        assert to_json(from_json(report)) == json.dumps(report)
        picture = client.get(f"/api/clips/{got['id']}/thumbnail.jpg")
        assert picture.content.startswith(b"\xff\xd8")
        page = client.get(f"/clips/{got['id']}/report", headers={"accept-language": "de"}).text
        assert "<img src=x" not in page
        assert '<html lang="de">' in page
        assert page.count("data:image/jpeg") >= 1
        assert report["verdict"]["score"] == done["score"]
        assert report["file"]["path"] == "<img src=x onerror=alert(1)>\u202e.mp4"
    assert sorted(p.name for p in (tmp_path / "data" / "uploads" / got["id"]).iterdir()) == [
        "clip", "step",
    ]  # fmt: skip


def test_what_is_no_video_is_refused_and_the_rest_is_taken(server: Running) -> None:
    files = [
        ("file", ("good.mp4", mp4("good"))),
        ("file", ("notes.mp4", b"not a video, whatever it is called")),
        ("file", ("list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n")),
        ("file", ("empty.mp4", b"")),
    ]
    with server.client() as client:
        answer = client.post("/api/clips", files=files)
        assert answer.status_code == 201
        assert [c["name"] for c in answer.json()["clips"]] == ["good.mp4"]
        assert [(r["name"], r["code"]) for r in answer.json()["refused"]] == [
            ("notes.mp4", "not-a-video"), ("list.mp4", "playlist"), ("empty.mp4", "empty"),
        ]  # fmt: skip
        alone = client.post("/api/clips", files=files[1:2])
        assert alone.status_code == 415
        assert alone.json()["refused"][0]["code"] == "not-a-video"


def test_nothing_lands_outside_the_upload_folder(tmp_path: Path) -> None:
    names = ["../../escape.mp4", "/etc/cron.d/x", "..\\..\\x", "a\x00b", "\ud800", "." * 300, ""]
    assert [shown_name(n) for n in names] == ["escape.mp4", "x", "x", "ab", "?", "." * 200, "clip"]
    with running(tmp_path / "data", judge=QUICK) as server:
        before = {p for p in tmp_path.rglob("*") if "data" not in p.parts}
        (made,) = drop(server, "x", name="../../../escape.mp4")
        server.finished(made)
        with server.client() as client:
            for path in ("..%2f..%2faudit.sqlite", "../audit.sqlite", "0" * 23 + "/", "%00" * 8):
                assert client.get(f"/api/clips/{path}").status_code in (404, 422)
        assert {p for p in tmp_path.rglob("*") if "data" not in p.parts} == before
        found = {p.name for p in (tmp_path / "data" / "uploads").iterdir()}
        assert found == {made}


def test_progress_is_told_by_events(server: Running) -> None:
    told: list[dict[str, object]] = []
    with server.client() as listener, listener.stream("GET", "/api/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert json.loads(next(lines).removeprefix("data: ")) == {"type": "hello"}
        (made,) = drop(server, "hang here")
        for line in lines:
            if not line.startswith("data: "):
                continue
            event = json.loads(line.removeprefix("data: "))
            if event.get("clip", {}).get("id") != made:
                continue
            told.append(event["clip"])
            if told[-1]["progress"]:
                with server.client() as client:
                    assert client.post(f"/api/clips/{made}/cancel").status_code == 202
            if told[-1]["state"] == "cancelled":
                break
    states = [clip["state"] for clip in told]
    assert states == sorted(states, key=("queued", "working", "cancelled").index)
    assert "working" in states
    steps = [clip["progress"] for clip in told if clip["progress"]]
    assert {"stage": "read", "share": 0.45, "number": 3, "of": 4} in steps


def test_cancelling_stops_what_is_in_hand_and_what_waits(server: Running) -> None:
    hanging, waiting, last = drop(server, "hang 1", "waits", "last")
    wait(lambda: server.clip(hanging)["state"] == "working", 60)
    with server.client() as client:
        for clip in (waiting, hanging):
            client.post(f"/api/clips/{clip}/cancel").raise_for_status()
    assert server.finished(hanging)["state"] == "cancelled"
    assert server.finished(waiting)["state"] == "cancelled"
    assert server.finished(last)["state"] == "done"
    (again,) = drop(server, "waits")
    assert server.finished(again)["state"] == "done", "the same bytes may be looked at again"


def test_the_same_bytes_are_judged_once_and_shown_under_both_names(server: Running) -> None:
    first = server.finished(drop(server, "twin", name="a.mp4")[0])
    second = server.finished(drop(server, "twin", name="b.mp4")[0])
    assert first["score"] == second["score"]
    with server.client() as client:
        asked = {"a": first["id"], "b": second["id"]}
        compared = client.get("/api/compare", params=asked).json()
        assert compared["same_bytes"] and compared["comparable"]
        assert compared["remarks"] == ["same-bytes"]
        name = client.get(f"/api/clips/{second['id']}/report.json").json()["file"]["path"]
        assert name == "b.mp4"


def test_labels_are_kept_in_the_store(server: Running) -> None:
    (made,) = drop(server, "to label")
    done = server.finished(made)
    with server.client() as client:
        wish = {"label": "generated", "generator": "sora", "note": "hands"}
        answer = client.post(f"/api/clips/{made}/label", json=wish)
        assert answer.json()["reviewed_as"] == "generated"
        assert client.post(f"/api/clips/{made}/label", json={"label": "x"}).status_code == 422
    with open_store(server.service.settings.store_path, read_only=True) as store:
        sql = "SELECT label, generator, note FROM latest_labels WHERE sha256 = ?"
        assert store.connection.execute(sql, (done["sha256"],)).fetchone() == (
            "generated", "sora", "hands",
        )  # fmt: skip


def test_deleting_takes_video_and_name_away(server: Running) -> None:
    (made,) = drop(server, "secret", name="private.mp4")
    server.finished(made)
    folder = server.service.uploads.folder_of(made)
    assert (folder / "clip").exists()
    with server.client() as client:
        assert client.delete(f"/api/clips/{made}").status_code == 204
        assert client.get(f"/api/clips/{made}").status_code == 404
        assert client.delete(f"/api/clips/{made}").status_code == 404
    assert not folder.exists()
    assert b"private.mp4" not in server.service.settings.store_path.read_bytes()


def test_the_words_are_the_same_in_every_language() -> None:
    english, german = own_messages("en"), own_messages("de")
    assert english.keys() == german.keys()
    for key, text in english.items():
        holes = re.findall(r"\{[a-z]+\}", text)
        assert sorted(holes) == sorted(re.findall(r"\{[a-z]+\}", german[key])), key
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in (CHECKOUT / "detector" / "serve").rglob("*")
        if path.suffix in (".py", ".j2", ".js")
    )
    fixed = {key for key in english if not key.startswith(("state-", "step-", "review-", "row-"))}
    assert {key for key in fixed if f'"{key}"' not in sources} == {
        "compare-other-model", "compare-other-quality", "compare-not-judged", "compare-same-bytes",
    }  # fmt: skip


def test_kept_pictures_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    smooth = np.repeat(rng.integers(0, 255, (3, 1, 1, 3)), 96 * 64, axis=0)
    frame = smooth[:96].reshape(96, 1, 3).repeat(64, axis=1).astype(np.uint8)
    patches = rng.normal(size=(3, 4)).astype(np.float32)
    gallery = Gallery(
        (KeyFrame(0, 1.5, frame, patches), KeyFrame(1, 2.5, frame, None)),
        ((0.25, -1.0), (0.5, 2.0)),
        (None, Scene(np.array([0.0, 0.5]), np.stack([frame, frame]))),
        Reference("pooled", (0.1, 0.2), (0.3, 0.4), 137, 20),
        (FacePicture(2, 0.75, frame, patches),),
    )
    kept = Kept(tmp_path)
    kept.keep("ab" * 32, gallery)
    back = kept.gallery("ab" * 32)
    assert back.frame_logits == gallery.frame_logits
    assert back.reference == gallery.reference
    assert [(k.shot, k.t) for k in back.key_frames] == [(0, 1.5), (1, 2.5)]
    assert np.array_equal(back.key_frames[0].patch_logits, patches)
    assert back.key_frames[1].patch_logits is None
    assert back.scenes[0] is None
    assert back.scenes[1] is not None and back.scenes[1].frames.shape == (2, 96, 64, 3)
    assert np.abs(back.key_frames[0].frame.astype(int) - frame).max() < 12, "JPEG of a flat picture"
    (face,) = back.faces
    assert (face.track, face.t, face.crop.shape) == (2, 0.75, frame.shape)
    assert np.array_equal(face.patch_logits, patches)
    assert kept.gallery("cd" * 32) == Gallery()
    with pytest.raises(ValueError, match="64 hexadecimal"):
        kept.thumbnail("../../etc/passwd")
    kept.delete_others({"ab" * 32}, time.time() + 1)
    assert kept.has_picture("ab" * 32)
    kept.delete_others(set(), time.time() + 1)
    assert not list(kept.root.iterdir())


def test_history_comes_in_parts(tmp_path: Path) -> None:
    with running(tmp_path / "data", judge=QUICK) as server, server.client() as client:
        made = drop(server, *(f"part {i}" for i in range(5)))
        found: list[str] = []
        before: int | None = None
        while True:
            asked = {"most": 2} | ({} if before is None else {"before": before})
            part = client.get("/api/clips", params=asked).json()
            found += [clip["id"] for clip in part["clips"]]
            before = part["more_before"]
            if before is None:
                break
        assert found == made[::-1]


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder, judge=QUICK) as server:
        (done,) = drop(server, "first")
        server.finished(done)
        hanging, waiting = drop(server, "hang on", "waits")
        wait(lambda: server.clip(hanging)["state"] == "working", 60)
        score = server.clip(done)["score"]
    (folder / "uploads" / hanging / "clip").write_bytes(mp4("no longer"))
    (folder / "uploads" / ("0" * 24)).mkdir()
    with running(folder, judge=QUICK) as server:
        assert server.clip(done)["score"] == score
        assert server.finished(hanging)["state"] == "done"
        assert server.finished(waiting)["state"] == "done"
        assert not (folder / "uploads" / ("0" * 24)).exists(), "half an upload is dropped"
        with pytest.raises(StoreError, match="another process"), Service(server.service.settings):
            pass


def test_old_videos_go_unless_they_carry_a_label(tmp_path: Path) -> None:
    with running(tmp_path / "data", judge=QUICK, keep_days=1e-9) as server:
        plain, labelled = drop(server, "plain", "labelled")
        for clip in (plain, labelled):
            server.finished(clip)
        server.service.uploads.label(labelled, "real", "", "", "")
        server.service.clean()
        assert server.clip(plain)["has_video"] is False
        assert server.clip(plain)["state"] == "done"
        assert server.clip(labelled)["has_video"] is True
        assert not (server.service.uploads.folder_of(plain) / "clip").exists()


def test_steps_are_read_back(tmp_path: Path) -> None:
    assert read_step(tmp_path) is None
    for words, stage in [("opening", "open"), ("reading stretch 1 of 2", "read"), ("?", "work")]:
        write_step(tmp_path, words)
        step = read_step(tmp_path)
        assert step is not None
        assert step.stage == stage


def test_fifty_uploads_at_once_all_end_in_a_row(tmp_path: Path) -> None:
    made: list[str] = []
    with running(tmp_path / "data", judge=QUICK, workers=2) as server:

        def send(number: int) -> None:
            made.extend(drop(server, f"slow {number % 40}", name=f"{number}.mp4"))

        threads = [threading.Thread(target=send, args=(i,)) for i in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(made)) == 50
        wait(lambda: server.service.uploads.counts()["waiting"] == 0, 120)
        with server.client() as client:
            clips = client.get("/api/clips?most=500").json()["clips"]
    assert {clip["id"] for clip in clips} == set(made)
    assert {clip["state"] for clip in clips} == {"done"}
    assert sorted(clip["name"] for clip in clips) == sorted(f"{i}.mp4" for i in range(50))


def test_no_answer_says_more_than_it_should(server: Running) -> None:
    with server.client() as client:
        answer = client.get("/api/clips/" + "0" * 24)
    assert answer.json() == {
        "error": {
            "code": "no-such-clip",
            "message": "there is no such clip: it may have been deleted",
        }
    }
