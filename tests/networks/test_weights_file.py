"""Weights from files: how they are matched to a network, and what is refused."""

from __future__ import annotations

import argparse
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from support.imports import MakesFolder
from tutelage.core.errors import CheckpointError
from tutelage.networks.weights_file import match_weights, read_weights

HERE = Path("weights.pth")


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def filled(seed: int = 0) -> dict[str, Tensor]:
    """A state dict of `network`, each tensor with numbers of its own."""
    torch.manual_seed(seed)
    return {name: torch.rand(value.shape) for name, value in network().state_dict().items()}


def renamed(change: Callable[[int, str], str]) -> dict[str, Tensor]:
    return {change(number, name): value for number, (name, value) in enumerate(filled().items())}


def assert_all_of(tensors: dict[str, Tensor]) -> None:
    expected = {name: value for name, value in filled().items() if not name.endswith("num_batches_tracked")}
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(tensors[name], value), name


def test_tensors_of_the_same_names_are_matched_by_name_whatever_their_order() -> None:
    found = dict(reversed(filled().items())) | {"classifier.weight": torch.ones(5, 2)}
    matched = match_weights(network().state_dict(), found, HERE)
    assert (matched.how, matched.unused) == ("by name", ("classifier.weight",))
    assert_all_of(matched.tensors)


def test_one_prefix_in_front_of_all_names_is_seen() -> None:
    found = renamed(lambda _, name: f"backbone.body.{name}") | {"head.0.weight": torch.ones(4, 3, 3, 3)}
    matched = match_weights(network().state_dict(), found, HERE)
    assert (matched.how, matched.unused) == ("by name", ("head.0.weight",))
    assert_all_of(matched.tensors)


def test_other_names_are_matched_by_order_and_shape_and_what_follows_is_left_out() -> None:
    found = renamed(lambda number, _: f"part{number}") | {"fc.weight": torch.ones(5, 2), "fc.bias": torch.ones(5)}
    found = {name: value for name, value in found.items() if value.ndim}  # without the counter, which has its own name
    matched = match_weights(network().state_dict(), found, HERE)
    assert (matched.how, matched.unused) == ("by order and shape", ("fc.weight", "fc.bias"))
    assert_all_of(matched.tensors)


@pytest.mark.parametrize("by_name", [True, False])
def test_the_counter_of_batch_norm_may_be_missing(by_name: bool) -> None:
    found = filled() if by_name else renamed(lambda number, name: f"x{number}.{name}")
    found = {name: value for name, value in found.items() if not name.endswith("num_batches_tracked")}
    matched = match_weights(network().state_dict(), found, HERE)
    assert matched.how == ("by name" if by_name else "by order and shape")
    assert_all_of(matched.tensors)


def test_a_tensor_of_another_shape_is_named_with_both_shapes() -> None:
    found = filled() | {"2.weight": torch.ones(7, 4, 1, 1)}
    with pytest.raises(
        CheckpointError,
        match=r"weights.pth does not fit the network, neither by name nor by order: it has 2.weight \(7, 4, 1, 1\) "
        r"where the network has 2.weight \(2, 4, 1, 1\)",
    ):
        match_weights(network().state_dict(), found, HERE)


def test_too_few_tensors_are_counted() -> None:
    found = dict(list(renamed(lambda number, _: f"part{number}").items())[:3])
    with pytest.raises(CheckpointError, match="it has 3 tensors, and the network has 7"):
        match_weights(network().state_dict(), found, HERE)


def test_a_state_dict_is_read_from_safetensors_and_from_torch_with_or_without_an_entry(tmp_path: Path) -> None:
    save_file(filled(), tmp_path / "a.safetensors")
    torch.save(filled(), tmp_path / "b.pth")
    torch.save({"state_dict": {f"module.{name}": value for name, value in filled().items()}}, tmp_path / "c.pth")
    for name, entry in (("a.safetensors", ""), ("b.pth", ""), ("c.pth", "state_dict")):
        read = read_weights(tmp_path / name)
        assert read.entry == entry
        assert read.weights.keys() == filled().keys()
        assert all(torch.equal(read.weights[key], value) for key, value in filled().items())
    assert read_weights(tmp_path / "a.safetensors").sha256 != read_weights(tmp_path / "b.pth").sha256


