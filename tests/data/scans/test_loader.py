from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from support.starter import Starter
from tutelage.config.data import DataConfig
from tutelage.config.intensity import IntensityConfig, StrongIntensityConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.batch import Samples
from tutelage.core.errors import ConfigError
from tutelage.data.sampler import StreamSampler
from tutelage.data.scans.dataset import ScanDataset, load_scans
from tutelage.data.scans.loader import ScanLoader, ScanStream

CALM = IntensityConfig(noise=0.0, shift=0.0, scale=0.0)
PLAIN = ScanConfig(patch_size=(8,), intensity="none", canonical=False, orientation="none", weak=CALM)


def write_numbered(root: Path, shapes: list[tuple[int, ...]]) -> Path:
    """Volumes in which every voxel holds its own number, and a label that is that number modulo 3."""
    root.mkdir()
    for number, shape in enumerate(shapes):
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        with h5py.File(root / f"v{number}.h5", "w") as file:
            file["image"], file["label"] = values, (values % 3).astype(np.uint8)
    return root


def build(root: Path, scan: ScanConfig = PLAIN, **settings: Any) -> tuple[ScanDataset, ScanLoader]:
    data = load_scans(DataConfig(path=str(root), val_share=0.0), scan, seed=0, cache_dir=root.parent / "cache")
    return data, loader(data, **settings)


def loader(
    data: ScanDataset,
    *,
    seed: int = 0,
    workers: int = 0,
    labeled_views: tuple[str, ...] = ("weak",),
    unlabeled_views: tuple[str, ...] = ("weak", "strong"),
    batch: int = 4,
) -> ScanLoader:
    def stream(name: str, rows: np.ndarray, views: tuple[str, ...]) -> ScanStream:
        return ScanStream(StreamSampler(rows, batch, seed=seed, stream=name), views, name == "labeled")

    return ScanLoader(
        data.train,
        labeled=stream("labeled", data.labeled_rows, labeled_views),
        unlabeled=stream("unlabeled", data.unlabeled_rows, unlabeled_views) if unlabeled_views else None,
        scan=data.scan,
        patch_size=data.patch_size,
        seed=seed,
        device=torch.device("cpu"),
        workers=workers,
    )


def parts(made: ScanLoader, step: int) -> tuple[Samples, Samples]:
    batch = made.batch(step)
    assert batch.labeled is not None and batch.unlabeled is not None
    return batch.labeled, batch.unlabeled


def everything(samples: Samples) -> list[torch.Tensor]:
    return [*samples.views, samples.index, *([] if samples.label is None else [samples.label])]


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    return write_numbered(tmp_path / "scans", [(12, 10, 14), (9, 16, 8), (10, 10, 10)])


def test_a_batch_has_views_indices_and_labels_and_unlabeled_patches_have_none(numbered: Path) -> None:
    labeled, unlabeled = parts(build(numbered)[1], 0)
    assert labeled.label is not None
    assert labeled.views[0].shape == (4, 1, 8, 8, 8) and labeled.label.shape == (4, 8, 8, 8)
    assert (labeled.views[0].dtype, labeled.label.dtype, labeled.index.dtype) == (
        torch.float32,
        torch.int64,
        torch.int64,
    )
    assert unlabeled.label is None and len(unlabeled.views) == 2


def test_labels_of_the_unlabeled_stream_are_never_read(numbered: Path) -> None:
    _, made = build(numbered)
    for path in made.scans.cache.folder.glob("*-label.npy"):
        path.unlink()
    made.streams["labeled"] = None
    assert made.batch(3).unlabeled is not None


@pytest.mark.parametrize("orientation", ["turns", "flips", "ua-mt", "none"])
def test_image_label_and_all_views_of_a_row_show_the_same_voxels(numbered: Path, orientation: str) -> None:
    scan = replace(
        PLAIN, orientation=orientation, strong=StrongIntensityConfig(noise=0, shift=0, scale=0, gamma=0, blur=0)
    )  # type: ignore[arg-type]
    data = load_scans(DataConfig(path=str(numbered), val_share=0.0), scan, seed=0, cache_dir=numbered.parent / "cache")
    made = loader(data, labeled_views=("weak", "strong"))
    for step in range(5):
        labeled, unlabeled = parts(made, step)
        assert labeled.label is not None
        torch.testing.assert_close(labeled.views[0][:, 0].long() % 3, labeled.label)
        torch.testing.assert_close(labeled.views[0], labeled.views[1])
        torch.testing.assert_close(unlabeled.views[0], unlabeled.views[1])


