import numpy as np
import pytest

from tutelage.core.errors import DataError
from tutelage.data.split import copies_of, hold_out, keep_labels, leave_out

CLASSES = ("cat", "dog", "owl")
LABELS = np.repeat([0, 1, 2, -1], [60, 30, 10, 50])
NAMES = [f"{number}.png" for number in range(len(LABELS))]


def counts(rows: np.ndarray) -> list[int]:
    return np.bincount(LABELS[rows], minlength=3).tolist()


def keep(count: int | None, balance: str = "balanced", seed: int = 0) -> np.ndarray:
    return keep_labels(LABELS, NAMES, CLASSES, count=count, balance=balance, seed=seed)  # type: ignore[arg-type]


def test_without_a_count_all_labels_are_kept() -> None:
    assert keep(None).tolist() == list(range(100))


@pytest.mark.parametrize(("count", "expected"), [(3, [1, 1, 1]), (12, [4, 4, 4]), (30, [10, 10, 10])])
def test_balanced_labels_are_equally_many(count: int, expected: list[int]) -> None:
    assert counts(keep(count)) == expected


def test_what_does_not_divide_goes_to_classes_that_have_more() -> None:
    for seed in range(20):
        assert sorted(counts(keep(14, seed=seed))) == [4, 5, 5]
        assert counts(keep(32, seed=seed)) == [11, 11, 10]
    assert len({tuple(counts(keep(14, seed=seed))) for seed in range(20)}) == 3


@pytest.mark.parametrize(
    ("count", "expected"), [(3, [1, 1, 1]), (10, [5, 3, 2]), (50, [30, 15, 5]), (99, [59, 30, 10]), (100, [60, 30, 10])]
)
def test_proportional_labels_keep_the_shares_and_at_least_one(count: int, expected: list[int]) -> None:
    assert np.abs(np.array(counts(keep(count, "proportional"))) - expected).max() <= 1
    assert len(keep(count, "proportional")) == count
    assert min(counts(keep(count, "proportional"))) >= 1


def test_rows_are_sorted_labeled_and_different() -> None:
    rows = keep(21)
    assert sorted(set(rows.tolist())) == rows.tolist()
    assert (LABELS[rows] >= 0).all()


def test_the_seed_decides() -> None:
    assert keep(12, seed=1).tolist() == keep(12, seed=1).tolist()
    assert len({tuple(keep(12, seed=seed)) for seed in range(10)}) == 10


def test_few_labels_are_among_the_many_of_the_same_seed() -> None:
    assert set(keep(6)) < set(keep(12)) < set(keep(30))


def test_the_order_of_the_images_changes_no_choice() -> None:
    order = np.random.default_rng(0).permutation(len(LABELS))
    names = [NAMES[row] for row in order]
    shuffled = keep_labels(LABELS[order], names, CLASSES, count=12, balance="balanced", seed=0)
    assert {names[row] for row in shuffled} == {NAMES[row] for row in keep(12)}


