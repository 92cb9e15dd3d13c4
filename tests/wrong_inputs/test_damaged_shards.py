"""Shards that are damaged inside: no command leaves out what lies behind the damage, and what is joined is read."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from support.damaged_shards import END, FIRST, SECOND, SHARDS
from tutelage.data.images.shards import list_shards

COMMANDS = {
    "predict": ["predict", "run", "photos.tar", "--out", "p.csv"],
    "pretrain": ["pretrain", "photos.tar", "--out", "r", "--steps", "2", "--batch-size", "4", "--network", "wrn-10-1"],
    "embed": ["embed", "run", "photos.tar", "--out", "e.npz"],
    "evaluate": ["evaluate", "run", "photos.tar"],
    "unlabeled": ["train", "data", "--unlabeled", "photos.tar", "--out", "r", "--steps", "2"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["a flipped bit in a header", "a header of zeros"])
def test_no_command_reads_a_part_of_a_damaged_shard(name: str, command: str, world: Any, refused: Any) -> None:
    content, message = SHARDS[name]
    world.run()
    world.write("photos.tar", content)
    refused(COMMANDS[command], message)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
@pytest.mark.parametrize("zeros", [2, 20, 2049])
def test_archives_that_were_joined_are_read_to_the_end(zeros: int, suffix: str, world: Any) -> None:
    content = FIRST + END * (zeros // 2) + SECOND + END
    if suffix == ".tar":
        world.write("a.tar", content)
    else:  # as `cat` makes it of two packed ones
        cut = len(content) // 2
        world.write("a.tar.gz", gzip.compress(content[:cut]) + gzip.compress(content[cut:]))
    listing = list_shards([world.path(f"a{suffix}")], "a")
    assert listing.faults == []
    assert [item.label for item in listing.items] == [str(number % 2) for number in range(12)]
    assert all(
        content.startswith(b"\x89PNG") for content in listing.items[0].store.read([i.key for i in listing.items])
    )


def test_a_shard_that_ends_in_ever_more_zeros_is_not_read_to_its_end(world: Any) -> None:
    with world.path("a.tar").open("wb") as stream:
        stream.write(FIRST)
        stream.truncate(1 << 40)
    (fault,) = list_shards([world.path("a.tar")], "a").faults
    assert "there are more than 67.1 MB of zeros" in fault
