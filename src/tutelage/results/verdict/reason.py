"""A reason why unlabeled images did not help, or why a score is low, with what to try."""

from __future__ import annotations

from dataclasses import dataclass

CEILING = 0.97  # headline, above which there is little left to gain


@dataclass(frozen=True)
class Reason:
    """Why unlabeled images did not help, or what would raise the score.

    Attributes:
        name: the rule, in two or three words.
        evidence: what was observed, as a sentence.
        flag: what to try first, as a sentence that names a flag.
        strength: in [0, 1]; orders the reasons.
    """

    name: str
    evidence: str
    flag: str
    strength: float
