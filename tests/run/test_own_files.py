"""Only files that tutelage wrote are ever deleted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import tutelage
from support.runs import unsealed
from tutelage.core.console import screen
from tutelage.core.errors import RunError
from tutelage.data.images.patches import write_patches
from tutelage.data.scans.mask_folder import mask_files
from tutelage.inference.export.folder import refuse_folder, write_folder
from tutelage.inference.scans.predict import refuse_folder as refuse_masks
from tutelage.results.report.write import refuse_page, report_after_training
from tutelage.run.folder import RunFolder, refuse_existing
from tutelage.run.own_files import CONTENT, FOLDERS, remove_run
from tutelage.training.checkpoint import Checkpoint, save_checkpoint

SETTINGS = {"train.steps": 2, "train.batch_size": 2, "data.label_count": 40, "train.workers": 0}
FOREIGN = (
    *("checkpoints/thesis.docx", "checkpoints/step-best.safetensors", "checkpoints/step-00000099.safetensors"),
    *("tensorboard/notes.txt", "tensorboard/events.out.tfevents.1700000000.host.7.0", "masks/mine.nii.gz"),
    *("cache/scan.npy", "baseline/report.html", "baseline/labels.csv", "finetuned/letter.txt"),
    *("checkpoints/letter.tmp-old", "checkpoints/letter.tmp-7"),
)


def put(run: Path, names: tuple[str, ...] = FOREIGN) -> None:
    for name in names:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)


def kept(run: Path, names: tuple[str, ...] = FOREIGN) -> bool:
    return all((run / name).read_text() == name for name in names)


def test_a_run_that_replaces_another_leaves_the_files_of_others(tmp_path: Path) -> None:
    run = tutelage.train("digits", out=tmp_path / "run", settings=SETTINGS).path
    put(run)
    own = [path for path in run.rglob("*") if path.is_file() and not kept_name(path, run)]
    remove_run(run)
    assert [path for path in own if path.exists()] == [run / ".lock"]
    assert kept(run)
    with pytest.raises(RunError, match="not a run folder"):
        tutelage.train("digits", out=run, settings=SETTINGS, overwrite=True)
    assert kept(run)


def kept_name(path: Path, run: Path) -> bool:
    return path.relative_to(run).as_posix() in FOREIGN


def test_the_overwritten_run_trains_beside_them(tmp_path: Path) -> None:
    run = tutelage.train("digits", out=tmp_path / "run", settings=SETTINGS).path
    few = tuple(name for name in FOREIGN if "baseline" not in name)
    put(run, few)
    again = tutelage.train("digits", out=run, settings=SETTINGS, overwrite=True)
    assert kept(again.path, few)
    assert len(list((run / "tensorboard").glob("*"))) == 3  # one of them its own


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tutelage.train("digits", out=tmp_path_factory.mktemp("own") / "run", settings=SETTINGS).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.mark.parametrize("name", CONTENT)
def test_a_file_of_the_user_with_the_name_of_one_of_a_run_is_never_replaced(name: str, run: Path) -> None:
    (run / name).write_bytes(b"mine")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=f"holds '{name}', which its run did not write|is not a run folder"):
        refuse_existing(run, overwrite=True, reads=())
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    remove_run(run)
    assert name == "config.json" or (run / name).read_bytes() == b"mine"


@pytest.mark.parametrize("kind", ["folder", "link", "broken link"])
def test_what_is_no_file_is_not_that_of_a_run(kind: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    if kind == "folder":
        (run / "report.html").mkdir()
    else:
        (run / "report.html").symlink_to(tmp_path / ("mine.html" if kind == "link" else "gone"))
    with pytest.raises(RunError, match=r"holds 'report.html', which its run did not write"):
        refuse_existing(run, overwrite=True, reads=())
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.parametrize("damaged", ["split.json", "result.json", "metrics.jsonl", "timing.jsonl"])
def test_a_run_with_a_damaged_file_of_its_own_can_be_replaced(damaged: str, run: Path) -> None:
    content = bytearray((run / damaged).read_bytes())
    content[-3] ^= 1
    (run / damaged).write_bytes(content)
    refuse_existing(run, overwrite=True, reads=())
    remove_run(run)
    assert not (run / damaged).exists()


def test_edited_labels_of_a_run_are_kept_and_may_be_given_to_the_run_that_replaces_it(tmp_path: Path) -> None:
    from PIL import Image

    for name in "abcdef":
        (tmp_path / "flat").mkdir(exist_ok=True)
        Image.new("L", (8, 8), ord(name)).save(tmp_path / "flat" / f"{name}.png")
    table = {f"{name}.png": "xy"[name > "c"] for name in "abcdef"}
    words = {"out": tmp_path / "run", "method": "supervised", "settings": SETTINGS | {"data.label_count": None}}
    tutelage.train(str(tmp_path / "flat"), labels=table, **words)
    own = tmp_path / "run" / "labels.csv"
    own.write_text("path,label\na.png,x\nb.png,x\ne.png,y\nf.png,y\n")
    edited = own.read_bytes()
    with pytest.raises(RunError, match=r"holds 'labels.csv', which its run did not write"):
        tutelage.train(str(tmp_path / "flat"), labels=table, overwrite=True, **words)
    assert own.read_bytes() == edited
    tutelage.train(str(tmp_path / "flat"), labels=str(own), overwrite=True, **words)
    assert own.read_bytes() == edited


def test_what_a_new_run_had_written_when_it_was_killed_is_its_own(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with RunFolder.create(run) as folder:
        folder.clear()
        put(run, ("labels.csv", "split.json", "backbone.safetensors", "views.png"))
        folder._made = []  # as if it had been killed here
    (run / ".lock").touch()
    refuse_existing(run, overwrite=False, reads=())
    remove_run(run)
    assert [path.name for path in run.iterdir()] == [".lock"]


def test_a_report_after_a_resume_does_not_replace_a_page_of_the_user(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "report.html").write_text("mine")
    report_after_training(run, screen())
    assert (run / "report.html").read_text() == "mine"
    assert "was not written by tutelage" in " ".join(capsys.readouterr().out.split())


def test_a_page_beside_a_table_replaces_pages_of_tutelage_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    (tmp_path / "own.html").write_text("<footer>Made by tutelage 0.1.</footer>")
    with pytest.raises(RunError, match=r"mine.html was not written by tutelage, so it is never replaced"):
        refuse_page(tmp_path / "mine.html", overwrite=True, reads=())
    refuse_page(tmp_path / "own.html", overwrite=True, reads=())


def test_a_folder_that_no_export_wrote_is_never_replaced(tmp_path: Path) -> None:
    names = ("README.md", "config.json", "model.safetensors")
    (tmp_path / "mine").mkdir()
    for name in names:
        (tmp_path / "mine" / name).write_text('{"model_type": "bert"}')
    with pytest.raises(RunError, match="was not exported by tutelage"):
        refuse_folder(tmp_path / "mine", names, overwrite=True, reads=())
    write_folder(tmp_path / "own", b"weights", {"data": {"classes": []}}, "card")
    refuse_folder(tmp_path / "own", names, overwrite=True, reads=())
    (tmp_path / "own" / "README.md").write_text("my own words")
    with pytest.raises(RunError, match=r"README.md was changed since it was exported"):
        refuse_folder(tmp_path / "own", names, overwrite=True, reads=())


@pytest.mark.parametrize("table", [b"case,label\n1,x\n", b"", b"patient,mask\n1,a.png\n"])
def test_a_folder_with_a_table_of_cases_of_the_user_takes_no_masks(table: bytes, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes(table)
    with pytest.raises(RunError, match=r"holds no cases\.csv of earlier masks"):
        refuse_masks(tmp_path, overwrite=True, reads=())
    assert not mask_files(tmp_path)


def test_saving_never_deletes_a_file_that_the_manifest_does_not_list(tmp_path: Path) -> None:
    put(tmp_path, ("step-best.safetensors", "step-00000009.safetensors"))
    for step in range(5):
        save_checkpoint(tmp_path, Checkpoint(step, {"weight": torch.zeros(2)}, {}))
    assert kept(tmp_path, ("step-best.safetensors", "step-00000009.safetensors"))
    assert len(list(tmp_path.glob("*.safetensors"))) == 4


def test_a_checkpoint_that_was_written_before_a_kill_is_deleted_later(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, Checkpoint(step, {"weight": torch.zeros(2)}, {}))
    manifest = unsealed(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "other": ["step-00000003.safetensors"]}))
    put(tmp_path, ("step-00000003.safetensors",))
    for step in (4, 5):
        save_checkpoint(tmp_path, Checkpoint(step, {"weight": torch.zeros(2)}, {}))
    assert sorted(path.name for path in tmp_path.glob("*.s*")) == [f"step-0000000{step}.safetensors" for step in (4, 5)]


@pytest.mark.parametrize("names", [("config.json", "labels.csv"), (".lock", "labels.csv"), (".lock", "report.html")])
def test_a_folder_of_another_program_is_no_run(names: tuple[str, ...], tmp_path: Path) -> None:
    put(tmp_path / "model", names)
    (tmp_path / "model" / names[0]).write_text('{"model_type": "bert"}')
    with pytest.raises(RunError, match="is not a run folder"):
        tutelage.train("digits", out=tmp_path / "model", settings=SETTINGS, overwrite=True)
    assert kept(tmp_path / "model", names[1:])


def test_a_demo_does_not_take_a_folder_of_photos_for_its_patches(tmp_path: Path) -> None:
    put(tmp_path / "photos", ("train/cat/001.png", "holiday.jpg"))
    with pytest.raises(RunError, match="give another folder"):
        write_patches(tmp_path / "photos", train=1, test=1)
    assert kept(tmp_path / "photos", ("train/cat/001.png", "holiday.jpg"))


def test_a_demo_replaces_its_own_patches(tmp_path: Path) -> None:
    for _ in range(2):
        write_patches(tmp_path / "photos", train=1, test=1)
    assert len(list((tmp_path / "photos" / "train").rglob("*.png"))) == 8


@pytest.mark.parametrize("name", [*FOLDERS, "baseline/checkpoints", "finetuned/tensorboard"])
@pytest.mark.parametrize("started", [False, True])
def test_nothing_is_written_through_a_link_in_the_place_of_a_folder_of_a_run(
    name: str, started: bool, finished: Path, tmp_path: Path
) -> None:
    run, foreign = tmp_path / "run", tmp_path / "foreign"
    shutil.copytree(finished, run)
    if started:  # as if it had been killed before its first step
        (run / "config.json").unlink()
        (run / "checkpoints" / "manifest.json").touch()
    foreign.mkdir()
    (foreign / "manifest.json").write_text("of another program")
    shutil.rmtree(run / name, ignore_errors=True)
    (run / name).parent.mkdir(exist_ok=True, parents=True)
    (run / name).symlink_to(foreign)
    before = sorted(run.rglob("*"))
    with pytest.raises(RunError, match=f"{run / name} is a link, and a new run would write where it leads"):
        if name == "checkpoints":
            tutelage.train("digits", out=run, settings=SETTINGS, overwrite=True)
        refuse_existing(run, overwrite=True, reads=())
    assert sorted(run.rglob("*")) == before
    assert [(file.name, file.read_text()) for file in foreign.iterdir()] == [("manifest.json", "of another program")]
