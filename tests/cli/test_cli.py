"""The manners of the command line: help, mistyped words, exit codes, and what it leaves alone."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.starter import Started, Starter
from tutelage import __version__, cli, config
from tutelage.config import options
from tutelage.methods import METHODS

COMMANDS = (
    *("check", "train", "compare", "evaluate", "predict", "show", "report", "export"),
    *("methods", "import-weights", "demo", "demo-3d"),
)
BRIEF = ["--steps", "4", "--batch-size", "4", "--device", "cpu", "--network", "wrn-10-1", "--checkpoint-every", "4"]
PYTHON = [sys.executable, "-c"]
SCRIPT = Path(sys.executable).with_name("tutelage")


def photos(root: Path, each: int = 4) -> Path:
    """Class folders of small color images."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "unlabeled"):
        (root / name).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(root / name / f"{number}.png")
    return root


def tree(root: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, time and content of everything below a folder."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(root.rglob("*"))
    }


def user_seconds(command: list[str]) -> tuple[float, str]:
    """Processor time of a command, and what it printed; it must end with 0 or 2."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = process.stdout.read().decode()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 2), said
    return usage.ru_utime, said


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_is_short_and_has_an_example(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run([command, "--help"]) == 0
    text = capfd.readouterr().out
    assert text.startswith(f"Usage: tutelage {command}")
    assert f"Example: tutelage {command}" in text
    assert len(text.splitlines()) <= {"train": 80, "compare": 80, "predict": 40}.get(command, 30)
    for clutter in (
        "[ARGS]",
        "[default: None]",
        "[default: False]",
        "--flags",
        "--no-overwrite",
        "NoneType",
        "MISSING",
    ):
        assert clutter not in text


def test_the_help_lists_all_commands_in_the_order_of_their_use(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    text = capfd.readouterr().out
    places = [text.index(f"│ {command} ") for command in COMMANDS]
    assert places == sorted(places)
    assert "Example: tutelage train" in text
    assert cli.run([]) == 0
    assert capfd.readouterr().out == text


def test_the_help_of_train_shows_the_usual_settings_first_and_each_default_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    cli.run(["train", "--help"])
    text = " ".join(capfd.readouterr().out.replace("│", " ").split())
    assert text.index("Common settings") < text.index(" Data ") < text.index("Device and logging") < text.index(" Run ")
    usual = text[text.index("Common settings") : text.index(" Data ")]
    for flag, default in (
        ("--method", "auto"),
        ("--batch-size", "as in the preset"),
        ("--seed", "0"),
        ("--network", "as in the preset"),
    ):
        own = usual[usual.index(f"{flag} ") :].partition(" --")[0]
        assert own.count(f"[default: {default}]") == 1
        assert own.count("[default") == 1
    assert text.count("Usage: tutelage train DATA --out RUN") == 1


def test_the_version_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capfd.readouterr().out.strip() == f"tutelage {__version__}"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("--help", "Usage: tutelage COMMAND"),
        ("train --help", "--unlabeled-ratio FLOAT"),
        ("train photos --out a --stpes 5", "did you mean '--steps'?"),
        ("train photos --out a --optimizer.lrr 5", "did you mean '--optimizer.lr'?"),
        ("train photos --out a --lr 5", "did you mean '--optimizer.lr'?"),
        ("predict a b --ouput c", "did you mean '--out'?"),
        ("evalute a b", "did you mean 'evaluate'?"),
        ("train photos", "specify the run folder to create: --out runs/a"),
    ],
)
def test_help_and_mistyped_words_are_answered_without_torch(words: str, answer: str) -> None:
    code = f"import sys; from tutelage import cli; code = cli.run({words.split()!r})\n"
    code += "assert code == (0 if '--help' in sys.argv[1] else 2), code\n"
    code += "heavy = {'torch', 'numpy', 'PIL', 'pandas', 'scipy', 'torchvision'} & set(sys.modules)\n"
    code += "assert not heavy, heavy"
    done = subprocess.run([*PYTHON, code, words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert answer in done.stdout + done.stderr


def test_the_installed_command_answers_fast() -> None:
    if not SCRIPT.exists():
        pytest.skip("the package is not installed beside this Python")
    for words, answer in (("--help", "Usage:"), ("train --stpes 5", "did you mean '--steps'?")):
        seconds, said = min((user_seconds([str(SCRIPT), *words.split()]) for _ in range(3)), key=lambda run: run[0])
        assert answer in said
        assert seconds < 1.5  # about 0.15 on a quiet machine; importing torch alone takes 2


def ended(process: Started) -> tuple[int | None, str, str]:
    """Exit code and what was written."""
    out, error = process.communicate()
    return process.returncode, out, error


def check_refusal(code: int | None, out: str, error: str) -> None:
    assert code == 2, error
    assert "Traceback" not in error + out
    assert "\x1b" not in error + out
    assert error.count("\n") == 1
    assert error.startswith("tutelage: ")


@pytest.mark.long
def test_the_installed_command_refuses_in_one_line(starter: Starter, tmp_path: Path) -> None:
    if not SCRIPT.exists():
        pytest.skip("the package is not installed beside this Python")
    odd = os.fsencode(tmp_path / "nowhere") + b"\xff\n\x1b[31m"
    for words in (
        [b"check", odd],
        [b"evaluate", odd, b"digits"],
        [b"train", b"digits", b"--out", os.fsencode(tmp_path), b"--steps", b"1.5"],
        [b"train", odd, b"--out", odd],
    ):
        check_refusal(*ended(starter.start(SCRIPT, *words)))
    done = subprocess.run([os.fsencode(SCRIPT), *words], capture_output=True, timeout=120)
    check_refusal(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_ends_with_1_and_asks_for_a_report() -> None:
    code = "from tutelage import cli\n@cli.app.command\ndef broken() -> None:\n    1 / 0\ncli.main(['broken'])"
    done = subprocess.run([*PYTHON, code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "this is a bug in tutelage; please report it" in done.stderr


def test_an_interruption_outside_of_training_ends_with_130() -> None:
    code = "from tutelage import cli\n@cli.app.command\ndef stop() -> None: raise KeyboardInterrupt\ncli.main(['stop'])"
    done = subprocess.run([*PYTHON, code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "tutelage: interrupted\n")


@pytest.mark.long
def test_a_reader_that_goes_away_is_no_fault() -> None:
    code = "import time; from tutelage import cli; time.sleep(0.5); cli.main(['methods', 'mean-teacher'])"
    process = subprocess.Popen([*PYTHON, code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), said) == (141, b"")


@pytest.mark.long
def test_a_warning_of_ours_is_one_line(starter: Starter, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    command = ["train", str(photos(tmp_path / "photos")), "--out", run, *BRIEF[:-1], "2"]
    assert cli.run(command) == 0
    newest = tmp_path / "run" / "checkpoints" / "step-00000004.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    code, _, error = ended(starter.start("-m", "tutelage", "predict", run, "digits", "--out", tmp_path / "p.csv"))
    assert code == 0
    assert error.startswith("tutelage: warning: damaged: step-00000004.safetensors")
    assert error.count("\n") == 1


def test_a_lack_of_memory_ends_with_2_and_says_what_to_lower() -> None:
    code = (
        "from tutelage import cli\n@cli.app.command\ndef large() -> None:\n    bytearray(1 << 62)\ncli.main(['large'])"
    )
    done = subprocess.run([*PYTHON, code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        "tutelage: out of memory: lower the batch size or the image size, or choose a smaller network\n"
    )


def test_no_command_writes_into_the_data(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = photos(tmp_path / "photos")
    for folder in (data, *data.iterdir()):
        folder.chmod(0o555)
    before, run, out = tree(data), str(tmp_path / "run"), str(tmp_path)
    for command in (
        ["check", str(data)],
        ["train", str(data), "--out", run, *BRIEF],
        ["evaluate", run, str(data), "--out", f"{out}/metrics.json"],
        ["predict", run, str(data), "--out", f"{out}/predictions.csv"],
        ["show", str(data), "--out", f"{out}/views.png", "--images", "2", "--draws", "2"],
    ):
        assert cli.run(command) == 0, capfd.readouterr().err
        assert tree(data) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("metrics.json", "photos", "predictions.csv", "run", "views.png"),
    ]
    for folder in (data, *data.iterdir()):
        folder.chmod(0o755)


@pytest.mark.long
def test_a_name_that_the_terminal_cannot_show_is_no_reason_to_stop(starter: Starter, tmp_path: Path) -> None:
    odd = photos(tmp_path / "photos").rename(tmp_path / os.fsdecode("photos-猫-".encode() + b"\xff"))
    for encoding in ("ascii", "utf-8"):
        process = starter.start("-m", "tutelage", "check", odd, env={**os.environ, "PYTHONIOENCODING": encoding})
        code, out, error = ended(process)
        assert code == 0, error
        assert "The data can be trained on." in out


def test_no_help_text_of_a_setting_speaks_python() -> None:
    settings = [*config.SECTIONS.items(), *(("method", method.Config) for method in METHODS)]
    texts = {option.name: option.help for section, cls in settings for option in options.options(cls, f"{section}.")}
    assert len(texts) > 100
    assert not {name: text for name, text in texts.items() if re.search(r"\bNone\b|^that |^of [a-z-]+: ", text)}


def test_names_of_presets_and_settings_are_printed_whole(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["methods", "fixmatch"]) == 0
    assert "--method.unlabeled-weight" in capfd.readouterr().out
    for width in (30, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        assert cli.run(["methods", "presets"]) == 0
        lines = capfd.readouterr().out.splitlines()
        assert set(config.preset_names()) <= set(lines)
        assert max(map(len, lines)) <= 80
        for name in ("remixmatch", "settings"):
            assert cli.run(["methods", name]) == 0
            assert "…" not in capfd.readouterr().out


def test_methods_lists_what_there_is_and_explains_each(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["methods"]) == 0
    listed = capfd.readouterr().out
    for name in ("mean-teacher", "supervised", "presets"):
        assert name in listed
        assert cli.run(["methods", name]) == 0
        assert len(capfd.readouterr().out.splitlines()) > 5


def test_a_wrong_choice_names_the_choices(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["report", "runs/a", "--format", "pdf"]) == 2
    assert capfd.readouterr().err == "tutelage: --format must be one of html, md, got 'pdf'\n"
    assert cli.run(["report", "runs/a", "--overwrite=perhaps"]) == 2
    assert capfd.readouterr().err == "tutelage: --overwrite takes no value, got 'perhaps'\n"


def test_names_of_files_that_start_with_a_hyphen_are_no_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(Path("-P4"))
    for folder in ("--more", "-r", "-1"):
        Path(folder).mkdir()
    for words in (["check", "-P4"], ["check", "--unlabeled", "-P4", "-P4"], ["check", "--", "-P4"]):
        assert cli.run(words) == 0
        assert "train: ./-P4 (class folders)" in capfd.readouterr().out or words[1] == "--"
    assert cli.run(["train", "-P4", "--out", "-P4", *BRIEF]) == 2
    assert "-P4 exists and is not a run folder" in capfd.readouterr().err
    assert cli.run(["check", "-P5"]) == 2
    assert "unknown option -P5" in capfd.readouterr().err
    assert cli.run(["check", "-P4", "--more"]) == 2  # a folder, where an option is more likely
    assert "./--more' is one argument too many" in capfd.readouterr().err
    assert cli.run(["train", "-P4", "--out", "x", "--seed", "-1"]) == 2
    assert "--seed must be" in capfd.readouterr().err
    assert cli.run(["check", "--help"]) == 0


@pytest.mark.skipif(find_spec("pydantic") is None, reason="pydantic is not installed")
def test_values_are_refused_in_our_words_where_pydantic_is_loaded(capfd: pytest.CaptureFixture[str]) -> None:
    import pydantic

    assert cli.run(["train", "digits", "--out", "runs/a", "--steps", "1.5"]) == 2
    assert "--steps must be an integer, got '1.5'" in capfd.readouterr().err
    assert sys.modules["pydantic"] is pydantic


def test_check_takes_the_channels_that_train_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "digits", "--channels", "1"]) == 0
    assert "--channels 1 " in capsys.readouterr().out
    assert cli.run(["check", "digits", "--channels", "17"]) == 2
    assert "--channels must be in [1, 16], got 17" in capsys.readouterr().err
