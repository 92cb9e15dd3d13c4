"""The sources of scans of a run by role, and what was found in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tutelage.config.scan import ScanConfig
from tutelage.data.scans.items import Case, ScanListing
from tutelage.data.scans.scan_set import ScanLook


@dataclass
class ScanPart:
    """One source in its role: the readable cases and what each of them is."""

    listing: ScanListing
    cases: list[Case]
    looks: list[ScanLook]

    def __iter__(self) -> Iterator[tuple[Case, ScanLook]]:
        return zip(self.cases, self.looks, strict=True)

    @property
    def labeled(self) -> int:
        """The number of cases with a label."""
        return sum(case.label is not None for case in self.cases)


@dataclass
class ScanInventory:
    """The parts of a run by role (`train`, `unlabeled`, `val`, `test`), and what was found in them.

    Attributes:
        scan: the settings, with what the source declares: use these from then on, also for predictions.
        values: label value of each class by its name, in the order of the class indices.
        faults, warnings: sentences that are safe to print; faults stop a run.
    """

    scan: ScanConfig
    parts: dict[str, ScanPart] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.values)

    def facts(self) -> dict[str, dict[str, Any]]:
        """For each part, the number of cases and hashes of their names, labels and contents."""
        facts: dict[str, dict[str, Any]] = {}
        for role, part in sorted(self.parts.items()):
            hashes = {name: hashlib.blake2b(digest_size=16) for name in ("names", "labels", "contents")}
            for case, look in part:
                hashes["names"].update(repr(case.name).encode())
                hashes["labels"].update(repr((case.name, look.label_digest)).encode())
                hashes["contents"].update(look.digest.encode())
            facts[role] = {"images": len(part.cases), **{name: h.hexdigest() for name, h in hashes.items()}}
        return facts

    def fingerprint(self, *roles: str) -> str:
        """32 hexadecimal digits that depend on the names, labels and contents of these parts, or of all."""
        digest = hashlib.blake2b(repr(self.values).encode(), digest_size=16)
        for role in roles or sorted(self.parts):
            for case, look in self.parts[role]:
                digest.update(repr((role, case.name, look.digest, look.label_digest)).encode())
        return digest.hexdigest()
