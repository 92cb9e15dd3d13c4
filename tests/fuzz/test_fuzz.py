"""Mutations of a sound file, for every reader: it is read or refused by an error of tutelage, in time and bounds."""

from __future__ import annotations

import resource
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fuzz.mutation import Change, changes, mutated
from fuzz.readers import READERS, Reader
from tutelage.core.errors import TutelageError
from tutelage.data.images.reading import quiet_pillow

MOST_MEMORY = 1 << 30  # bytes more than are in use at the start
SECONDS = 5.0  # for one file
QUICK = settings(
    max_examples=100,
    deadline=SECONDS * 1000,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
THOROUGH = settings(QUICK, max_examples=2000, derandomize=False)


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """A reader that takes a gigabyte more than is in use fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def fuzz(reader: Reader, folder: Path, how: settings) -> None:
    file = folder / reader.name
    reader.sound(file)
    good = file.read_bytes()
    with quiet_pillow(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say of odd files
        reader.read(file)  # a sound file is read

        @how
        @given(changes)
        def reads_or_refuses(made: list[Change]) -> None:
            file.write_bytes(mutated(good, made))
            try:
                reader.read(file)
            except TutelageError as error:
                assert str(error)

        reads_or_refuses()


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_damaged_file_is_read_or_refused(reader: Reader, tmp_path: Path) -> None:
    fuzz(reader, tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_much_damaged_file_is_read_or_refused(reader: Reader, tmp_path: Path) -> None:
    fuzz(reader, tmp_path, THOROUGH)
