"""The command serve: what it takes, what it says, how it answers and ends, and wrong inputs."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

import tutelage
from support.exports import few_pictures
from support.starter import Started, Starter
from tutelage import cli
from tutelage.commands.serve import curl
from tutelage.core.web import server

SAID = re.compile(r"drop images here, and end with Ctrl\+C: (http://127\.0\.0\.1:\d+)/#(\S+)\n")


def wrong(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a wrong command says, in one line."""
    assert cli.run(["serve", *words, "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    return error


def write_config(run: Path, kind: str) -> Path:
    """A run of which there is only config.json."""
    run.mkdir()
    facts = {"classes": ["a", "b"], "channels": 1, "fingerprint": "", "kind": kind}
    facts |= {"patch_size": [8, 8, 8], "label_values": [0, 1], "image_size": 8, "mean": [0], "std": [1]}
    settings = {"data": {"path": "x"}, "method": {"name": "supervised"}}
    parts = {"settings": settings, "plan": {"steps": 1}, "environment": {"tutelage": ""}}
    (run / "config.json").write_text(json.dumps({"format": 1, **parts, "data": facts}))
    return run


def test_wrong_inputs_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scans = write_config(tmp_path / "scans", "scans")
    assert "scans segments scans: tutelage serve is for classes of images" in wrong(capsys, str(scans))
    assert "there is no such folder" in wrong(capsys, str(tmp_path / "none"))
    (tmp_path / "cats.onnx").write_bytes(b"")
    assert "cats.onnx is not a run folder, nor a model exported as" in wrong(capsys, "cats.onnx")
    assert "--port must be in [1, 65535], got 70000" in wrong(capsys, "scans", "--port", "70000")
    assert "--workers must be in [0, 256], got -1" in wrong(capsys, "scans", "--workers", "-1")
    assert "unknown option --host" in wrong(capsys, "scans", "--host", "0.0.0.0").lower()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        images = write_config(tmp_path / "images", "images")
        assert f"port {port} is in use" in wrong(capsys, str(images), "--port", str(port))


def test_without_the_packages_the_error_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("starlette", "uvicorn", "python_multipart"):
        with monkeypatch.context() as patch:
            patch.setattr(server, "find_spec", lambda name, gone=package: None if name == gone else object())
            said = wrong(capsys, "run")
        assert f"needs the package '{package.replace('_', '-')}': pip install 'tutelage[web]'" in said


def test_the_line_of_curl_is_one_for_the_shell() -> None:
    words = shlex.split(curl("http://127.0.0.1:1", "a-b_c"))
    assert words == [
        "curl",
        "-H",
        "X-Tutelage-Token: a-b_c",
        "-F",
        "image=@photo.jpg",
        "http://127.0.0.1:1/api/predict",
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    return few_pictures(tmp_path_factory.mktemp("served"))


def pictures(run: tutelage.Run) -> list[Path]:
    return sorted((run.path.parent / "pictures").rglob("*.png"))


def started(starter: Starter, *words: object) -> tuple[Started, str, str]:
    """A process that serves, its address and its key."""
    process, late = starter.start(*words), time.monotonic() + 120
    while True:
        process.out.seek(0)
        if found := SAID.search(process.out.read().decode()):
            return process, found[1], found[2]
        assert process.poll() is None and time.monotonic() < late, process.communicate()
        time.sleep(0.02)


def serving(starter: Starter, run: Path, work: Callable[[str, str], None], *, end: int = signal.SIGINT) -> Started:
    """The ended process of `tutelage serve RUN`, after `work(address, key)`."""
    process, url, key = started(starter, "-m", "tutelage", "serve", run, "--no-browser", "--device", "cpu")
    try:
        work(url, key)
    finally:
        process.send_signal(end)
    return process


def posted(url: str, key: str, files: list[Path]) -> list[dict]:
    """The predictions of files, in a form."""
    parts = [("image", (file.name, file.read_bytes())) for file in files]
    answer = httpx.post(f"{url}/api/predict", headers={"x-tutelage-token": key}, files=parts, timeout=60, verify=False)
    assert answer.status_code == 200, answer.text
    found: list[dict] = answer.json()["predictions"]
    return found


def as_predicted(model: tutelage.Model, files: list[Path], found: list[dict]) -> None:
    expected = model.predict(files)
    assert [one["label"] for one in found] == expected.labels
    rows = [list(one["probabilities"].values()) for one in found]
    np.testing.assert_allclose(rows, expected.probabilities, atol=1e-5)


@pytest.mark.long
def test_runs_and_exported_models_are_served_and_predict_as_in_python(
    run: tutelage.Run, starter: Starter, tmp_path: Path
) -> None:
    tutelage.export(run, out=tmp_path / "hf", format="hf")
    tutelage.export(run, out=tmp_path / "cats.safetensors", format="safetensors")
    model, files = tutelage.load(run, device="cpu"), pictures(run)
    assert isinstance(model, tutelage.Model)
    for path in (run.path, tmp_path / "hf", tmp_path / "cats.safetensors"):
        process = serving(starter, path, lambda url, key: as_predicted(model, files, posted(url, key, files)))
        said, error = process.communicate()
        assert (process.returncode, error) == (0, "")
        assert f"{path}: 2 classes, cat and dog" in said and "/openapi.json" in said


@pytest.mark.long
def test_the_line_that_is_printed_works_in_a_shell(run: tutelage.Run, starter: Starter, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(pictures(run)[0].read_bytes())
    found: list[str] = []

    def work(url: str, key: str) -> None:
        words = shlex.split(curl(url, key))
        done = subprocess.run([*words, "-s"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        found.append(done.stdout)

    process = serving(starter, run.path, work)
    assert process.communicate()[0].count("curl -H 'X-Tutelage-Token: ") == 1
    (one,) = json.loads(found[0])["predictions"]
    assert one["name"] == "photo.jpg" and one["label"] in ("cat", "dog")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.jpg"]


SLOW = """
import sys, time, tutelage
from tutelage.inference.images.model import Model
whole = Model.probabilities
def slowed(self, images):
    time.sleep(0.4)
    return whole(self, images)
Model.probabilities = slowed
tutelage.serve(sys.argv[1], browser=False, device="cpu")
"""


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_accepted_is_answered_before_the_end(run: tutelage.Run, starter: Starter, number: int) -> None:
    process, url, key = started(starter, "-c", SLOW, run.path)
    files, found, begun = pictures(run), list[list[dict]](), threading.Semaphore(0)

    def ask(file: Path) -> None:
        begun.release()
        found.append(posted(url, key, [file] * 20))

    threads = [threading.Thread(target=ask, args=(file,)) for file in files[:5]]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire()
    while not found:  # by then, all others are accepted, and wait
        time.sleep(0.01)
    process.send_signal(number)
    for thread in threads:
        thread.join(60)
    assert sorted(len(one) for one in found) == [20] * 5
    assert all(one["error"] is None for answer in found for one in answer)
    _, error = process.communicate()
    if number == signal.SIGINT:
        assert (process.returncode, error) == (0, "")
    else:
        assert process.returncode != 0 and "stopped by SIGTERM" in error


@pytest.mark.long
def test_an_encoder_is_refused_before_the_server_starts(
    run: tutelage.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brief = {"steps": 2, "batch_size": 4, "device": "cpu", "settings": {"method.queue_size": 16}}
    encoder = tutelage.pretrain(run.path.parent / "pictures", out=tmp_path / "moco", image_size=16, **brief)
    assert "this run is an encoder trained without labels" in wrong(capsys, str(encoder.path))


@pytest.mark.long
def test_importing_the_command_needs_no_web_packages(starter: Starter) -> None:
    names = "{'starlette', 'uvicorn', 'python_multipart'}"
    code = f"import sys, tutelage.commands.serve; assert not {names} & set(sys.modules), sorted(sys.modules)"
    process = starter.start("-c", code)
    assert process.communicate()[1] == "" and process.returncode == 0
