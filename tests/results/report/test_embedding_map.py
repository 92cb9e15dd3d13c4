"""The map of embeddings: where points lie, what they show, and that the page stays safe and whole."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage import cli
from tutelage.data.images.items import Item
from tutelage.inference.images.embed import list_to_embed
from tutelage.inference.images.encoder import Encoder
from tutelage.results.report.blocks import PointMap
from tutelage.results.report.embedding_map import embedding_page, look_at_images, run_map
from tutelage.results.report.examples import look_at
from tutelage.results.report.projection import neighbor_agreement, project
from tutelage.run.run_record import RunRecord


def test_principal_components_are_those_of_the_covariance() -> None:
    draw = np.random.default_rng(0)
    for shape in ((12, 5), (6, 20)):
        rows = draw.normal(size=shape)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        left, values, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
        found = project(rows.astype(np.float32))
        expected = left[:, :2] * values[:2]
        signs = np.sign((found.places * expected).sum(0))
        np.testing.assert_allclose(found.places, expected * signs, atol=1e-5)
        share = (values[:2] ** 2).sum() / (values**2).sum()
        assert f"explain {100 * share:.0f}% of the variance" in found.how


def test_images_that_are_all_alike_lie_in_one_place() -> None:
    assert np.allclose(project(np.ones((5, 4), np.float32)).places, 0.0)


def test_umap_is_taken_where_it_is_installed() -> None:
    pytest.importorskip("umap")
    rows = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    found = project(rows)
    assert "UMAP" in found.how and found.places.shape == (40, 2)
    assert np.array_equal(found.places, project(rows).places)


def test_agreement_of_neighbors_is_one_in_separate_groups_and_chance_in_noise() -> None:
    draw = np.random.default_rng(0)
    label = np.arange(300) % 3
    groups = (10.0 * np.eye(3)[label] + draw.normal(size=(300, 3))).astype(np.float32)
    agreement, chance = neighbor_agreement(groups, label) or (0.0, 0.0)
    assert agreement > 0.99 and chance == pytest.approx(99 / 299)
    noise, _ = neighbor_agreement(draw.normal(size=(300, 3)).astype(np.float32), label) or (0.0, 0.0)
    assert noise == pytest.approx(1 / 3, abs=0.05)
    few = np.where(np.arange(300) < 11, label, -1)
    assert neighbor_agreement(groups, few) is None


def test_the_page_of_embed_shows_every_image_escaped_and_loads_nothing(run: Path, data: Path, tmp_path: Path) -> None:
    words = ["--out", str(tmp_path / "e.npz"), "--report", str(tmp_path / "map.html"), "--device", "cpu"]
    assert cli.run(["embed", str(run), str(data), *words]) == 0
    page = (tmp_path / "map.html").read_text()
    points = re.findall(r'<i class="s(\d) h(\d)[ w]*" style="left:([\d.]+)%;top:([\d.]+)%;--n:(\d+);--m:(\d+)"', page)
    assert len(points) == 3 * (30 + 8)
    assert {point[0] for point in points} == {"1", "2", "3"}
    assert all(0 <= float(point[2]) <= 100 and 0 <= float(point[3]) <= 100 for point in points)
    assert {(int(m), int(n)) for *_, n, m in points} == {(k // 40, k % 40) for k in range(len(points))}
    assert "<img src=x" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    sheet = re.search(r"--sheet: url\(data:image/jpeg;base64,([\w+/=]+)\)", page)
    assert sheet is not None
    with Image.open(io.BytesIO(base64.b64decode(sheet[1]))) as picture:
        assert picture.size == (40 * 32, 3 * 32)


def test_each_point_has_its_own_picture(tmp_path: Path, run: Path) -> None:
    for number in range(5):
        Image.new("RGB", (12, 12), (50 * number, 0, 0)).save(tmp_path / f"{number}.png")
    words = ["--out", str(tmp_path / "e.npz"), "--report", str(tmp_path / "map.html"), "--device", "cpu"]
    assert cli.run(["embed", str(run), str(tmp_path), *words]) == 0
    page = (tmp_path / "map.html").read_text()
    assert re.findall(r'data-name="no label · (\d)\.png"', page) == list("01234")
    found = re.search(r"base64,([\w+/=]+)\)", page)
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        reds = [picture.getpixel((32 * number + 16, 16))[0] for number in range(5)]  # type: ignore[index]
    assert reds == pytest.approx([0, 50, 100, 150, 200], abs=4)
    assert "no label</li>" in page


@pytest.mark.long
def test_a_report_of_a_run_has_the_map_of_its_images_as_page_and_as_markdown(run: Path, tmp_path: Path) -> None:
    page = (run / "report.html").read_text()
    assert "<h2>Map of the images</h2>" in page and "have the same label" in page
    assert 'class="s0 h0' in page  # unlabeled images
    assert cli.run(["report", str(run), "--out", str(tmp_path / "r.md"), "--device", "cpu"]) == 0
    assert "![Map of the images](r_plots/map.png)" in (tmp_path / "r.md").read_text()
    assert (tmp_path / "r_plots" / "map.png").exists() and (tmp_path / "r_plots" / "map.svg").exists()


def ringed(page: str) -> list[str]:
    return re.findall(r'<i class="s\d h\d[ w]* r"[^>]*data-name="([^"]*)"', page)


def test_the_map_of_a_run_keeps_every_image_whose_label_it_learned_from(run: Path, tmp_path: Path) -> None:
    labeled = len(RunRecord(run).split["labeled"])
    assert len(ringed((run / "report.html").read_text())) == labeled == 63
    record = RunRecord(run)
    encoder = Encoder.load(run, device="cpu")
    looked = look_at(record, device="cpu", most=2000)
    section = run_map(record, looked, "map", device="cpu", most=20)
    assert section is not None
    (drawn,) = [block for block in section.blocks if isinstance(block, PointMap)]
    assert sum(point.ring for point in drawn.points) == len(drawn.points) == labeled
    assert "63 that the run learned from with their label have a ring" in drawn.plot.caption
    assert "evenly spaced" in drawn.plot.caption
    few = look_at_images(encoder, looked.labeled, labeled=[], most=20)
    assert len(few.items) == 20  # what has no label to learn from is sampled


def test_the_map_of_embed_keeps_every_image_with_a_label(run: Path, data: Path) -> None:
    encoder = Encoder.load(run, device="cpu")
    items = [Item(i.name, i.label if k % 6 == 0 else None, i.store, i.key) for k, i in enumerate(list_to_embed(data))]
    page = embedding_page(run, "data", encoder, items, most=30)
    (drawn,) = [block for block in page.sections[0].blocks if isinstance(block, PointMap)]
    assert sum(point.series > 0 for point in drawn.points) == sum(item.label is not None for item in items) == 19
    assert len(drawn.points) == 30 and not any(point.ring for point in drawn.points)
