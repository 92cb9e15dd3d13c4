"""The rules of a diagnosis: each looks at one kind of evidence and returns a reason with a strength, or None."""

from __future__ import annotations

from collections.abc import Callable

from tutelage.core.ema import SHORTEST_RUN, slowest_decay
from tutelage.core.wording import command, named, option
from tutelage.data.images.evidence import FEW_LABELS, reached_by_chance
from tutelage.results.verdict.evidence import Evidence
from tutelage.results.verdict.reason import CEILING, Reason
from tutelage.results.verdict.remedies import from_scratch, shrunk_images, weak_class
from tutelage.tasks.confusion import confusion_of

LEAST_SKILL = 0.15  # of the way from guessing to perfect; below it a network has learned nothing general
UNRELATED = 3.0  # standard errors above chance, below which labels are unrelated to how images look
FEW_PSEUDO_LABELS = 0.05
ONE_CLASS = 0.5  # of the way from a class's share of the labels to 100%
WRONG_PSEUDO_LABELS = 0.7  # accuracy of pseudo-labels, below which they teach errors
LEAST_KNOWN = 50  # unlabeled images with a hidden label, below which their accuracy says little
WEAK = 0.02  # share of the loss that comes from unlabeled images
CLEAR_GAP = 0.9  # AUC


def label_noise(case: Evidence) -> Reason | None:
    """Labels that predict neither other images nor images that look alike are wrong, or too few."""
    baseline, fit = case.baseline, case.run.final.get("label_fit")
    loss, accuracy, guess = baseline.mean("supervised", since=0.8), baseline.score, case.guess
    if guess is None:
        return None
    labels = len(baseline.split["labeled"])
    if labels < FEW_LABELS and case.photos_from_scratch:
        return None  # a new network learns nothing from few correct labels of photos, either
    if accuracy > min(reached_by_chance(guess, labels, int(baseline.scores["n"])), guess + LEAST_SKILL * (1.0 - guess)):
        return None
    seen = (
        f"supervised training classifies {accuracy:.0%} of other images correctly; always naming one class would give "
        f"{guess:.0%}"
    )
    if fit is not None and fit["z"] < UNRELATED:
        seen += f"; similar images share a label in {fit['agreement']:.0%} of cases ({fit['chance']:.0%} by chance)"
    elif (
        fit is not None or loss is None or loss > 0.5 * case.ignorance
    ):  # only training can tell that labels are too few
        return None
    if labels < FEW_LABELS:
        more = (
            f"a larger {named('label_count')}"
            if baseline.settings["data"].get("label_count") is not None
            else "label more images"
        )
        return Reason(
            "labels",
            f"the {labels} labels are too few, or do not fit the images: {seen}",
            f"{more}, and check the labels ({named('labels')}, or the folders)",
            0.8,
        )
    return Reason(
        "labels",
        f"the labels do not fit the images: {seen}",
        f"check the labels, first of all the table ({named('labels')}) or the folders that they come from",
        0.95,
    )


def distribution_gap(case: Evidence) -> Reason | None:
    """Unlabeled images of another kind do not teach about the labeled ones."""
    gap = case.run.final.get("gap")
    if gap is None or gap["auc"] <= gap["limit"]:
        return None
    if gap.get("by_shares"):
        return _other_shares(case, gap["auc"])
    where = named("unlabeled") if case.run.settings["data"]["unlabeled"] else "the folder of unlabeled images"
    return Reason(
        "other images",
        f"the unlabeled images differ in kind from the labeled ones: brightness, contrast and edges alone tell them "
        f"apart (AUC {gap['auc']:.2f}; 0.5 means no difference)",
        f"fill {where} with images from the same source as the labeled ones ({command('show')} draws both)",
        0.93 if gap["auc"] > CLEAR_GAP else 0.7,
    )


def _other_shares(case: Evidence, auc: float) -> Reason:
    """The classes have other shares in the unlabeled images, which pseudo-labels then follow."""
    drawn = case.run.settings["data"].get("labeled_sampling") == "classes"
    more = f"label images that are drawn at random from the unlabeled ones ({command('select')} draws some)"
    return Reason(
        "other class shares",
        f"the classes have other shares in the unlabeled images than in the labeled ones, by which they can be told "
        f"apart (AUC {auc:.2f}; 0.5 means no difference)",
        more if drawn else f"{option('data.labeled_sampling', 'classes')}, and {more}",
        0.7,
    )


