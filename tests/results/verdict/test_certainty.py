"""When a gain counts, and what the number after ± is over."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from support.runs import unsealed
from tutelage.core.intervals import interval
from tutelage.results.verdict.pairing import Difference
from tutelage.results.verdict.verdict import Verdict, certainty, read_verdict, write_verdict


def seeds(*points: float, half_width: float = 1.0, p: float = 0.001) -> list[Difference]:
    return [Difference(value, half_width, p, 5000) for value in points]


@pytest.mark.parametrize(
    ("differences", "half_width", "certain", "over"),
    [
        (seeds(2.0), 1.0, True, "items"),  # one seed: over its images
        (seeds(0.5), 1.0, False, "items"),
        (seeds(2.0, 2.1, 1.9), 0.25, True, "seeds"),  # Student's t: 4.303 * 0.1 / sqrt(3)
        (seeds(15.6, 9.8), 1.0, True, "items"),  # t from two seeds is ±36.8, but each is beyond its images' chance
        (seeds(-15.6, -9.8), 1.0, True, "items"),
        (seeds(15.6, 0.8), 94.0, False, "seeds"),  # the second is not
        (seeds(15.6, -9.8), 161.4, False, "seeds"),  # they disagree
        (seeds(15.6, 9.8, p=0.2), 36.8, False, "seeds"),
        (seeds(5.7, 1.3, -2.4), 10.1, False, "seeds"),
    ],
)
def test_a_gain_counts_over_seeds_or_where_each_seed_counts_by_itself(
    differences: list[Difference], half_width: float, certain: bool, over: str
) -> None:
    found = certainty(interval([one.points for one in differences]), differences)
    assert found[0] == pytest.approx(half_width, abs=0.06)
    assert found[1:] == (certain, over)


def test_the_sentence_says_what_the_interval_is_over() -> None:
    verdict = Verdict("fixmatch", 40, "helped", 12.7, 1.5, 2, "test", 5000, (), over="items", gains=(15.6, 9.8))
    assert verdict.headline == (
        "unlabeled images helped: +12.7 ± 1.5 points of accuracy "
        "(each of 2 seeds: +15.6, +9.8; ± is over 5000 test images, not over seeds)"
    )
    assert dataclasses.replace(verdict, over="seeds").headline.endswith("(2 seeds)")
    assert dataclasses.replace(verdict, seeds=1).headline.endswith("(1 seed, 5000 test images)")


def test_a_verdict_is_read_as_it_was_written_and_so_are_older_ones(tmp_path: Path) -> None:
    verdict = Verdict("fixmatch", 40, "helped", 12.7, 1.5, 2, "test", 5000, (), over="items", gains=(15.6, 9.8))
    write_verdict(verdict, tmp_path)
    assert read_verdict(tmp_path) == verdict
    written = unsealed(tmp_path / "verdict.json")
    del written["over"], written["gains"]
    (tmp_path / "verdict.json").write_text(json.dumps(written))
    assert read_verdict(tmp_path) == dataclasses.replace(verdict, over="seeds", gains=())
