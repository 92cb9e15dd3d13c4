from __future__ import annotations

import subprocess
from pathlib import Path

import tutelage
from tutelage.core.interpreter import interpreter

PACKAGE = Path(tutelage.__file__).parent


def test_a_process_of_ours_runs_no_file_of_the_working_folder_instead_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "timeit.py").write_text("raise SystemExit('a file of the user was run')")
    words = [*interpreter(), "-c", "import timeit; print(timeit.default_number)"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1000000\n", "")


def test_every_process_of_ours_is_started_so() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if "sys.executable" in file.read_text(encoding="utf-8")]
    assert [file.relative_to(PACKAGE).as_posix() for file in files] == ["core/interpreter.py"]
