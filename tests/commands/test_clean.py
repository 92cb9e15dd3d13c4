from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.commands.clean import CleanConfig, examined
from tutelage.config.data import DataConfig
from tutelage.core.console import screen
from tutelage.core.names import from_cell
from tutelage.data.images import survey
from tutelage.data.images.dataset import load_images

HOSTILE = "=cmd('x')<img src=q onerror=alert(1)>\n.png"


def picture(kind: int, seed: int) -> Image.Image:
    """A gray image of 32 pixels: bars, upright or lying, with blobs of its own."""
    draw = np.random.default_rng(seed)
    bars = np.sin(np.arange(32) * 0.9 + draw.uniform(0, 0.6))[:, None] * np.ones(32)
    blobs = np.asarray(Image.fromarray(draw.integers(0, 256, (6, 6), np.uint8)).resize((32, 32)), float)
    return Image.fromarray((64.0 + 32.0 * (bars if kind else bars.T) + 0.5 * blobs).clip(0, 255).astype(np.uint8))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two classes of 30 images and a test split, with one fault of each kind; it must be as before in the end."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "photos"
    for kind, name in enumerate(("lying", "upright")):
        for number in range(30):
            path = root / "train" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(kind, 100 * kind + number).save(path)
        for number in range(4):
            path = root / "test" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(kind, 1000 + 100 * kind + number).save(path)
    train = root / "train"
    picture(0, 1000).save(train / "lying" / "leak.bmp")
    (train / "lying" / "twin.png").write_bytes((train / "lying" / "3.png").read_bytes())
    (train / "upright" / "twin.png").write_bytes((train / "upright" / "5.png").read_bytes())
    picture(1, 999).save(train / "lying" / "wrong.png")
    picture(0, 5).save(train / "upright" / "disputed.bmp")
    Image.new("L", (32, 32), 90).save(train / "upright" / "empty.png")
    (train / "upright" / "damaged.png").write_bytes(b"no image")
    (train / "lying" / HOSTILE).write_bytes((train / "lying" / "7.png").read_bytes())
    before = contents(root)
    yield root
    assert contents(root) == before


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def run(*words: str) -> tuple[int, str]:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = cli.run(list(words))
    return code, said.getvalue()


def rows_of(file: str) -> list[dict[str, str]]:
    with Path(file).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_fault_is_listed_once_under_its_name(photos: Path) -> None:
    code, said = run("clean", "photos", "--out", "faults.csv")
    assert code == 0, said
    rows = rows_of("faults.csv")
    found = {(row["fault"], from_cell(row["path"]), from_cell(row["other"])) for row in rows}
    assert {
        ("same pixels of a test image", "train/lying/leak.bmp", "test/lying/0.png"),
        ("exact copy", "train/lying/twin.png", "train/lying/3.png"),
        ("exact copy", "train/upright/twin.png", "train/upright/5.png"),
        ("same pixels", "train/upright/disputed.bmp", "train/lying/5.png"),
        ("copies with different labels", "train/upright/disputed.bmp", "train/lying/5.png"),
        ("wrong label", "train/lying/wrong.png", ""),
        ("empty", "train/upright/empty.png", ""),
        ("cannot be read", "train/upright/damaged.png", ""),
    } <= found
    assert len(rows) == len({(row["fault"], row["path"]) for row in rows})
    [wrong] = [row for row in rows if row["path"] == "train/lying/wrong.png" and row["fault"] == "wrong label"]
    assert wrong["suggestion"] == "label upright?"
    for line in (
        "same pixels of a test image: 1 (first: train/lying/leak.bmp = test/lying/0.png)",
        "cannot be read: 1 (first: train/upright/damaged.png)",
    ):
        assert line in said.splitlines()


def test_names_are_harmless_in_the_table_the_page_and_on_the_screen(photos: Path) -> None:
    code, said = run("clean", "photos", "--out", "faults.csv", "--cleaned", "list.csv")
    assert code == 0, said
    named = {from_cell(row["path"]) for row in rows_of("faults.csv")} | {
        from_cell(r["path"]) for r in rows_of("list.csv")
    }
    assert f"train/lying/{HOSTILE}" in named
    assert not [line for line in Path("faults.csv").read_text().splitlines() if line.startswith(("=", "+", "@"))]
    page = Path("faults.html").read_text()
    assert "<img src=q" not in page and "&lt;img src=q" in page
    assert "onerror=alert(1)&gt;" in page
    assert not re.search(r"(src|href)=.?https?:", page) and "<script" not in page
    assert page.count("data:image/jpeg;base64,") >= 8
    assert "<img src=q onerror=alert(1)>\n.png" not in said


