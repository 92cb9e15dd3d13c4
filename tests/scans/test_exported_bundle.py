"""MONAI bundles: the masks that MONAI makes with them are those of the run."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import tutelage
from support.exports import few_pictures
from support.runs import change_json
from tutelage.core.errors import ConfigError
from tutelage.inference.export import bundle
from tutelage.inference.export.bundle_check import largest_on_scans


@pytest.mark.long
def test_monai_makes_the_masks_of_the_run(finished: Path, scans: Path, tmp_path: Path) -> None:
    from monai.bundle import ConfigParser

    images = scans / "test" / "images"
    done = tutelage.export(finished, out=tmp_path / "bundle", format="monai-bundle", check=images)
    assert done.checked and done.difference < 1e-5
    held = {path.relative_to(done.path).as_posix() for path in done.path.rglob("*") if path.is_file()}
    assert held == {*bundle.FILES}
    parser = ConfigParser(ConfigParser.load_config_file(str(done.path / bundle.INFERENCE)))
    parser.update({"bundle_root": str(done.path), "dataset_dir": str(images), "output_dir": str(tmp_path / "masks")})
    with warnings.catch_warnings(action="ignore"):  # MONAI's, of packages that it looks for
        parser.get_parsed_content("run")
    for file in sorted(images.iterdir()):
        expected = tutelage.predict(finished, file).masks[0]  # type: ignore[union-attr]
        found = nibabel.load(tmp_path / "masks" / file.name)
        assert np.array_equal(found.affine, nibabel.load(file).affine)
        assert (np.asarray(found.dataobj) == expected).mean() > 0.999


@pytest.mark.long
def test_a_bundle_that_prepares_scans_otherwise_is_noticed(finished: Path, scans: Path, tmp_path: Path) -> None:
    images = scans / "test" / "images"
    done = tutelage.export(finished, out=tmp_path / "bundle", format="monai-bundle", check=images)
    model = tutelage.load(finished)
    assert isinstance(model, tutelage.ScanModel)
    assert largest_on_scans(done.path, model, images) < 1e-5
    file = done.path / bundle.INFERENCE
    config: dict[str, Any] = json.loads(file.read_text())
    for name in ("NormalizeIntensityd", "Orientationd"):
        steps = [one for one in config["preprocessing"]["transforms"] if one["_target_"] != name]
        file.write_text(json.dumps({**config, "preprocessing": {**config["preprocessing"], "transforms": steps}}))
        assert largest_on_scans(done.path, model, images) > 1e-3, name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spacing": [1.0]}, "scan.spacing"),
        ({"crop": "body"}, "scan.crop"),
        ({"intensity": "percentile"}, "percentile"),
    ],
)
def test_a_preparation_that_monai_does_otherwise_is_refused(
    change: dict[str, Any], reason: str, finished: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    change_json(run / "config.json", lambda config: config["settings"]["scan"].update(change))
    with pytest.raises(ConfigError, match=f"the run has .*{reason}.*, which MONAI's transforms do otherwise"):
        tutelage.export(run, out=tmp_path / "bundle", format="monai-bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_is_for_scans(tmp_path: Path) -> None:
    run = few_pictures(tmp_path)
    with pytest.raises(ConfigError, match="a MONAI bundle segments scans"):
        tutelage.export(run, out=tmp_path / "bundle", format="monai-bundle")
