"""What the README and the docs tell people to type: every command is parsed, and is run or has its settings resolved.

Commands that are cheap on a few tiny images are run (`ON_PHOTOS`, `ON_SCANS`), and so are those on own code (`ON_OWN`).
All others are given to the command line in a folder that lacks their data: they must get as far as missing it, which
resolves and checks all of their settings.
"""

from __future__ import annotations

import ast
import importlib
import io
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from support.runs import unsealed
from tutelage import cli
from tutelage.methods import ADDITIONS, METHODS

ROOT = Path(__file__).parents[1]
OWN_CODE = ROOT / "docs" / "own-code.md"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
METHOD_PAGES = sorted(path for path in (ROOT / "docs" / "methods").glob("*.md") if path.name != "README.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NOT_RUN = re.compile(r"<!-- not run: .+? -->\n```\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHORT = ("--steps", "2", "--device", "cpu", "--no-report")
SEEN_IN_MINUTES = {
    "compare digits --methods supervised,mean-teacher,fixmatch --label-counts 20,100 --seeds 3 --steps 300 "
    "--presets digits --jobs 2 --out cmp/": "18 trainings; tests/results/compare runs smaller ones on the same data",
    "train digits --label-count 40 --method fixmatch --preset fixmatch-digits --baseline --out runs/digits": (
        "two trainings of 30 minutes; tests/commands/test_demo.py trains with this preset"
    ),
}
"""Commands that would run here, since their data is in the package, but take too long."""

ON_PHOTOS = (
    "check photos/ --labels labels.csv",
    "clean photos/ --labels labels.csv --out faults.csv --cleaned cleaned.csv",
    "show photos/ --labels labels.csv --out views.png",
    "train photos/ --labels labels.csv --test photos-test/ --out runs/a --budget 30m --baseline",
    "train --resume runs/a",
    "evaluate runs/a photos-test/ --out metrics.json",
    "predict runs/a new/ --out predictions.csv",
    "train photos/ --labels labels.csv --out runs/b --init-from runs/a",
    "report runs/a runs/b --out report.html",
    "pretrain photos/ --out runs/moco --budget 1h",
    "embed runs/moco photos/ --labels labels.csv --out embeddings.csv --report map.html",
    "train photos/ --labels labels.csv --out runs/c --init-from runs/moco",
    "compare photos/ --labels labels.csv --test photos-test/ --methods supervised,fixmatch --out cmp/ --list",
    "methods",
    "methods fixmatch",
    "methods presets",
    "methods settings",
    "methods fixmatch-digits",
)
ON_OWN = (
    "train digits --label-count 40 --out runs/own --method own_method:SoftThreshold --method.sharpness 4",
    "train digits --label-count 40 --out runs/net --method mean-teacher --network own_network:PlainNet "
    "--network.width 48",
    "train digits --label-count 40 --out runs/scores --method supervised --metrics my_scores:brier",
    "methods own_method:SoftThreshold",
    "methods own_network:PlainNet",
    "compare digits --methods supervised,own_method:SoftThreshold --label-counts 40 --seeds 3 --steps 400 --out cmp/",
)
"""Commands in a folder with the examples and `my_scores.py` of docs/own-code.md."""

ON_SCANS = (
    "check scans/",
    "train scans/ --out runs/la --budget 15m",
    "predict runs/la new/ --out masks/",
)
FOREIGN = {"--index-url", "--nproc-per-node", "--max-restarts", "--size", "--speed", "--timm-draws"}
FOREIGN |= {"--nnodes", "--rdzv-backend", "--rdzv-endpoint", "--standalone"}
FOREIGN |= {"--config_file", "--dataset_dir", "--output_dir"}
FOREIGN |= {"--model-repository", "--model_path", "--model_name", "--rest_port"}
FOREIGN |= {"--nodes", "--ntasks-per-node", "--gpus-per-node", "--cpus-per-task", "--time", "--signal", "--requeue"}
FOREIGN |= {"--append", "--backend-store-uri", "--repo-type"}
"""Flags of other programs, such as benchmarks, torchrun and sbatch, that the pages mention."""

EXAMPLES = ("own_method:SoftThreshold", "own_network:PlainNet")
FILES = {"--train.list", "--train.csv", "--data.npz"}
"""Names of files that look like settings."""


def commands() -> dict[str, Path]:
    """Each documented command, without comments, and a page that has it."""
    found: dict[str, Path] = {}
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text()):
            for words in _statements(text) if language in ("", "bash", "sh") else ():
                found.setdefault(shlex.join(words), page)
    return found


def _statements(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").splitlines():
        for statement in line.split("; do "):
            if not re.search(r"(^|[ /])tutelage ", statement):
                continue
            words = shlex.split(statement.replace("$seed", "0"), comments=True)
            start = next((n for n, word in enumerate(words) if word.rpartition("/")[2] == "tutelage"), len(words))
            words = words[start + 1 :]
            if words:
                yield words[: words.index(">")] if ">" in words else words


def run(words: list[str]) -> tuple[int, str]:
    """Exit code, and what a command wrote."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = cli.run(words)
    return code, said.getvalue()


def not_to_run() -> set[str]:
    """The commands in blocks that say why they are not run."""
    return {
        shlex.join(words) for page in PAGES for text in NOT_RUN.findall(page.read_text()) for words in _statements(text)
    }


def flags_of(command: str) -> set[str]:
    return {name for argument in cli.app[command].assemble_argument_collection() for name in argument.names}


@pytest.fixture
def dotted(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The flags of all settings, of all methods and of the examples too, as `tutelage methods` lists them."""
    monkeypatch.setenv("COLUMNS", "300")
    methods = re.findall(r"^│ ([\w-]+)", run(["methods"])[1], re.MULTILINE)
    pages = "".join(run(["methods", word])[1] for word in ("settings", *methods, *EXAMPLES))
    return set(re.findall(r"--[a-z]+\.[a-z0-9.-]+", pages))


def image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def python_blocks(page: Path) -> list[str]:
    return [text for language, text in FENCE.findall(page.read_text()) if language == "python"]


@pytest.fixture
def own_code(workplace: Path) -> Iterator[Path]:
    """A folder with the examples and the metric of docs/own-code.md, as its reader has it."""
    for example in (ROOT / "examples").glob("*.py"):
        shutil.copy(example, workplace)
    (metric,) = (text for text in python_blocks(OWN_CODE) if "def brier" in text)
    (workplace / "my_scores.py").write_text(metric)
    before = set(sys.modules)
    yield workplace
    for name in {"own_method", "own_network", "my_scores"} - before:
        sys.modules.pop(name, None)


def test_every_command_that_is_run_here_is_in_the_docs() -> None:
    known = set(commands())
    assert not {*ON_PHOTOS, *ON_SCANS, *ON_OWN, *SEEN_IN_MINUTES} - known
    assert len(known) > 50


@pytest.mark.long
def test_the_commands_on_photos_run(workplace: Path) -> None:
    for number in range(12):
        image(workplace / "photos" / f"{number}.png", number)
        image(workplace / "new" / f"{number}.png", 100 + number)
        image(workplace / "photos-test" / ("cat" if number % 2 else "dog") / f"{number}.png", 200 + number)
    rows = [f"{number}.png,{'cat' if number % 2 else 'dog'}" for number in range(4)]
    (workplace / "labels.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    for command in ON_PHOTOS:
        code, said = run(shortened(command))
        assert code == 0, f"tutelage {command}\n{said}"


@pytest.mark.long
def test_the_commands_on_scans_run(workplace: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    for number in range(3):
        scan = np.random.default_rng(number).normal(size=(32, 32, 32)).astype(np.float32)
        mask = np.zeros((32, 32, 32), np.uint8)
        mask[8:20, 8:20, 8:20] = 1
        for folder, array in (("scans/images", scan), ("scans/labels", mask), ("new", scan)):
            if folder == "scans/labels" and number == 2:
                continue
            (workplace / folder).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), workplace / folder / f"{number}.nii.gz")
    for command in ON_SCANS:
        code, said = run(shortened(command))
        assert code == 0, f"tutelage {command}\n{said}"
    assert len(list((workplace / "masks").glob("*.nii.gz"))) == 3


@pytest.mark.long
def test_the_commands_on_own_code_run(own_code: Path) -> None:
    for command in ON_OWN:
        words = [*command.split(), "--list"] if command.startswith("compare") else shortened(command)
        code, said = run(words)
        assert code == 0, f"tutelage {command}\n{said}"


def test_the_flags_on_the_page_on_own_code_are_those_of_the_example(
    own_code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = re.findall(r"^│.*│$", OWN_CODE.read_text(), re.MULTILINE)
    said = run(["methods", EXAMPLES[0]])[1].splitlines()
    assert shown and shown == [line for line in said if line.startswith("│")]


def test_the_settings_on_the_page_on_own_code_are_those_that_a_run_records(own_code: Path) -> None:
    (shown,) = (text for language, text in FENCE.findall(OWN_CODE.read_text()) if language == "json")
    assert run(shortened(ON_OWN[0]))[0] == 0
    settings = unsealed(own_code / "runs" / "own" / "config.json")["settings"]
    assert json.loads("{" + shown + "}")["method"] == settings["method"]


def test_the_python_example_on_own_code_runs(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(own_code))
    (example,) = (text for text in python_blocks(OWN_CODE) if "tutelage.train(" in text)
    scope: dict[str, Any] = {}
    exec(compile(example.replace("steps=400", "steps=2"), "own-code.md", "exec"), scope)
    settings = scope["run"].config["settings"]
    assert settings["train"]["steps"] == 2
    assert settings["method"]["name"] == "own_method:SoftThreshold"
    assert "brier" in scope["run"].metrics["test"]["teacher"]


def test_the_errors_of_the_page_on_own_code_are_those_that_come(own_code: Path) -> None:
    text = OWN_CODE.read_text().split("## Errors")[1]
    said = re.findall(r"^tutelage: (.+)$", text, re.MULTILINE)
    own = ["--method", "own_method:SoftThreshold"]
    for words in (
        ["--method", "own_methods:SoftThreshold"],
        ["--method", "own_method:SoftTreshold"],
        ["--network", "own_method:SoftThreshold"],
        [*own, "--method.sharpnes", "4"],
        [*own, "--method.sharpness", "high"],
    ):
        code, error = run(["train", "digits", "--out", "runs/a", *words])
        assert code == 2
        assert error.removeprefix("- loading PyTorch\n").removeprefix("tutelage: ").strip() == said.pop(0)
    assert not said


def shortened(command: str) -> list[str]:
    """A command, with a training cut to two steps, and with batches of few images."""
    words = command.split()
    if words[0] == "compare":
        return [*words, "--batch-size", "4"]
    if words[0] not in ("train", "pretrain") or "--resume" in words:
        return words
    if "--budget" in words:
        del words[words.index("--budget") : words.index("--budget") + 2]
    extra = ["--batch-size", "4", "--method.queue-size", "16"] if words[0] == "pretrain" else []
    return [*words, *SHORT, *extra]


@pytest.mark.long
def test_all_other_commands_miss_nothing_but_their_data(workplace: Path) -> None:
    for folder in ("docs", "scans/images"):
        (workplace / folder).mkdir(parents=True)
    (workplace / "scans" / "images" / "damaged.nii.gz").write_bytes(b"no scan")
    (workplace / "mine.toml").write_text("[optimizer]\nlr = 0.1\n")
    left_out = {*ON_PHOTOS, *ON_SCANS, *ON_OWN, *SEEN_IN_MINUTES, *not_to_run()}
    wrong = []
    for command, page in commands().items():
        if command in left_out:
            continue
        words = shlex.split(command)
        code, said = run(words)
        missing = [word.rstrip("/") for word in words[1:] if not word.startswith("-") and re.search(r"[/.]", word)]
        if code != 2 or not any(path in said for path in missing) or re.search(r"unknown|[Dd]id you mean", said):
            wrong.append(f"{page.relative_to(ROOT)}: tutelage {command}\n{said}")
    assert not wrong, "\n".join(wrong)


def test_every_command_parses() -> None:
    for command in {*SEEN_IN_MINUTES, *not_to_run()}:
        words = [word for word in shlex.split(command) if "." not in word or not word.startswith("--")]
        cli.app.parse_args(words, exit_on_error=False, print_error=False)


def test_every_flag_and_setting_that_a_page_mentions_exists(dotted: set[str]) -> None:
    short = {flag for command in cli.app if not command.startswith("-") for flag in flags_of(command)}
    groups = {flag.rpartition(".")[0] for flag in dotted}
    known = short | dotted | groups | FOREIGN | FILES | {"--help", "--version", "--cache", "--memory-limit"}
    sections = {flag[2:].partition(".")[0] for flag in dotted}
    assert len(dotted) > 100
    wrong = []
    for page in PAGES:
        text = page.read_text()
        text = re.sub(
            r"^tutelage: unknown setting .*$", "", text, flags=re.M
        )  # an error message, which another test makes
        spans = [*(code for language, code in FENCE.findall(text)), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]
        flags = {flag for span in spans for flag in re.findall(r"(?<![\w-])--[a-z][\w.-]*[a-z0-9](?![\w.])", span)}
        for span in spans:  # `optimizer.decay_all`, without dashes
            if re.fullmatch(r"[a-z]+(\.[a-z0-9_]+)+", span) and span.partition(".")[0] in sections:
                flags.add(f"--{span.replace('_', '-')}")
        wrong += [f"{page.relative_to(ROOT)}: {flag}" for flag in sorted(flags - known)]
    assert not wrong, "\n".join(wrong)


def test_every_command_that_a_sentence_mentions_exists() -> None:
    known = {*cli.app}
    for page in PAGES:
        for span in re.findall(r"`tutelage ([^`]+)`", FENCE.sub("", page.read_text())):
            word = span.split()[0]
            assert word in known or word in ("COMMAND", "..."), f"{page.relative_to(ROOT)}: tutelage {span}"
            flags = set(re.findall(r"(?<!\S)--[a-z][a-z-]*(?![\w.-])", span))
            if word in known and not word.startswith("-"):
                assert flags <= flags_of(word) | {"--help"}, f"{page.relative_to(ROOT)}: tutelage {span}"


def test_the_python_examples_name_what_there_is() -> None:
    checked = 0
    for page in PAGES:
        for text in python_blocks(page):
            for call in ast.walk(ast.parse(text)):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                    continue
                if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "tutelage"):
                    continue
                name = call.func.attr
                assert name in tutelage.__all__, f"{page.relative_to(ROOT)}: tutelage.{name}"
                if name in ("train", "pretrain"):
                    known = {flag.removeprefix("--").replace("-", "_") for flag in flags_of(name)}
                    unknown = {word.arg for word in call.keywords} - known - {"settings", "config_file", "quiet"}
                    assert not unknown, f"{page.relative_to(ROOT)}: tutelage.{name}({unknown})"
                checked += 1
    assert checked > 10


def test_the_python_examples_import_what_there_is() -> None:
    checked = 0
    for page in PAGES:
        for text in python_blocks(page):
            for statement in ast.walk(ast.parse(text)):
                if not (isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("tutelage")):
                    continue
                module = importlib.import_module(str(statement.module))
                for alias in statement.names:
                    assert hasattr(module, alias.name), f"{page.relative_to(ROOT)}: {statement.module}.{alias.name}"
                    checked += 1
    assert checked > 4


def test_the_python_example_of_rand_augment_runs() -> None:
    (example,) = (text for text in python_blocks(ROOT / "docs" / "api.md") if "RandAugment(" in text)
    scope: dict[str, Any] = {}
    exec(compile(example, "api.md", "exec"), scope)
    assert scope["augmented"].shape == scope["images"].shape
    assert not scope["augmented"].equal(scope["images"])


def test_every_public_name_is_on_the_page_of_the_python_api() -> None:
    shown = re.findall(r"^::: tutelage\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted({*tutelage.__all__} - {"__version__"})


def test_every_file_of_the_repository_that_a_page_names_exists() -> None:
    for page in PAGES:
        text = page.read_text()
        named = re.findall(r"`((?:src|tests|benchmarks|docs|examples)/[\w/.-]+)`", text)
        named += re.findall(r"(?<![\w/])((?:tests|examples)/[\w/.-]+\.py)\b", text)  # in comments and links too
        for span in named:
            assert (ROOT / span).exists(), f"{page.relative_to(ROOT)}: {span}"


def test_every_method_is_in_the_table_of_the_readme_with_a_link_to_its_page() -> None:
    section = (ROOT / "README.md").read_text().split("\n## Methods\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| ")]
    table = {family.strip(): methods for family, methods in rows}
    pages = {
        name: page
        for methods in table.values()
        for names, page in re.findall(r"\[([^]]+)\]\((docs/methods/[\w-]+\.md)\)", methods)
        for name in re.findall(r"`([\w-]+)`", names)
    }
    assert set(pages) == {method.name for method in METHODS}
    for name, page in pages.items():
        assert f"`{name}`" in (ROOT / page).read_text().partition("\n")[0], f"{page} is not titled {name}"
    linked = set(re.findall(r"\((docs/methods/[\w-]+\.md)\)", section))
    assert linked == {path.relative_to(ROOT).as_posix() for path in METHOD_PAGES}  # those of additions too
    for method in METHODS:
        if method.tasks == ("segmentation",):
            assert f"`{method.name}`" in table["segmentation of scans"]
        if "representation" in method.tasks:
            assert f"`{method.name}`" in table["self-supervised"]


def test_every_method_has_its_page_in_the_docs() -> None:
    titled = [name for path in METHOD_PAGES for name in re.findall(r"`([\w-]+)`", path.read_text().partition("\n")[0])]
    assert len(titled) == len(set(titled))
    assert set(titled) - set(ADDITIONS) == {method.name for method in METHODS}
