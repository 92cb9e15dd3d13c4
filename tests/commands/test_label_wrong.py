"""Wrong inputs of the command label: one line each, and nothing is written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from support.label_page import write_photos
from support.starter import Starter
from tutelage import cli
from tutelage.core.web import server


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_photos(Path("photos"), 24)


def wrong(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a wrong command says, in one line; nothing is written."""
    before = sorted(Path.cwd().iterdir())
    assert cli.run(["label", *words, "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    after = {path for path in Path.cwd().iterdir() if path.suffix != ".lock"}
    assert after == {path for path in before if path.suffix != ".lock"}
    return error


def test_a_port_that_is_in_use_is_an_error_and_without_a_port_another_is_taken(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = wrong(capsys, "photos", "--port", str(port))
        assert f"port {port} is in use" in said and "--port" in said
        bound, found = server.listen("127.0.0.1", None, port)
        bound.close()
        assert found.port != port


def test_wrong_inputs_are_told_in_one_line(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--port must be in [1, 65535], got 0" in wrong(capsys, "photos", "--port", "0")
    assert "--port must be in [1, 65535], got 70000" in wrong(capsys, "photos", "--port", "70000")
    assert "--port" in wrong(capsys, "photos", "--port", "many")
    assert "--host must be a name or an address" in wrong(capsys, "photos", "--host", "no.such.host.invalid")
    assert "--host must be a name or an address" in wrong(capsys, "photos", "--host", "203.0.113.7")
    assert "must end in .csv" in wrong(capsys, "photos", "--labels", "labels.txt")
    assert "there is no folder" in wrong(capsys, "photos", "--labels", "none/labels.csv")
    assert "a class needs a name" in wrong(capsys, "photos", "--classes", "cat,,dog")
    assert "starts with '='" in wrong(capsys, "photos", "--classes", "cat,=1+1")
    assert "already" in wrong(capsys, "photos", "--classes", "cat,Cat")
    assert "none" in wrong(capsys, "none")
    assert "is no folder of images" in wrong(capsys, "digits")
    Path("empty").mkdir()
    assert "empty" in wrong(capsys, "empty")
    Path("folder.csv").mkdir()
    assert "folder.csv" in wrong(capsys, "photos", "--labels", "folder.csv")
    Path("damaged.csv").write_text("path,label\n00-red.png,red,more\n")
    assert "damaged.csv" in wrong(capsys, "photos", "--labels", "damaged.csv")


def test_without_the_packages_the_error_names_the_extra(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("starlette", "uvicorn"):
        with monkeypatch.context() as patch:
            patch.setattr(server, "find_spec", lambda name, gone=package: None if name == gone else object())
            said = wrong(capsys, "photos")
        assert f"needs the package '{package}': pip install 'tutelage[web]'" in said


def test_importing_the_package_and_the_command_needs_neither_starlette_nor_uvicorn(starter: Starter) -> None:
    code = (
        "import sys, tutelage.commands.label; assert not {'starlette', 'uvicorn'} & set(sys.modules), "
        "sorted(sys.modules)"
    )
    process = starter.start("-c", code)
    assert process.communicate()[1] == "" and process.returncode == 0


def test_a_table_that_contradicts_itself_is_refused(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = sorted(path.name for path in photos.iterdir())[0]
    Path("labels.csv").write_text(f"path,label\n{name},cat\n{name},dog\n")
    assert cli.run(["label", "photos", "--no-browser"]) == 2
    assert f"labels.csv line 3: '{name}' is labeled 'dog' here and 'cat' in line 2" in capsys.readouterr().err


def test_the_table_of_another_folder_is_refused(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("labels.csv").write_text("path,label\nx/1.jpg,cat\nx/2.jpg,dog\n")
    assert cli.run(["label", "photos", "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert "none of the 2 rows of the label table is about an image of" in said and "first: x/1.jpg" in said
    assert Path("labels.csv").read_text() == "path,label\nx/1.jpg,cat\nx/2.jpg,dog\n"