def test_thick_slices_are_flipped_and_turned_within_their_plane_alone(tmp_path: Path) -> None:
    root = tmp_path / "scans"
    root.mkdir()
    values = np.broadcast_to(np.arange(8, dtype=np.float32), (8, 8, 8))  # varies from slice to slice
    with h5py.File(root / "a.h5", "w") as file:
        file["image"], file["label"] = values, (values > 3).astype(np.uint8)
    scan = replace(PLAIN, orientation="turns", assumed_spacing=(0.5, 0.55, 5.0))
    _, made = build(root, scan, unlabeled_views=())
    assert made.turns.planes == [(0, 1)]
    seen = torch.cat([made.batch(step).labeled.views[0] for step in range(4)])  # type: ignore[union-attr]
    assert bool((seen == seen[:, :, :1, :1]).all()) and {0.0, 7.0} == set(seen[:, 0, 0, 0, 0].tolist())


def test_a_step_gives_the_same_batch_whatever_came_before_and_however_many_workers(numbered: Path) -> None:
    scan = replace(PLAIN, orientation="turns", weak=IntensityConfig(), strong=StrongIntensityConfig())
    data, alone = build(numbered, scan)
    ahead = loader(data, workers=2)
    try:
        for step in (5, 0, 1, 2, 7):
            for a, b in zip(parts(alone, step), parts(ahead, step), strict=True):
                for one, other in zip(everything(a), everything(b), strict=True):
                    assert torch.equal(one, other)
    finally:
        ahead.close()
    first, second = parts(alone, 0), parts(alone, 1)
    assert not torch.equal(first[0].views[0], second[0].views[0])
    other = parts(loader(data, seed=1), 0)
    assert not torch.equal(first[0].views[0], other[0].views[0])


def test_patches_lie_anywhere_in_a_volume_the_last_place_included(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "scans", [(10, 9, 8)])
    scan = replace(PLAIN, foreground_share=0.0)
    _, made = build(root, scan, unlabeled_views=())
    corners = set()
    for step in range(40):
        labeled = made.batch(step).labeled
        assert labeled is not None
        corners |= {int(corner) for corner in labeled.views[0][:, 0, 0, 0, 0]}
    assert corners == {72 * x + 8 * y for x in range(3) for y in range(2)}


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_labeled_patches_holds_foreground(tmp_path: Path, share: float) -> None:
    root = tmp_path / "scans"
    root.mkdir()
    label = np.zeros((40, 40, 40), np.uint8)
    label[1, 20, 38], label[30, 2, 2] = 1, 2
    with h5py.File(root / "a.h5", "w") as file:
        file["image"], file["label"] = np.random.default_rng(0).normal(size=label.shape), label
    _, made = build(root, replace(PLAIN, foreground_share=share), unlabeled_views=(), batch=8)
    seen = []
    for step in range(40):
        labeled = made.batch(step).labeled
        assert labeled is not None and labeled.label is not None
        seen += labeled.label.amax((1, 2, 3)).tolist()
    found = np.bincount(seen, minlength=3) / len(seen)
    chance = 0.02  # that a patch anywhere holds one of the two voxels
    assert found[1] + found[2] == pytest.approx(share + (1 - share) * chance, abs=0.09)
    assert found[1] == pytest.approx(found[2], abs=0.12)  # each class as often, though other voxels are many more


def test_a_volume_smaller_than_the_patch_is_padded_on_both_sides(tmp_path: Path) -> None:
    root = tmp_path / "scans"
    root.mkdir()
    with h5py.File(root / "a.h5", "w") as file:
        file["image"] = 1.0 + np.arange(5 * 8 * 11, dtype=np.float32).reshape(5, 8, 11)
        file["label"] = np.full((5, 8, 11), 2, np.uint8)
    _, made = build(root, replace(PLAIN, foreground_share=1.0), unlabeled_views=())
    labeled = made.batch(0).labeled
    assert labeled is not None and labeled.label is not None
    image = labeled.views[0][:, 0]
    assert not image[:, :1].any() and not image[:, 6:].any() and (image[:, 1:6] > 0).all()
    assert torch.equal(labeled.label, (image > 0).long())  # the only value beside 0 is class 1


