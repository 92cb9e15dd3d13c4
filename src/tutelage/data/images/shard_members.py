"""Which members of a tar shard are one sample, and which are left out."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tutelage.core.names import brief, counted, counted_kinds, first_of
from tutelage.data.images.items import IMAGE_SUFFIXES, is_hidden

LABEL_SUFFIX = ".cls"
Span = tuple[int, int]


@dataclass
class _Sample:
    image: str | None = None
    span: Span = (0, 0)
    label: str | None = None
    labeled: bool = False


class ShardMembers:
    """The samples of a shard by their members, which are added in any order.

    A key ends at the first dot of a file name, as in WebDataset: `a.png`, `a.cls` and `a.depth.png` are one sample,
    whose image is `a.png`. If there is no such image, or a label has the same name up to the last dot, the key ends
    there: `IMG 2.12m.png` and `IMG 2.12m.cls` are one sample.

    Attributes:
        faults: sentences that are safe to print.
    """

    def __init__(self, place: str) -> None:
        self._place, self.faults = place, list[str]()
        self._samples: dict[str, _Sample] = {}
        self._dotted: dict[str, _Sample] = {}  # with further dots in the name, by all before the last one
        self._others: Counter[str] = Counter()
        self._hidden: Counter[str] = Counter()  # members by the hidden folder above them
        self._special: list[str] = []

    def __len__(self) -> int:
        return len(self._samples) + len(self._dotted)

    def add(self, name: str, span: Span | None, read_label: Callable[[], str | None]) -> None:
        """Add a file.

        Args:
            span: place and number of its bytes; None if it is a link to another file.
            read_label: reads it as a label; None if that means unlabeled.
        """
        folder, slash, file = name.rpartition("/")
        stem, _, extension = file.partition(".")
        whole, last = posixpath.splitext(file)
        if above := _hidden_folder(folder):
            self._hidden[above] += 1
            return
        if not stem:
            if last.lower() in IMAGE_SUFFIXES:
                self._others["hidden"] += 1
            return
        if span is None:
            self._others["link" if _is_used(last.lower()) else last] += 1
            return
        if _is_used(suffix := f".{extension.lower()}"):
            sample, key = self._samples.setdefault(f"{folder}{slash}{stem}", _Sample()), f"{folder}{slash}{stem}"
        elif _is_used(suffix := last.lower()):
            sample, key = self._dotted.setdefault(f"{folder}{slash}{whole}", _Sample()), f"{folder}{slash}{whole}"
        else:
            self._others[suffix] += 1
            return
        if suffix == LABEL_SUFFIX:
            if sample.labeled:
                self.faults.append(f"{self._place}: sample '{brief(key)}' has two labels")
            sample.label, sample.labeled = read_label(), True
        elif sample.image is not None:
            self._two_images(key, name)
        else:
            sample.image, sample.span = name, span

    def add_special(self, name: str, kind: str) -> None:
        """Add a member without content, such as "a pipe"."""
        self._special.append(f"{name} ({kind})")

    def samples(self) -> tuple[list[tuple[str, str | None, int, int]], list[str]]:
        """Image, label, place and number of bytes of each sample in the order of the shard; and what is left out."""
        further = self._take_dotted()
        found = []
        for key, sample in self._samples.items():
            if sample.image is None:
                self.faults.append(f"{self._place}: sample '{brief(key)}' has a label and no image")
            else:
                found.append((sample.image, sample.label, *sample.span))
        said = []
        if further:
            parts = counted(len(further), "further image")
            said.append(f"{self._place}: {parts} of samples that have one were skipped (first: {brief(further[0])})")
        if self._others:
            kinds = counted_kinds(self._others)
            others = f"{self._place}: members that are no images and no labels were skipped: {kinds}"
            said.append(f"{others} (the label of KEY.jpg is KEY{LABEL_SUFFIX})")
        if self._special:
            many = counted(len(self._special), "pipe or device", "pipes or devices")
            said.append(f"{self._place}: {many} skipped: {first_of(self._special)}")
        if self._hidden:
            many = counted(self._hidden.total(), "member")
            said.append(f"{self._place}: {many} in hidden folders skipped: {first_of(list(self._hidden))}")
        return sorted(found, key=lambda sample: sample[2]), said

    def _take_dotted(self) -> list[str]:
        """Make samples of names with further dots, or complete others with them; gives the images that are left."""
        left, completed = [], set[str]()
        for key, dotted in self._dotted.items():
            folder, slash, file = key.rpartition("/")
            short = f"{folder}{slash}{file.partition('.')[0]}"
            own = self._samples.get(short)
            if own is None or dotted.labeled or dotted.image is None:
                self._samples[key] = dotted
            elif own.image is None:
                own.image, own.span = dotted.image, dotted.span
                completed.add(short)
            elif short in completed:
                self._two_images(short, dotted.image)
            else:
                left.append(dotted.image)
        self._dotted = {}
        return left

    def _two_images(self, key: str, second: str) -> None:
        self.faults.append(f"{self._place}: sample '{brief(key)}' has two images, {brief(second)} is the second")


def _hidden_folder(folder: str) -> str | None:
    """The outermost hidden folder on the way to a member, by the rule for folders; None if there is none."""
    parts = folder.split("/")
    hidden = (place for place, part in enumerate(parts, 1) if part not in (".", "..") and is_hidden(part))
    return next(("/".join(parts[:place]) for place in hidden), None)


def _is_used(suffix: str) -> bool:
    return suffix == LABEL_SUFFIX or suffix in IMAGE_SUFFIXES