def few_pseudo_labels(case: Evidence) -> Reason | None:
    """Unlabeled images without a pseudo-label teach nothing."""
    share, threshold = case.run.mean("pseudo/share"), case.run.setting("threshold")
    if share is None or share >= FEW_PSEUDO_LABELS:
        return None
    text = f"{share:.1%} of the unlabeled images got a pseudo-label"
    if threshold is None:
        return Reason("few pseudo-labels", text, f"train longer: a larger {named('steps')} or {named('budget')}", 0.6)
    lower = 0.95 if threshold > 0.95 else round(0.85 * threshold, 2)
    strength = 0.94 if threshold > 0.99 else 0.8 if share < 0.01 else 0.6
    return Reason(
        "few pseudo-labels",
        f"{text}: almost none is as confident as the threshold of {threshold:g} requires",
        option("method.threshold", lower),
        strength,
    )


def one_class(case: Evidence) -> Reason | None:
    """One class takes over the pseudo-labels or the predictions."""
    if case.guess is None:
        return None
    late = [row for row in case.run.training if row["step"] > 0.85 * case.run.steps] or case.run.training[-1:]
    rows = [row["pseudo/class_share"] for row in late if "pseudo/class_share" in row]
    if rows:
        shares, what = [sum(column) / len(rows) for column in zip(*rows, strict=True)], "pseudo-labels"
    else:
        confused = confusion_of(case.run.scores)
        assert confused is not None  # as there is a guess
        shares, what = (confused.sum(0) / max(confused.sum(), 1)).tolist(), "predictions"
    largest = max(range(len(shares)), key=shares.__getitem__)
    if shares[largest] <= case.guess + ONE_CLASS * (1.0 - case.guess):
        return None
    flag = f"try a method that adapts to each class, or a smaller {named('optimizer.lr')}"
    if (weight := case.unlabeled_weight()) and weight[1]:
        flag = _weight_flag(weight[0], weight[1] / 4)
    return Reason(
        "one class takes over",
        f"{shares[largest]:.0%} of the {what} are '{case.run.classes[largest]}'",
        flag,
        0.82,
    )


def wrong_pseudo_labels(case: Evidence) -> Reason | None:
    """Pseudo-labels that are often wrong teach errors."""
    right, share, known = (case.run.mean(f"pseudo/{name}") for name in ("accuracy", "share", "known"))
    where = "unlabeled"
    if known is not None and known * int(case.run.split["unlabeled_images"]) < LEAST_KNOWN:
        right = None
    if right is None and case.run.validation:
        right, where = case.run.validation[-1].get(case.run.evaluated, {}).get("pseudo_accuracy"), "validation"
    if right is None or right >= WRONG_PSEUDO_LABELS or share is None or share < FEW_PSEUDO_LABELS:
        return None
    threshold = case.run.setting("threshold")
    higher = threshold is not None and threshold < 0.95
    hidden = case.run.settings["data"].get("label_count") is not None
    flag = (
        option("method.threshold", 0.95)
        if higher
        else f"a larger {named('label_count')}"
        if hidden
        else "label more images"
    )
    return Reason("wrong pseudo-labels", f"{right:.0%} of the pseudo-labels on {where} images are right", flag, 0.78)


def weak_unlabeled_loss(case: Evidence) -> Reason | None:
    """An unlabeled loss that is tiny compared with the supervised loss has no effect."""
    supervised, added = case.run.mean("supervised", since=0.0), case.weighted_unlabeled_loss()
    share = case.run.mean("pseudo/share")
    if supervised is None or added is None or (share is not None and share < FEW_PSEUDO_LABELS):
        return None
    part = added / max(supervised + added, 1e-12)
    if part >= WEAK:
        return None
    seen, flag = (
        f"the unlabeled {case.headline.pool} contribute {part:.1%} of the loss",
        "a larger weight of the unlabeled loss",
    )
    if weight := case.unlabeled_weight():
        name, value = weight
        seen, flag = f"{seen}, with method.{name} {value:g}", _weight_flag(name, 10 * value or 10)
    return Reason("weak unlabeled loss", seen, flag, 0.76)


