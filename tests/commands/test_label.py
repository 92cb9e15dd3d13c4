"""The command label: how it starts and ends, what it says, and wrong inputs."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from support.label_page import write_photos
from support.label_server import Client, address, serving
from support.starter import Started, Starter
from tutelage import cli
from tutelage.core.web import server

PICTURES = 24


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_photos(Path("photos"), PICTURES)


def rows(file: str = "labels.csv") -> dict[str, dict[str, str]]:
    with Path(file).open(encoding="utf-8", newline="") as stream:
        return {row["path"]: row for row in csv.DictReader(stream, strict=True)}


def labeling(starter: Starter, work: Callable[[Client], None], *words: str) -> str:
    """What `tutelage label photos WORDS` says while `work` uses its page; Ctrl+C then ends it with 0."""
    process, client = serving(starter, "-m", "tutelage", "label", "photos", "--no-browser", *words)
    try:
        work(client)
    finally:
        process.send_signal(signal.SIGINT)
        said, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    return said


def test_ctrl_c_ends_it_and_the_table_is_what_train_takes(photos: Path, starter: Starter) -> None:
    names: list[str] = []

    def work(client: Client) -> None:
        names.extend([client.answer("red"), client.answer("green")])

    said = labeling(starter, work, "--classes", "red, green", "--seed", "1")
    assert {name: row["label"] for name, row in rows().items()} == {names[0]: "red", names[1]: "green"}
    assert "label here, and end with Ctrl+C: http://127.0.0.1:" in said
    assert "2 labels in labels.csv" in said and "tutelage train photos --labels labels.csv --out RUN" in said
    assert cli.run(["check", "photos", "--labels", "labels.csv"]) == 0


def test_it_goes_on_with_the_labels_that_are_there_and_undoes_across_starts(photos: Path, starter: Starter) -> None:
    def first(client: Client) -> None:
        assert client.ask("/api/state")["classes"] == []
        client.ask("/api/class", {"name": "red"})
        client.answer(), client.answer()

    def second(client: Client) -> None:
        state = client.ask("/api/state")
        assert (state["labeled"], len(state["last"]), [one["name"] for one in state["classes"]]) == (2, 2, ["red"])
        client.ask("/api/undo", {})

    labeling(starter, first)
    labeling(starter, second)
    assert sum(row["label"] == "red" for row in rows().values()) == 1


def test_it_begins_with_the_labels_of_another_tool_and_writes_a_table_beside_them(
    photos: Path, starter: Starter
) -> None:
    export = "<annotations><image name='00-red.png'><tag label='red'/></image></annotations>"
    Path("out").mkdir()
    Path("out/cvat.xml").write_text(export)
    states: list[int] = []

    def work(client: Client) -> None:
        states.append(client.ask("/api/state")["labeled"])
        client.answer("red")

    for _ in range(2):
        said = labeling(starter, work, "--labels", "out/cvat.xml")
        assert "labels in out/cvat.csv" in said and "--labels out/cvat.csv" in said
    assert states == [1, 2] and len(rows("out/cvat.csv")) == 3 and Path("out/cvat.xml").read_text() == export


def test_python_returns_the_table(photos: Path, starter: Starter) -> None:
    """And with quiet=True it prints nothing; the address is told to the browser only."""
    code = (
        "import sys, webbrowser, tutelage\n"
        "webbrowser.open = lambda url: print(url, flush=True)\n"
        "print(tutelage.label('photos', labels='mine.csv', classes=['a', 'b'], quiet=True))"
    )
    process, client = serving(starter, "-c", code)
    client.answer("b")
    process.send_signal(signal.SIGINT)
    said, error = process.communicate()
    assert (process.returncode, error, said.splitlines()[1:]) == (0, "", ["mine.csv"])
    assert [row["label"] for row in rows("mine.csv").values()] == ["b"]


def test_the_images_and_their_folder_stay_as_they_are(photos: Path, starter: Starter) -> None:
    before = {path.name: path.read_bytes() for path in photos.iterdir()}

    def work(client: Client) -> None:
        client.answer()

    labeling(starter, work, "--classes", "red")
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


def test_a_run_that_was_trained_before_is_named(photos: Path, starter: Starter) -> None:
    for name in ("labels-run", "labels-run-2", "labels-run-3"):
        Path(name).mkdir()
    for name in ("labels-run", "labels-run-2"):  # the third one was not finished
        (Path(name) / "result.json").write_text("{}")
    os.utime("labels-run/result.json", (1, 1))

    said = labeling(starter, lambda client: client.ask("/api/state"), "--classes", "red")
    assert "- trained before: labels-run-2; --run labels-run-2 goes on with its features" in said


def test_exports_and_trainings_lie_beside_the_table(photos: Path, starter: Starter) -> None:
    Path("out").mkdir()

    def work(client: Client) -> None:
        client.answer("red"), client.answer("green")
        for kind, name in (("csv", "my-csv.csv"), ("csv", "my-csv-2.csv"), ("folders", "my-folders")):
            done = client.ask("/api/export", {"kind": kind, "links": False, "model": True})
            assert done == {"written": name, "images": PICTURES}
        for kind, name in (("label-studio", "my-label-studio.json"), ("cvat", "my-cvat.xml")):
            done = client.ask("/api/export", {"kind": kind, "links": True, "model": False})
            assert done == {"written": name, "images": 2}

    labeling(starter, work, "--labels", "out/my.csv", "--classes", "red,green")
    assert len(list(Path("out/my-folders").rglob("*.png"))) == PICTURES
    assert rows("out/my-csv.csv") == rows("out/my-csv-2.csv")


@pytest.mark.slow
def test_a_training_in_the_background_tells_its_progress_and_serves_the_next_questions(
    photos: Path, starter: Starter
) -> None:
    def work(client: Client) -> None:
        for _ in range(9):
            item = client.ask("/api/next")
            label = Path(item["name"]).stem.partition("-")[2]
            client.ask("/api/answer", {"index": item["index"], "label": label, "was": None})
        client.ask("/api/train", {"budget": "5m"})
        with pytest.raises(urllib.error.HTTPError, match="409"):
            client.ask("/api/train", {})
        late = time.monotonic() + 60
        while not (training := client.ask("/api/state")["training"])["step"] and not training["failed"]:
            assert time.monotonic() < late
            time.sleep(0.1)
        assert not training["failed"] and training["total"] > 0 and str(Path.cwd()) not in training["message"]

    labeling(starter, work, "--classes", "red,green,blue")
    assert Path("labels-run/config.json").is_file()


def served(starter: Starter) -> tuple[Started, Client]:
    return serving(starter, "-m", "tutelage", "label", "photos", "--classes", "red", "--no-browser")


@pytest.mark.long
def test_sigterm_ends_with_143_and_a_second_process_is_refused(photos: Path, starter: Starter) -> None:
    process, client = served(starter)
    name = client.answer()
    other = starter.start("-m", "tutelage", "label", "photos", "--no-browser", cwd=Path.cwd())
    error = other.communicate()[1]
    assert other.returncode == 2 and error.count("\n") == 1
    assert "labels.csv is open for labeling in another process" in error
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert rows()[name]["label"] == "red"


def other_address() -> str | None:
    """An address of this machine that is not the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            link.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return None
        found = str(link.getsockname()[0])
    return None if found.startswith("127.") else found


