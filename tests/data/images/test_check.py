import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tutelage import cli
from tutelage.commands.check import check_source
from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.data.check import CheckReport, check_for_training
from tutelage.data.images.arrays import DIGITS
from tutelage.data.images.check import check_images
from tutelage.data.images.dataset import load_images

pytestmark = pytest.mark.usefixtures("by_flags")


def write_digits(root: Path, *names: str) -> None:
    with np.load(DIGITS) as file:
        images = file["x"]
    for row, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row]).save(path)


def printed(report: CheckReport) -> str:
    stream = io.StringIO()
    report.print(Console(file=stream, width=200))
    stream.getvalue().encode("utf-8")
    return stream.getvalue()


def test_the_digits_are_fine() -> None:
    report = check_images(DataConfig(path="digits"))
    assert report.ok
    assert report.warnings == []
    assert report.parts["train"].images == 1442
    assert report.parts["test"].classes == dict(
        zip("0123456789", [35, 36, 35, 36, 36, 36, 36, 35, 34, 36], strict=True)
    )
    assert report.parts["train"].sizes == {"8 x 8": 1442}
    assert report.parts["train"].modes == {"L": 1442}
    report.raise_faults()


def test_the_report_is_json() -> None:
    report = json.loads(json.dumps(check_images(DataConfig(path="digits")).to_dict()))
    assert report["ok"] is True
    assert report["parts"]["train"]["classes"]["0"] == 143


def test_its_inventory_serves_for_loading() -> None:
    config = DataConfig(path="digits", label_count=40)
    assert len(load_images(config, seed=0, inventory=check_images(config).inventory).labeled_rows) == 40


def test_faults_are_collected_and_raised_together(tmp_path: Path) -> None:
    write_digits(tmp_path, "cat/1.png", "dog/1.png", "stray.png")
    (tmp_path / "dog" / "2.png").write_bytes(b"")
    report = check_images(DataConfig(path=str(tmp_path), label_count=9))
    assert not report.ok
    with pytest.raises(DataError) as error:
        report.raise_faults()
    assert len(error.value.faults) == 3
    assert "stray.png" in error.value.faults[0]
    assert "2.png is empty" in error.value.faults[1]
    assert "--label-count must be at most the number of labels, 2, got 9" in error.value.faults[2]


@pytest.mark.parametrize("label_count", [5, 1500])
def test_a_label_count_that_cannot_be_kept_is_found_before_training(label_count: int) -> None:
    [fault] = check_images(DataConfig(path="digits", label_count=label_count)).faults
    assert fault.startswith("--label-count must be ") and fault.endswith(f", got {label_count}")


def test_the_printed_report_has_counts_warnings_and_faults(tmp_path: Path) -> None:
    write_digits(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png", ".ipynb_checkpoints/x.png")
    (tmp_path / "dog" / "2.png").write_bytes(b"")
    text = printed(check_images(DataConfig(path=str(tmp_path))))
    assert "3 images, 3 labeled, 1 unreadable" in text
    assert "sizes: 8 x 8 (3); modes: L (3)" in text
    assert "warning: " in text
    assert "error: " in text
    assert "can be trained" not in text
    assert "can be trained" in printed(check_images(DataConfig(path="digits")))


def test_of_many_faults_the_first_twenty_are_printed(tmp_path: Path) -> None:
    write_digits(tmp_path, "cat/1.png", "dog/1.png")
    for number in range(30):
        (tmp_path / "cat" / f"broken{number:02}.png").write_bytes(b"")
    text = printed(check_images(DataConfig(path=str(tmp_path))))
    assert "broken19.png" in text
    assert "broken20.png" not in text
    assert "(and 10 more; --out report.json lists all)" in text


@pytest.mark.parametrize(
    "name",
    ["[red]x[/red]", "[/nonsense]", "a\x1b[2Jb", "a\nb", "\u202egpj", os.fsdecode(b"caf\xe9"), "<script>", ":cat:"],
)
def test_odd_names_reach_the_terminal_as_plain_text(tmp_path: Path, name: str) -> None:
    write_digits(tmp_path, "cat/1.png", "dog/1.png")
    path = tmp_path / "dog" / f"{name.replace('/', '_')}.png"
    path.write_bytes(b"")
    text = printed(check_images(DataConfig(path=str(tmp_path))))
    faults = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(faults) == 1
    assert faults[0].isprintable()
    if name.isprintable():
        assert path.name in faults[0]


def test_the_command_prints_writes_and_fails_on_faults(tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    check_source({"data.path": "digits"}, workers=1, out=tmp_path / "ok.json", console=console)
    assert json.loads((tmp_path / "ok.json").read_text())["ok"] is True
    with pytest.raises(DataError, match="no/folder cannot be trained on: 1 problem"):
        check_source({"data.path": "no/folder"}, workers=1, out=tmp_path / "bad.json", console=console)
    assert "error: no/folder: no such file" in stream.getvalue()
    assert json.loads((tmp_path / "bad.json").read_text())["ok"] is False


def test_before_training_warnings_are_printed_and_faults_raised(tmp_path: Path) -> None:
    write_digits(tmp_path, "cat/1.png", "dog/1.png", ".ipynb_checkpoints/x.png")
    stream = io.StringIO()
    report = check_images(DataConfig(path=str(tmp_path)))
    check_for_training(report, Console(file=stream, width=200))
    assert stream.getvalue().startswith("warning: ")
    assert report.inventory.classes == ("cat", "dog")
    (tmp_path / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match="2 problems"):
        check_for_training(check_images(DataConfig(path=str(tmp_path))), Console(file=stream))


def test_class_names_are_no_markup(tmp_path: Path) -> None:
    write_digits(tmp_path, "[bold]cat/1.png", "[dog]/1.png")
    text = printed(check_images(DataConfig(path=str(tmp_path))))
    assert "[bold]cat" in text
    assert "[dog]" in text


def test_the_command_checks_with_the_flags_of_training(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_digits(tmp_path, *[f"cat/{number}.png" for number in range(6)], "dog/1.png")
    (tmp_path / "dog" / "broken.png").write_bytes(b"")
    command = ["check", str(tmp_path), "--skip-unreadable", "--label-count", "6"]
    assert cli.run(command) == 2
    assert "set --label-balance to proportional" in capfd.readouterr().out
    assert cli.run([*command, "--label-balance", "proportional"]) == 0
    assert "can be trained" in capfd.readouterr().out
    assert cli.run(["check", str(tmp_path), "--label-balance", "proportional"]) == 2
    assert "broken.png is empty" in capfd.readouterr().out
    assert cli.run([*command, "--label-balance", "proportionl"]) == 2
    assert "--label-balance must be one of balanced, proportional" in capfd.readouterr().err
