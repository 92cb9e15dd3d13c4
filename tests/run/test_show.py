from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.runs import unsealed
from tutelage import cli


def test_show_writes_a_contact_sheet_of_the_named_views(tmp_path: Path) -> None:
    sheets = {}
    for views in ("weak", "weak,strong"):
        out = tmp_path / f"{len(sheets)}.png"
        assert cli.run(["show", "digits", "--out", str(out), "--views", views, "--images", "2", "--draws", "3"]) == 0
        sheets[views] = np.asarray(Image.open(out).convert("L"))
    assert sheets["weak,strong"].shape[0] > 1.5 * sheets["weak"].shape[0]
    assert sheets["weak"].std() > 20


@pytest.mark.parametrize(
    "setting",
    [
        ["--augment.weak.translate", "0.5"],
        ["--augment.strong.variant", "official"],
        ["--augment.strong.operations", "4"],
        ["--augment.strong.cutout", "0"],
        ["--augment.strong.policy", "ctaugment"],
        ["--seed", "1"],
    ],
)
def test_settings_of_views_change_the_sheet(tmp_path: Path, setting: list[str]) -> None:
    for name, flags in (("plain", []), ("changed", setting)):
        out = str(tmp_path / f"{name}.png")
        assert cli.run(["show", "digits", "--out", out, "--views", "strong", "--images", "2", *flags]) == 0
    assert (tmp_path / "plain.png").read_bytes() != (tmp_path / "changed.png").read_bytes()


@pytest.mark.long
def test_a_run_holds_the_sheet_of_its_methods_views(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli.run(["train", "digits", "--label-count", "20", "--steps", "1", "--out", str(run)]) == 0
    with Image.open(run / "views.png") as sheet:
        assert min(sheet.size) > 100
    assert unsealed(run / "config.json")["settings"]["augment"]["domain"] == "symbols"


@pytest.mark.parametrize("names", [("1.png", "2.png"), ("2022/1.png", "2023/05/2.png"), ("a/b/1.png", "a/b/2.png")])
def test_views_of_a_pile_without_labels_are_shown(
    names: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "p" / name)
    assert cli.run(["show", str(tmp_path / "p"), "--out", str(tmp_path / "s.png"), "--images", "2"]) == 0
    assert (tmp_path / "s.png").exists()
    (tmp_path / "p" / "labels.csv").write_text("path,label\ngone.png,cat\n")
    assert cli.run(["show", str(tmp_path / "p"), "--out", str(tmp_path / "t.png")]) == 2
    assert "'gone.png' is not a file" in capsys.readouterr().err