def test_the_moving_average_is_taken_unless_the_model_is_asked_for(tmp_path: Path) -> None:
    torch.save({"model": filled(1), "ema_model": filled(2)}, tmp_path / "both.pth")
    for which, seed in (("auto", 2), ("ema", 2), ("model", 1)):
        assert torch.equal(read_weights(tmp_path / "both.pth", which).weights["0.weight"], filled(seed)["0.weight"])


def test_code_in_a_file_is_refused_and_never_run(tmp_path: Path) -> None:
    torch.save({"state_dict": filled(), "args": MakesFolder(tmp_path / "ran")}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=r"bad.pth can only be read with .*, and code from a file is never run"):
        read_weights(tmp_path / "bad.pth")
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "bad.pth", weights_only=False)
    assert (tmp_path / "ran").exists()  # so the test can fail


def test_settings_beside_the_weights_are_named_as_what_the_file_would_need(tmp_path: Path) -> None:
    torch.save({"state_dict": filled(), "args": argparse.Namespace(lr=0.1)}, tmp_path / "settings.pth")
    with pytest.raises(CheckpointError, match=r"with argparse.Namespace.* save only the state dict"):
        read_weights(tmp_path / "settings.pth")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", b"no weights", "was not written by torch.save, or is damaged"),
        ("a.pth", b"", "was not written by torch.save, or is damaged"),
        (
            "a.pth",
            pickle.dumps([1, 2]),
            "was not written by torch.save, or is damaged|must contain a state dict, got a l",
        ),
        ("a.safetensors", b"no weights", "is not a readable safetensors file"),
        ("b.pth", None, r"cannot read .*a.pth: No such file"),
    ],
)
def test_what_is_no_file_of_weights_is_one_line(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_weights(tmp_path / (name if content is not None else "a.pth"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(2)]])
def test_a_file_without_weights_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "none.pth")
    message = "and is not a state dict: it has epoch" if isinstance(content, dict) else "a state dict, got a list"
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / "none.pth")


def repacked(file: Path, compression: int, *, zeros: int = 0) -> None:
    """Write the members of an archive of torch.save with a compression, some of them followed by zeros."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content + bytes(zeros * ("/data/" in name)))


def peak_of(act: Callable[[], object]) -> int:
    """Bytes that Python takes at most during an act."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_archive_with_compressed_members_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "dense.pt"
    torch.save({"a": torch.ones(2)}, file)
    repacked(file, zipfile.ZIP_DEFLATED, zeros=1 << 22)

    def read() -> None:
        with pytest.raises(CheckpointError, match=r"has the compressed member '.*': expected none, so save it again"):
            read_weights(file)

    assert peak_of(read) < 1 << 20


def test_an_archive_without_compression_is_read_as_torch_wrote_it(tmp_path: Path) -> None:
    file = tmp_path / "stored.pt"
    torch.save(filled(), file)
    repacked(file, zipfile.ZIP_STORED)
    read = read_weights(file).weights
    assert read.keys() == filled().keys()
    assert all(torch.equal(read[name], value) for name, value in filled().items())


def test_members_that_claim_more_bytes_than_the_file_has_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "overlap.pt"
    torch.save({"a": torch.ones(2)}, file)
    content = bytearray(file.read_bytes())
    entry = content.find(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (1 << 30).to_bytes(4, "little")
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"has members of 1,073,\d+,\d+ bytes in all, and has "):
        read_weights(file)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".old"])
def test_weights_keep_to_the_memory_limit(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / f"large{suffix}"
    weights = {"a": torch.ones(1 << 18)}
    if suffix == ".safetensors":
        save_file(weights, file)
    else:
        torch.save(weights, file, _use_new_zipfile_serialization=suffix == ".pt")
    assert read_weights(file).weights["a"].shape == (1 << 18,)
    monkeypatch.setenv("TUTELAGE_MEMORY_LIMIT", "2MB")
    with pytest.raises(CheckpointError, match=r"would take 2.1 MB of memory, more than the --memory-limit of 2MB"):
        read_weights(file)