def test_the_cleaned_list_leaves_out_what_is_wrong_when_train_takes_it(photos: Path) -> None:
    code, said = run("clean", "photos", "--cleaned", "list.csv")
    assert code == 0, said
    assert "Next: tutelage train photos --labels list.csv --out RUN" in said
    data = load_images(DataConfig(path="photos", labels="list.csv", val_share=0.0), seed=0)
    names = set(data.train.names)
    for gone in ("leak.bmp", "twin.png", HOSTILE):
        assert f"train/lying/{gone}" not in names
    for gone in ("twin.png", "disputed.bmp", "empty.png", "damaged.png"):
        assert f"train/upright/{gone}" not in names
    labels = dict(zip(data.train.names, data.train.labels.tolist(), strict=True))
    assert labels["train/lying/wrong.png"] == labels["train/lying/5.png"] == -1  # the second is disputed
    assert labels["train/lying/4.png"] == 0 and labels["train/upright/4.png"] == 1
    assert data.test_count == 8
    assert run("check", "photos", "--labels", "list.csv")[0] == 0
    kept = {row["path"]: row for row in rows_of("list.csv")}
    assert kept["train/lying/wrong.png"]["note"].startswith("was lying; wrong label: label upright?")
    assert kept["train/lying/leak.bmp"]["leave_out"] == "same pixels of a test image: test/lying/0.png"


def test_a_cell_that_is_emptied_brings_an_image_back(photos: Path) -> None:
    assert run("clean", "photos", "--cleaned", "list.csv")[0] == 0
    rows = rows_of("list.csv")
    with Path("mine.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        for row in rows:
            own = {"leave_out": "", "label": "lying"} if row["path"].endswith("lying/twin.png") else {}
            writer.writerow(row | own)
    data = load_images(DataConfig(path="photos", labels="mine.csv"), seed=0)
    assert "train/lying/twin.png" in data.train.names


def test_test_images_elsewhere_are_compared_too(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "more" / "upright").mkdir(parents=True)
    picture(1, 109).save(tmp_path / "more" / "upright" / "leaked.bmp")
    found = tutelage.clean("photos/train", test="more", cleaned="list.csv")
    leaks = found[found["fault"].str.endswith("of a test image")]
    assert leaks["path"].tolist() == ["upright/9.png"]
    assert leaks["other"].tolist() == ["more/upright/leaked.bmp"]
    assert not [row for row in rows_of("list.csv") if row["path"].startswith("more")]
    assert run("check", "photos/train", "--labels", "list.csv", "--test", "more")[0] == 0


def test_in_python_the_same_table_is_returned_and_nothing_is_printed(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tutelage.clean(photos, out="faults.csv", cleaned="list.csv")
    assert list(found.columns) == ["path", "fault", "other", "score", "suggestion"]
    assert len(found) == len(rows_of("faults.csv"))
    assert Path("faults.html").exists() and Path("list.csv").exists()
    assert capsys.readouterr().out == ""


def test_a_pile_without_labels_is_looked_at_too(photos: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number in range(25):
        picture(0, number).save(flat / f"{number}.png")
    picture(0, 3).save(flat / "copy.bmp")
    code, said = run("clean", "flat")
    assert code == 0, said
    assert "no labels: images are compared with all others" in said
    assert "same pixels: 1 (first: copy.bmp = 3.png)" in said
    assert "tutelage clean flat --out faults.csv --cleaned cleaned.csv" in " ".join(said.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat", "photos"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["photos", "--out", "faults.txt"], "the name must end in .csv"),
        (["photos", "--cleaned", "list.json"], "the name must end in .csv"),
        (["photos", "--out", "none/faults.csv"], "there is no folder"),
        (["photos", "--out", "taken.csv"], "taken.csv exists; name another file"),
        (["photos", "--cleaned", "taken.csv"], "taken.csv exists; name another file"),
        (["photos", "--out", "page.csv"], "page.html exists; name another file"),
        (["photos", "--out", "a.csv", "--cleaned", "a.csv"], "--out and --cleaned are the same file"),
        (["digits", "--cleaned", "a.csv"], "digits is no folder of images: --cleaned writes a label table"),
        (["photos", "--run", "runs/none"], "runs/none"),
        (["photos", "--test", "no/such"], "no/such: no such file or folder"),
        (["photos", "--labels", "no.csv"], "no.csv: no such file"),
        (["photos", "--workers", "-1"], "--workers must be in [0, 256]"),
        (["photos", "--outt", "a.csv"], "did you mean '--out'"),
    ],
)
def test_wrong_inputs_are_refused_and_nothing_is_written(photos: Path, words: list[str], message: str) -> None:
    for name in ("taken.csv", "page.html"):
        Path(name).write_text("mine")
    before = sorted(Path().iterdir())
    code, said = run("clean", *words)
    assert code == 2, said
    assert message in said and "Traceback" not in said
    assert sorted(Path().iterdir()) == before
    assert Path("taken.csv").read_text() == Path("page.html").read_text() == "mine"


def test_each_image_is_decoded_once_and_again_only_to_compare_it_with_its_copy(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[bytes] = Counter()
    decode = survey.decode_image

    def counting(content: bytes, **more: Any) -> Any:
        decoded[bytes(content)] += 1
        return decode(content, **more)

    monkeypatch.setattr(survey, "decode_image", counting)
    for _ in range(2):  # also if all features are known
        decoded.clear()
        examined(CleanConfig(data=str(photos)), screen(quiet=True))
        files = Counter(path.read_bytes() for path in photos.rglob("*") if path.is_file())
        often = {content: count - files[content] for content, count in decoded.items()}
        assert set(decoded) == set(files) and sum(count > 0 for count in often.values()) <= 6
        assert min(often.values()) == 0
