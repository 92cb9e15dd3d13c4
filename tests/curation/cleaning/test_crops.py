from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tutelage.curation.cleaning import crops
from tutelage.data.images.perceptual_hash import gray_thumbnail


def picture(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12), np.uint8)
    return Image.fromarray(coarse).resize((200, 150), Image.Resampling.BICUBIC)


def thumbnails(*images: Image.Image) -> np.ndarray:
    return np.stack([gray_thumbnail(np.asarray(image)) for image in images])


@pytest.mark.parametrize("box", [(10, 8, 190, 142), (0, 0, 170, 150), (30, 20, 200, 140), (24, 18, 176, 132)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_is_found_in_the_whole_whichever_comes_first(box: tuple[int, int, int, int], mirrored: bool) -> None:
    part = picture(1).crop(box)
    part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else part
    whole, small, other = thumbnails(picture(1), part, picture(2))[:, None]
    assert crops.overlap(whole, small)[0] > crops.CORRELATION
    assert crops.overlap(small, whole)[0] > crops.CORRELATION
    assert crops.overlap(whole, other)[0] < 0.7


def test_the_correlation_inside_is_that_of_numpy() -> None:
    whole, part = thumbnails(picture(1), picture(2)).astype(np.float32)
    found = crops._correlation_inside(whole[None], part[None], 28, 30)[0]
    shrunk = crops._shrinking(28) @ part @ crops._shrinking(30).T
    naive = [
        np.corrcoef(whole[y : y + 28, x : x + 30].ravel(), shrunk.ravel())[0, 1] for y in range(5) for x in range(3)
    ]
    assert found == pytest.approx(max(naive), abs=1e-5)


def test_shrinking_keeps_the_mean_and_is_the_identity_at_full_size() -> None:
    np.testing.assert_allclose(crops._shrinking(32), np.eye(32), atol=1e-6)
    ramp = np.arange(32.0)
    assert (crops._shrinking(24) @ ramp).mean() == pytest.approx(ramp.mean(), abs=1e-4)


def test_close_pairs_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "_BLOCK", 7)
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = rows @ rows.T
    naive = [[i, j] for i in range(40) for j in range(i + 1, 40) if cosine[i, j] >= 0.8]
    assert crops.close_pairs(rows, cosine=0.8, nearest=39).tolist() == naive
    few = crops.close_pairs(rows, cosine=0.8, nearest=1)
    best = {tuple(sorted((i, int(np.argsort(-cosine[i])[1])))) for i in range(40)}
    assert {tuple(pair) for pair in few.tolist()} == {pair for pair in best if cosine[pair] >= 0.8}


def test_of_too_many_pairs_the_most_similar_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "MOST_PAIRS", 1)
    angles = np.array([0.0, 0.4, 0.5])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert crops.close_pairs(rows).tolist() == [[1, 2]]


def test_cropped_pairs_need_similar_features_and_similar_pixels() -> None:
    small = thumbnails(picture(1), picture(1).crop((10, 8, 190, 142)), picture(2), picture(2).crop((0, 0, 180, 140)))
    near, far = np.eye(4, dtype=np.float32)[[0, 0, 0, 1]], np.eye(4, dtype=np.float32)
    pairs, scores = crops.cropped_pairs(near, small)
    assert pairs.tolist() == [[0, 1]] and scores[0] > 0.9
    assert crops.cropped_pairs(far, small)[0].shape == (0, 2)
    assert crops.cropped_pairs(far[:1], small[:1])[0].shape == (0, 2)
