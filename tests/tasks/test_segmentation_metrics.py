"""Overlap and surface distances against medpy's definitions, and what happens where a mask is empty."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from reference import segmentation as reference
from tutelage.core.errors import DataError, NonFiniteError
from tutelage.tasks.overlap import DISTANCE_SCORES, DISTANCES, class_scores
from tutelage.tasks.segmentation_metrics import SegmentationMetrics
from tutelage.tasks.surface_distances import surface_distances, surface_points

DATA = Path(os.environ.get("TUTELAGE_DATA", Path(__file__).parents[3] / "shared" / "data"))
Mask = np.ndarray


def agrees(prediction: Mask, true: Mask, spacing: tuple[float, ...]) -> None:
    """All scores of a pair are those of the definitions."""
    scores = class_scores(prediction, true, spacing)
    both, either = int((prediction & true).sum()), int((prediction | true).sum())
    total = int(prediction.sum()) + int(true.sum())
    assert scores["dice"] == (pytest.approx(2 * both / total, abs=1e-12) if total else None)
    assert scores["jaccard"] == (pytest.approx(both / either, abs=1e-12) if either else None)
    if prediction.any() and true.any():
        assert scores["empty"] is None
        for unit, sampling in (("voxels", None), ("mm", spacing)):
            for name, value in reference.distances(prediction, true, sampling).items():
                assert scores[f"{name}_{unit}"] == pytest.approx(value, abs=1e-6), (name, unit)
    else:
        assert all(scores[name] is None for name in DISTANCE_SCORES)
        assert scores["empty"] == ("both" if not total else "prediction" if true.any() else "reference")


def blob(draw: np.random.Generator, size: tuple[int, ...]) -> Mask:
    return ndimage.gaussian_filter(draw.standard_normal(size), 1.5) > 0.02


def degenerate() -> Iterator[tuple[Mask, Mask]]:
    """50 pairs: empty, single voxels, full, along the border, thin, of all shapes."""
    draw = np.random.default_rng(0)
    for size in ((6, 7, 5), (1, 8, 8), (9, 2, 6), (12, 11), (1, 1, 1)):
        empty, full = np.zeros(size, bool), np.ones(size, bool)
        corner, last = empty.copy(), empty.copy()
        corner[(0,) * len(size)] = last[(-1,) * len(size)] = True
        border = full.copy()
        border[tuple(slice(1, -1) for _ in size)] = False
        thin = empty.copy()
        thin[: min(2, size[0])] = True
        some = draw.random(size) < 0.3
        yield from [(empty, empty), (empty, full), (full, empty), (corner, last), (corner, corner), (full, corner)]
        yield from [(border, full), (thin, border), (some, thin), (some, full)]


def test_degenerate_pairs_have_the_scores_of_the_definitions() -> None:
    pairs = list(degenerate())
    assert len(pairs) == 50
    for prediction, true in pairs:
        agrees(prediction, true, (0.5, 2.0, 1.25)[: prediction.ndim])


def test_generated_pairs_have_the_scores_of_the_definitions() -> None:
    draw = np.random.default_rng(1)
    for number in range(12):
        size = (14, 17, 11) if number % 3 else (40, 30)
        agrees(
            blob(draw, size), blob(draw, size), (0.625,) * len(size) if number % 2 else (0.5, 2.0, 1.25)[: len(size)]
        )


def labels(folder: str, count: int) -> list[Mask]:
    if folder == "hippocampus":
        import nibabel

        files = sorted((DATA / folder / "labels").glob("*.nii.gz"))[:count]
        return [np.asarray(nibabel.load(file).dataobj).astype(np.uint8) for file in files]
    import h5py

    found = []
    for path in sorted((DATA / folder).rglob("*.h5"))[:count]:
        with h5py.File(path) as file:
            found.append(file["label"][()])
    return found


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "hippocampus").is_dir(), reason="needs the hippocampus masks: set TUTELAGE_DATA")
def test_real_pairs_have_the_scores_of_the_definitions() -> None:
    hippocampi, atria = labels("hippocampus", 12), labels("left_atrium", 2)
    pairs: list[tuple[Mask, Mask]] = []
    for number, label in enumerate(hippocampi):
        mask = label == 1 + number % 2
        other = np.zeros_like(mask)
        small = tuple(slice(0, min(a, b)) for a, b in zip(mask.shape, hippocampi[number - 1].shape, strict=True))
        other[small] = hippocampi[number - 1][small] > 0
        shifted = np.roll(mask, (2, -1, 1), (0, 1, 2))
        pairs += [(mask, other), (shifted, mask), (ndimage.binary_erosion(mask), mask), (mask, label > 0)]
    atrium = atria[0].astype(bool)
    pairs += [(np.roll(atrium, 5, 1), atrium), (ndimage.binary_dilation(atrium, iterations=2), atrium)]
    assert len(pairs) == 50
    for prediction, true in pairs:
        agrees(prediction, true, (0.625, 0.625, 0.625) if prediction.shape[2] == 88 else (1.0, 1.0, 1.5))


def test_the_surface_is_the_mask_without_its_erosion() -> None:
    draw = np.random.default_rng(2)
    for size in ((9, 8, 7), (20, 15), (1, 5, 5)):
        mask = blob(draw, size)
        expected = np.argwhere(reference.surface(mask))
        assert np.array_equal(surface_points(mask), expected)


@pytest.mark.filterwarnings("ignore")  # MONAI's own, of its own old arguments
def test_the_maximum_convention_is_monais() -> None:
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    draw = np.random.default_rng(3)
    for _ in range(3):
        a, b = blob(draw, (14, 12, 10)), blob(draw, (14, 12, 10))
        pair = [torch.from_numpy(mask)[None, None].float() for mask in (a, b)]
        spacing = (0.5, 2.0, 1.0)
        mine = surface_distances(a, b, spacing)
        hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=list(spacing))
        assert mine.hd95_max_directed == pytest.approx(float(hd95), abs=1e-4)
        for symmetric, value in ((False, mine.asd_to_reference), (True, mine.assd_pooled)):
            asd = compute_average_surface_distance(
                *pair, include_background=True, symmetric=symmetric, spacing=list(spacing)
            )
            assert value == pytest.approx(float(asd), abs=1e-4)


def test_the_two_conventions_and_the_two_directions_differ() -> None:
    a, b = np.zeros((30, 20), bool), np.zeros((30, 20), bool)
    a[5:10, 5:10] = b[5:10, 5:10] = b[25, 5] = True
    there, back = surface_distances(a, b), surface_distances(b, a)
    assert there.hd95_pooled < there.hd95_max_directed == back.hd95_max_directed
    assert there.asd_to_reference == 0.0 < back.asd_to_reference
    with pytest.raises(ValueError, match="no surface distance to an empty mask"):
        surface_distances(a, np.zeros_like(a))


def collected(distances: bool = True) -> SegmentationMetrics:
    """Four cases of two classes: perfect; class b missed; class b found where there is none; class b in neither."""
    true = torch.zeros(4, 6, 6, dtype=torch.int64)
    true[:, :2, :2] = 1
    true[:2, 4:, 4:] = 2
    found = true.clone()
    found[1, 4:, 4:] = 0
    found[2, 4, 4] = 2
    found[3, 0, 0] = 0
    metrics = SegmentationMetrics(["background", "a", "b"], distances=distances)
    metrics.update(torch.nn.functional.one_hot(found, 3).movedim(-1, 1).float(), true, spacing=(2.0, 2.0), names="wxyz")
    return metrics


def test_an_empty_mask_is_never_a_perfect_score() -> None:
    scores = collected().compute()
    b = [case["classes"]["b"] for case in scores["per_case"]]
    assert [row["dice"] for row in b] == [1.0, 0.0, 0.0, None]
    assert [row["hd95_pooled_mm"] for row in b] == [0.0, None, None, None]
    assert (scores["empty_predictions"], scores["empty_references"], scores["both_empty"]) == (1, 1, 1)
    assert scores["per_class"]["b"]["dice"] == {"mean": pytest.approx(1 / 3), "std": pytest.approx(3**-0.5), "cases": 3}
    assert scores["per_class"]["b"]["assd_pooled_voxels"] == {"mean": 0.0, "std": None, "cases": 1}
    assert scores["per_class"]["a"]["both_empty"] == 0


def test_the_headline_is_the_mean_over_cases_of_the_mean_over_foreground_classes() -> None:
    scores = collected().compute()
    cases = [1.0, 0.5, 0.5, 2 * 3 / 7]
    assert [case["dice"] for case in scores["per_case"]] == pytest.approx(cases)
    assert [case["case"] for case in scores["per_case"]] == list("wxyz")
    assert (scores["n"], scores["dice_cases"]) == (4, 4)
    assert scores["dice"] == pytest.approx(np.mean(cases)) and scores["dice_std"] == pytest.approx(
        np.std(cases, ddof=1)
    )
    items = collected().items()
    assert items["dice"] == pytest.approx(cases) and list(items["case"]) == list("wxyz")
    assert set(items) == {"case", "dice", "jaccard", *DISTANCE_SCORES}


def test_distances_are_in_voxels_and_in_millimeters() -> None:
    case = collected().compute()["per_case"][3]["classes"]["a"]
    for name in DISTANCES:
        assert case[f"{name}_mm"] == pytest.approx(2.0 * case[f"{name}_voxels"]) and not math.isnan(case[f"{name}_mm"])


def test_the_scores_are_ready_for_json_and_without_distances_there_are_none() -> None:
    json.dumps(collected().compute(), allow_nan=False)
    quick = collected(distances=False).compute()
    assert quick["dice"] == collected().compute()["dice"] and "hd95_pooled_mm" not in quick
    nothing = SegmentationMetrics(["background", "a"]).compute()
    assert nothing["n"] == 0 and nothing["dice"] is None


def test_ignored_voxels_belong_to_no_mask() -> None:
    true = torch.tensor([[[0, 1, 1], [-1, -1, -1]]])
    found = torch.tensor([[[0, 1, 1], [1, 0, 1]]])
    metrics = SegmentationMetrics(["background", "a"])
    metrics.update(found, true)
    assert metrics.compute()["dice"] == 1.0


def test_wrong_input_is_refused() -> None:
    metrics = SegmentationMetrics(["background", "a"])
    with pytest.raises(DataError, match=r"labels must be in 0..1 \(or -1 to ignore\), got 0..7"):
        metrics.update(torch.zeros(1, 2, 2), torch.tensor([[[0, 7], [0, 0]]]))
    with pytest.raises(DataError, match="differ in shape"):
        metrics.update(torch.zeros(1, 2, 3), torch.zeros(1, 2, 2))
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        metrics.update(torch.full((1, 2, 2, 2), float("nan")), torch.zeros(1, 2, 2, dtype=torch.int64))