def test_by_default_no_other_address_of_this_machine_is_served() -> None:
    bound, found = server.listen("127.0.0.1", None)
    with bound:
        assert bound.getsockname()[0] == "127.0.0.1" and found.is_local
        for host in filter(None, ("127.0.0.2", other_address())):
            with pytest.raises(OSError):
                socket.create_connection((host, found.port), timeout=2)


def test_another_host_is_said_aloud_with_an_address_that_has_the_key(photos: Path, starter: Starter) -> None:
    names: list[int] = []

    def work(client: Client) -> None:
        assert len(client.token) >= 32
        own, port = client.base, client.base.rpartition(":")[2]
        other = other_address()
        for base in (own, f"http://127.0.0.1:{port}", *([f"http://{other}:{port}"] if other else [])):
            client.base = base
            names.append(client.ask("/api/state")["images"])
        request = urllib.request.Request(f"{own}/api/state", headers={"Host": f"evil.example:{port}"})
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(request, timeout=10)

    said = labeling(starter, work, "--host", "0.0.0.0", "--classes", "red")
    assert names and set(names) == {PICTURES}
    assert "other machines can reach this page, as --host is 0.0.0.0" in said and address(said)


def test_rows_about_no_image_are_counted_and_stay(photos: Path, starter: Starter) -> None:
    name = sorted(path.name for path in photos.iterdir())[0]
    Path("labels.csv").write_text(f"path,label\n{name},red\nnot-there.jpg,red\n")
    said = labeling(starter, lambda client: client.ask("/api/state"))
    assert "warning: 1 row of labels.csv is about no image of photos (first: not-there.jpg)" in said
    assert set(rows()) == {name, "not-there.jpg"}


def test_without_an_answer_the_labels_of_another_tool_are_where_they_were(photos: Path, starter: Starter) -> None:
    name = sorted(path.name for path in photos.iterdir())[0]
    choice = {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": ["red"]}}
    task = {"data": {"image": f"/data/local-files/?d={name}"}, "annotations": [{"result": [choice]}]}
    Path("export.json").write_text(json.dumps([task]))
    said = labeling(starter, lambda client: client.ask("/api/state"), "--labels", "export.json")
    assert "- labels: export.csv, begun with 1 of export.json" in said
    assert "1 label in export.json" in said and "--labels export.json --out RUN" in said
    assert not Path("export.csv").exists()