def test_every_image_is_chosen_equally_often() -> None:
    chosen = np.zeros(len(LABELS))
    for seed in range(400):
        chosen[keep(30, seed=seed)] += 1
    expected = np.repeat([400 / 6, 400 / 3, 400, 0], [60, 30, 10, 50])
    assert np.abs(chosen - expected).max() < 45  # more than four standard deviations of 400 draws


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (101, "label_count must be at most the number of labels, 100, got 101"),
        (2, "label_count must be at least 3, one label per class, got 2"),
        (33, "label_count 33 cannot be spread evenly: class 'owl' has 10 of 11; lower it to 30"),
    ],
)
def test_a_count_that_cannot_be_kept_says_what_can(count: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        keep(count)


def test_whether_a_count_can_be_kept_does_not_depend_on_the_seed() -> None:
    for seed in range(20):
        assert len(keep(32, seed=seed)) == 32


def test_a_share_of_each_class_is_held_out() -> None:
    labels = np.repeat([0, 1, -1], [200, 100, 50])
    names = [f"{number}.png" for number in range(350)]
    held = hold_out(np.arange(300), labels, names, 2, share=0.1, seed=0)
    assert np.bincount(labels[held]).tolist() == [20, 10]
    assert held.tolist() == sorted(held)
    assert held.tolist() != hold_out(np.arange(300), labels, names, 2, share=0.1, seed=1).tolist()


def test_only_rows_that_are_kept_are_held_out() -> None:
    labels = np.zeros(200, np.int64)
    held = hold_out(np.arange(0, 200, 2), labels, [str(row) for row in range(200)], 1, share=0.2, seed=0)
    assert len(held) == 20
    assert (held % 2 == 0).all()


@pytest.mark.parametrize(("per_class", "held"), [(4, 0), (25, 0), (40, 0), (50, 5), (400, 40)])
def test_nothing_is_held_out_of_few_labels(per_class: int, held: int) -> None:
    labels = np.repeat(np.arange(10), per_class)
    names = [str(row) for row in range(len(labels))]
    assert len(hold_out(np.arange(len(labels)), labels, names, 10, share=0.1, seed=0)) == 10 * held


def test_a_rare_class_keeps_its_labels() -> None:
    labels = np.repeat([0, 1], [1000, 15])
    held = hold_out(np.arange(1015), labels, [str(row) for row in range(1015)], 2, share=0.1, seed=0)
    assert np.bincount(labels[held], minlength=2).tolist() == [100, 0]


def test_without_copies_the_choice_does_not_depend_on_the_contents() -> None:
    labels = np.repeat([0, 1, -1], [200, 100, 50])
    names = [f"{number}.png" for number in range(350)]
    digests = [bytes([row // 256, row % 256]) for row in np.random.default_rng(0).permutation(350)]
    for seed in range(5):
        without = hold_out(np.arange(300), labels, names, 2, share=0.1, seed=seed)
        assert hold_out(np.arange(300), labels, names, 2, share=0.1, seed=seed, digests=digests).tolist() == (
            without.tolist()
        )
        assert copies_of(without, digests).tolist() == []


def test_of_copies_one_is_held_out_and_the_others_are_found() -> None:
    labels, names = np.repeat([0, -1], [100, 50]), [str(row) for row in range(150)]
    digests = [bytes([row % 50]) for row in range(150)]  # each image twice with its label, once without
    held = hold_out(np.arange(100), labels, names, 1, share=0.2, seed=0, digests=digests)
    assert len(held) == 10  # a fifth of 50 different images
    assert len({digests[row] for row in held}) == 10
    copies = copies_of(held, digests)
    assert len(copies) == 20
    assert {digests[row] for row in copies} == {digests[row] for row in held}
    assert not set(copies) & set(held)


def test_a_class_keeps_enough_different_images() -> None:
    labels, names = np.zeros(100, np.int64), [str(row) for row in range(100)]
    digests = [bytes([row % 24]) for row in range(100)]
    assert len(hold_out(np.arange(100), labels, names, 1, share=0.5, seed=0, digests=digests)) == 0  # 4 are too few
    digests = [bytes([row % 26]) for row in range(100)]
    assert len(hold_out(np.arange(100), labels, names, 1, share=0.5, seed=0, digests=digests)) == 6


def test_an_image_with_two_labels_is_not_held_out() -> None:
    labels, names = np.repeat([0, 1], 100), [str(row) for row in range(200)]
    digests = (
        [bytes([row]) for row in range(100)]
        + [bytes([row]) for row in range(50)]
        + [bytes([row]) for row in range(150, 200)]
    )
    held = hold_out(np.arange(200), labels, names, 2, share=0.5, seed=0, digests=digests)
    assert len(held) == 50
    assert {labels[row] for row in held} == {0, 1}
    assert not {digests[row] for row in held} & {bytes([row]) for row in range(50)}


def test_labeled_rows_and_their_copies_leave_the_unlabeled_stream() -> None:
    digests, notes = [b"a", b"b", b"a", b"c", b"a", b"d"], list[str]()
    unlabeled = np.array([0, 1, 2, 3, 5])  # row 4 is held out
    assert leave_out(unlabeled, np.array([0, 3]), digests, notes).tolist() == [1, 5]
    assert notes == ["1 exact copy of labeled data is left out of the unlabeled stream"]
    assert leave_out(unlabeled, np.array([1]), digests, notes).tolist() == [0, 2, 3, 5]
    assert len(notes) == 1