def test_ignored_voxels_are_minus_1_and_no_center(tmp_path: Path) -> None:
    root = tmp_path / "scans"
    root.mkdir()
    label = np.full((20, 20, 20), 255, np.uint8)
    label[:4, :4, :4] = 0
    label[2, 2, 2] = 1
    with h5py.File(root / "a.h5", "w") as file:
        file["image"], file["label"] = np.random.default_rng(0).normal(size=label.shape), label
    _, made = build(root, replace(PLAIN, foreground_share=1.0, ignore_label=255), unlabeled_views=())
    labeled = made.batch(0).labeled
    assert labeled is not None and labeled.label is not None
    assert labeled.label.unique().tolist() == [-1, 0, 1]
    assert (labeled.label == 1).sum() == 4  # once in each patch


def test_the_first_view_stays_clean_where_it_is_asked_for(numbered: Path) -> None:
    scan = replace(PLAIN, weak=IntensityConfig(noise=0.1, noise_limit=0.2, shift=0.0, scale=0.0, first_clean=True))
    labeled, _ = parts(build(numbered, scan, labeled_views=("weak", "weak"))[1], 0)
    assert torch.equal(labeled.views[0], labeled.views[0].round())
    noise = labeled.views[1] - labeled.views[0]
    assert noise.abs().max() <= 0.2 + 1e-3 and noise.std() == pytest.approx(0.0954, abs=0.01)


def test_slices_go_through_the_same_code(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "scans", [(12, 10), (9, 16)])
    labeled, unlabeled = parts(build(root, replace(PLAIN, orientation="turns"))[1], 0)
    assert labeled.label is not None
    assert labeled.views[0].shape == (4, 1, 8, 8) and labeled.label.shape == (4, 8, 8)
    torch.testing.assert_close(labeled.views[0][:, 0].long() % 3, labeled.label)
    assert unlabeled.views[1].shape == (4, 1, 8, 8)


def test_patches_of_half_precision_arrive_as_float32(numbered: Path) -> None:
    labeled, _ = parts(build(numbered, replace(PLAIN, cache_precision="float16"))[1], 0)
    assert labeled.views[0].dtype == torch.float32


def test_views_that_scans_do_not_have_are_refused(numbered: Path) -> None:
    with pytest.raises(ConfigError, match="scans have the views weak, strong; the method asks for 'contrastive'"):
        build(numbered, unlabeled_views=("contrastive",))


def test_patches_are_counted_and_their_rows_known(numbered: Path) -> None:
    data, made = build(numbered)
    assert made.images_per_step == 8
    rows = made.rows_at(2)
    assert set(rows) == {"labeled", "unlabeled"} and len(rows["labeled"]) == 4
    assert rows["labeled"] == parts(made, 2)[0].index.tolist()
    assert set(rows["labeled"]) <= set(data.labeled_rows.tolist())


def test_two_processes_share_the_batch_of_one(numbered: Path, starter: Starter, tmp_path: Path) -> None:
    scan = replace(PLAIN, orientation="turns", weak=IntensityConfig(blur=0.7), strong=StrongIntensityConfig())
    whole = parts(build(numbered, scan)[1], 3)
    code = (
        "import sys, torch, torch.distributed as dist\n"
        "from pathlib import Path\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]}\n"
        "from test_loader import PLAIN, IntensityConfig, StrongIntensityConfig, build, everything, parts, replace\n"
        "rank, root, store = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]\n"
        "dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=2)\n"
        "scan = replace(PLAIN, orientation='turns', weak=IntensityConfig(blur=0.7), strong=StrongIntensityConfig())\n"
        "labeled, unlabeled = parts(build(root, scan)[1], 3)\n"
        "torch.save([*everything(labeled), *everything(unlabeled)], f'{store}-{rank}.pt')\n"
        "dist.destroy_process_group()\n"
    )
    store = tmp_path / "store"
    running = [starter.start("-c", code, rank, numbered, store) for rank in (0, 1)]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    for rank in (0, 1):
        mine = torch.load(f"{store}-{rank}.pt")
        for part, of_all in zip(mine, [*everything(whole[0]), *everything(whole[1])], strict=True):
            torch.testing.assert_close(part, of_all[rank::2], rtol=1e-6, atol=1e-6)