def strong_unlabeled_loss(case: Evidence) -> Reason | None:
    """An unlabeled loss that outweighs the supervised loss keeps the labels from being learned."""
    mine, theirs = case.run.mean("supervised", since=0.8), case.baseline.mean("supervised", since=0.8)
    supervised, added = case.run.mean("supervised", since=0.0), case.weighted_unlabeled_loss()
    if mine is None or theirs is None or supervised is None or added is None:
        return None
    if added < supervised or mine < max(2.0 * theirs, 0.3 * case.ignorance):
        return None
    weight = case.unlabeled_weight()
    return Reason(
        "unlabeled loss too strong",
        f"the unlabeled {case.headline.pool} keep the labels from being learned: the supervised loss ends at "
        f"{mine:.2f}, but at {theirs:.2f} without them",
        "a smaller weight of the unlabeled loss" if weight is None else _weight_flag(weight[0], weight[1] / 4),
        0.76,
    )


def _weight_flag(name: str, value: float) -> str:
    return option(f"method.{name}", value)


def slow_average(case: Evidence) -> Reason | None:
    """A teacher that averages over most of the training lags behind."""
    decay, steps = case.run.setting("ema_decay"), case.run.steps
    student, teacher = case.run.score_of("student"), case.run.score_of("teacher")
    if decay is None or student is None or teacher is None or case.run.evaluated != "teacher":
        return None
    if (1.0 - decay) * steps >= SHORTEST_RUN or student <= teacher + 0.01:
        return None
    return Reason(
        "slow average",
        f"the teacher lags behind the student ({teacher:.1%} to {student:.1%}): method.ema_decay {decay:g} averages "
        f"over {1 / (1 - decay):.0f} steps, but there were only {steps}",
        option("method.ema_decay", slowest_decay(steps)),
        0.8,
    )


def too_few_steps(case: Evidence) -> Reason | None:
    """Training that ended before it had seen the images or learned the labels."""
    run, train = case.run, case.run.settings["train"]
    pool, words = max(int(run.split["unlabeled_images"]), 1), case.headline.words
    passes = run.steps * train["batch_size"] * train["unlabeled_ratio"] / pool
    rise = _late_rise(case)
    longer = f"train longer, e.g. {option('steps', 3 * run.steps)} or a larger {named('budget')}"
    if (loss := case.unlearned) is not None:
        known = f"{case.clueless} gives {case.ignorance:.2f}"
        text = f"the labels have hardly been learned: the supervised loss is {loss:.2f}, and {known}"
        # a network that knows nothing yet gives no pseudo-labels, and none that are right
        return Reason("too few steps", text, longer, 0.92 if case.no_better else 0.7)
    if passes < 1.0:
        return Reason(
            "too few steps",
            f"each unlabeled {case.headline.pool[:-1]} was seen {passes:.1f} times on average",
            longer,
            0.65,
        )
    if rise is not None:
        return Reason("too few steps", f"validation {words} was still rising at the end ({rise})", longer, 0.6)
    return None


def near_the_ceiling(case: Evidence) -> Reason | None:
    """If the labels alone suffice, there is little left to gain."""
    score = case.baseline.score
    if score < CEILING:
        return None
    text = f"the labels alone reach {score:.1%}, so little is left to gain"
    return Reason(
        "little left to gain",
        text,
        f"keep {option('method', 'supervised')}, or compare with a smaller {named('label_count')}",
        0.74,
    )


def _late_rise(case: Evidence) -> str | None:
    """How the validation headline rose from the third to the last quarter, if by more than sampling explains."""
    run = case.run
    if "validation" not in run.final:
        return None
    scores, key = run.final["validation"][run.evaluated], run.headline.key
    rows = [(row["step"], row[run.evaluated].get(key)) for row in run.validation]
    steps_and_values = [(step, value) for step, value in rows if value is not None]
    third = [value for step, value in steps_and_values if 0.5 * run.steps < step <= 0.75 * run.steps]
    last = [value for step, value in steps_and_values if step > 0.75 * run.steps]
    if not third or not last:
        return None
    before, after = sum(third) / len(third), sum(last) / len(last)
    spread = scores.get(f"{key}_std") or max(after * (1.0 - after), 0.01) ** 0.5  # over cases, or of right and wrong
    error = spread / int(scores["n"]) ** 0.5
    return f"{before:.1%} to {after:.1%}" if after - before > max(2.0 * error, 0.01) else None


RULES: tuple[Callable[[Evidence], Reason | None], ...] = (
    label_noise,
    distribution_gap,
    few_pseudo_labels,
    one_class,
    wrong_pseudo_labels,
    weak_unlabeled_loss,
    strong_unlabeled_loss,
    slow_average,
    too_few_steps,
    near_the_ceiling,
    from_scratch,
    shrunk_images,
    weak_class,
)
