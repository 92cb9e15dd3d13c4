"""Which labels are used and which are held out. The choice depends only on the seed and the names of the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.core.seeding import derived_seed
from tutelage.core.wording import named

Labels = NDArray[np.int64]
Rows = NDArray[np.int64]
LEAST_LEFT = 20  # labels per class that are kept for training before any is held out
LEAST_HELD = 5  # held-out images per class, on average, below which the accuracy is too uncertain


def keep_labels(
    labels: Labels,
    names: Sequence[str],
    classes: Sequence[str],
    *,
    count: int | None,
    balance: Literal["balanced", "proportional"],
    seed: int,
) -> Rows:
    """Sorted rows of the `count` labels that are kept, or of all of them.

    Within a class, labels are chosen in the order of a hash of (seed, name). So the 40 labels of a seed are among its
    250, and adding images changes the choice only where they are chosen themselves.

    Args:
        labels: (N,) class indices, -1 where unlabeled.
        balance: `balanced` takes as equal numbers per class as possible, `proportional` keeps the class frequencies
            (largest remainder, at least one per class).

    Raises:
        DataError: there are fewer labels than requested, in total or in a class, or fewer are requested than there are
            classes.
    """
    if count is None:
        return np.flatnonzero(labels >= 0)
    there = np.bincount(labels[labels >= 0], minlength=len(classes))
    if count > there.sum():
        raise DataError(f"{named('label_count')} must be at most the number of labels, {there.sum()}, got {count}")
    if count < len(classes):
        raise DataError(f"{named('label_count')} must be at least {len(classes)}, one label per class, got {count}")
    order = np.argsort([derived_seed(seed, "class", name) for name in classes])  # of the classes that get one more
    quota = _equal(count, order, there) if balance == "balanced" else _proportional(count, there)
    short = [f"'{shown(classes[c])}' has {there[c]} of {quota[c]}" for c in range(len(classes)) if quota[c] > there[c]]
    if short:
        most = int(there.min()) * len(classes)
        raise DataError(
            f"{named('label_count')} {count} cannot be spread evenly: class {', '.join(short)}; "
            f"lower it to {most}, or set {named('label_balance')} to proportional"
        )
    chosen = [_first(np.flatnonzero(labels == c), names, quota[c], seed, "label") for c in range(len(classes))]
    return np.sort(np.concatenate(chosen))


def hold_out(
    rows: Rows,
    labels: Labels,
    names: Sequence[str],
    num_classes: int,
    *,
    share: float,
    seed: int,
    digests: Sequence[bytes] | None = None,
) -> Rows:
    """Sorted rows, among the labeled `rows`, to validate on; none if there are too few labels.

    Each class gives `share` of its labels, rounded, but keeps at least `LEAST_LEFT`. If that gives fewer than
    `LEAST_HELD` images per class on average, nothing is held out. Copies of an image count as one, and only one of them
    may be held out. An image whose copies have different labels is not held out; see `copies_of`.

    Args:
        digests: (N,) equal for copies of an image; None means that there are no copies.
    """
    held = []
    content = np.arange(len(labels)) if digests is None else np.unique(np.array(digests), return_inverse=True)[1]
    pairs = np.unique(np.stack([content[rows], labels[rows]]), axis=1)
    clear = rows[np.bincount(pairs[0], minlength=len(labels))[content[rows]] == 1]  # all copies have the same label
    for c in range(num_classes):
        own = clear[labels[clear] == c]
        own = _first(own, names, len(own), seed, "val")
        own = own[np.sort(np.unique(content[own], return_index=True)[1])]  # the first of its copies, in this order
        number = min(round(share * len(own)), max(len(own) - LEAST_LEFT, 0))
        held.append(own[:number])
    together = np.sort(np.concatenate(held))
    return together if len(together) >= LEAST_HELD * num_classes else together[:0]


def copies_of(rows: Rows, digests: Sequence[bytes]) -> Rows:
    """Sorted rows with the same digest as one of `rows`, without `rows` themselves."""
    contents = {digests[row] for row in rows}
    alike = np.array([row for row, digest in enumerate(digests) if digest in contents], np.int64)
    return np.setdiff1d(alike, rows)


def leave_out(unlabeled: Rows, labeled: Rows, digests: Sequence[bytes], notes: list[str]) -> Rows:
    """Those of the `unlabeled` rows that are neither `labeled` nor a copy of a labeled one.

    Args:
        digests: (N,) equal for copies.
        notes: get how many copies there were.
    """
    copies = np.intersect1d(copies_of(labeled, digests), unlabeled)
    if len(copies):
        what = (
            "1 exact copy of labeled data is" if len(copies) == 1 else f"{len(copies)} exact copies of labeled data are"
        )
        notes.append(f"{what} left out of the unlabeled stream")
    return np.setdiff1d(unlabeled, np.union1d(labeled, copies))


def _first(rows: Rows, names: Sequence[str], number: int, seed: int, purpose: str) -> Rows:
    keys = [derived_seed(seed, purpose, names[row]) for row in rows]
    return rows[np.argsort(keys, kind="stable")[:number]]


def _equal(count: int, order: NDArray, there: NDArray) -> NDArray:
    """The same number for each class; the remainder goes, in `order`, to classes that have enough."""
    each, rest = divmod(count, len(order))
    quota = np.full(len(order), each)
    quota[order[np.argsort(there[order] <= each, kind="stable")][:rest]] += 1
    return quota


def _proportional(count: int, there: NDArray) -> NDArray:
    """Largest remainder, after one label per class."""
    exact = (count - len(there)) * (there - 1) / max((there - 1).sum(), 1)
    quota = np.floor(exact).astype(np.int64)
    rest = count - len(there) - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[:rest]] += 1
    return quota + 1
