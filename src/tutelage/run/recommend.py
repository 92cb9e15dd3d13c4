"""The method that we recommend for some data and a machine, and why: what `--method auto` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console

from tutelage import config
from tutelage.config import AUTO, RunConfig
from tutelage.config.settings import seconds
from tutelage.core.distributed import world_size
from tutelage.core.wording import option
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.size import choose_channels, choose_framing, choose_size
from tutelage.networks.published import WHEELS, has_pretrained, relative_cost
from tutelage.run.method_by_name import learns_from_labels, method_class

HEADS = ("softmatch", "linear")  # on frozen features, in the order of preference
SMALLEST_PHOTO = 32  # pixels; what is smaller, or as small and gray, no network that was trained on photos knows
FEATURE_SIZES = (224, 160, 128, 96)  # pixels; with 224 a network trained on ImageNet knows the most
_LITE_SIZE = 256  # pixels, for EfficientNet-Lite: a network knows more at a somewhat larger size than it was trained at
_SMALL_PHOTO_SIZE = 160  # pixels, to which photos of less than 96 are enlarged
_PASSES = 60.0 * 224**2  # pixels that pass the default network in a second on one core of a CPU
_SHARE_FOR_FEATURES = 0.4  # of the budget
_SHARE_BEFORE_TUNING = 0.2  # of a budget that is long enough for fine-tuning, which most of it is for
_LONG = 300.0  # seconds
ENOUGH = 50_000  # unlabeled images for a head on features; it was not tried with more
_FEWEST = 1_000  # unlabeled images, for which images are rather made smaller
SMALL_IMAGE = 64  # pixels: up to there images are trained on as they are, above it a processor gets them shrunk
FEW_LABELS = 100  # a class; somewhere between the 25 and the 400 that were tried


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the recommendation follows from.

    Attributes:
        labeled: labeled training images that may be used.
        unlabeled: training images whose label is missing or hidden.
        image_size: side in pixels, as they would be trained on.
        device: "cpu", "cuda" or "mps".
        channels: of an image.
        pretrained: whether a network that was pretrained on photos can be used.
        budget: seconds of the command, if there is a budget.
        timed: whether that budget was asked for, and is not a default.
        networks: the pretrained ones that images pass, more than one if they are joined.
        passes: the time of an image in all of them, where it is 1 in the default network.
        lite: whether all of them are EfficientNet-Lites.
    """

    labeled: int
    unlabeled: int
    classes: int
    image_size: int
    device: str
    channels: int = 3
    pretrained: bool = False
    budget: float | None = None
    timed: bool = False
    networks: int = 1
    passes: float = 1.0
    lite: bool = True

    @property
    def photos(self) -> bool:
        """Whether a network that was pretrained on photos is likely to know such images."""
        smallest = SMALLEST_PHOTO + (self.channels == 1)
        return self.image_size >= smallest and self.channels in (1, 3)


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The preset to take, and the reasons, one sentence each; `unlabeled` images or scans have no label.

    Attributes:
        image_size: that the preset does not set, in pixels.
        unlabeled_count: how many of the unlabeled images are used, if not all.
        heads: methods among which one is chosen on the labels, once features are computed.
        finetune: use what is left of the budget to fine-tune the network.
    """

    preset: str
    reasons: tuple[str, ...]
    unlabeled: int
    image_size: int | None = None
    unlabeled_count: int | None = None
    heads: tuple[str, ...] = ()
    finetune: bool = False

    def print(self, console: Console) -> None:
        """Say what was chosen, and why."""
        console.print(f"- the preset {self.preset}, since")
        for reason in self.reasons:
            console.print(f"  {reason}", markup=False)


def situation(inventory: ImageInventory, cfg: RunConfig, device: str) -> Situation:
    """What the data and the machine are like, before anything is decoded."""
    train = inventory.parts["train"]
    labels = sum(train.class_counts().values())
    images = len(train.items) + sum(len(part.items) for role, part in inventory.parts.items() if role == "unlabeled")
    used = labels if cfg.data.label_count is None else min(labels, cfg.data.label_count)
    looks = [look for part in inventory.parts.values() for look in part.seen]
    size, _ = choose_size(looks, cfg.data.image_size, choose_framing(looks, cfg.data).mode)
    network = cfg.given.get("network", {}).get("name")
    return Situation(
        labeled=used,
        unlabeled=images - used,
        classes=len(inventory.classes),
        image_size=size,
        device=device,
        channels=choose_channels(looks, cfg.data),
        pretrained=has_pretrained() if network is None else cfg.network.starts_pretrained,
        budget=None if cfg.train.budget is None else seconds(cfg.train.budget),
        timed="budget" in cfg.given.get("train", {}),
        networks=len(cfg.network.parts) if network is not None else 1,
        passes=relative_cost(network) if network is not None else 1.0,
        lite=network is None or all(part.name in WHEELS for part in cfg.network.parts),
    )


def recommend_for_images(inventory: ImageInventory, cfg: RunConfig, device: str) -> Recommendation | None:
    """What is recommended for images that were found, on a device; None if the settings are complete."""
    named = cfg.method != AUTO
    if named and (cfg.preset is not None or not cfg.given or not learns_from_labels(cfg.method)):
        return None
    data = situation(inventory, cfg, device)
    return recommend_named(cfg, data) if named else recommend(data)


def recommend(s: Situation) -> Recommendation:
    """The preset for a situation, and what the choice rests on."""
    per_class = s.labeled / s.classes
    small = s.image_size <= SMALL_IMAGE
    place = "small" if small else "cpu"
    facts = f"{s.labeled} labels ({per_class:.3g} per class), {s.unlabeled} unlabeled images"
    if s.pretrained and s.photos:
        return _recommend_features(s, facts)
    facts += f", resized to {s.image_size} pixels"
    if s.unlabeled < s.labeled:
        return Recommendation(
            unlabeled=s.unlabeled,
            preset=f"supervised-{place}",
            reasons=(f"{facts}: with fewer unlabeled images than labeled ones there is little to gain from them",),
        )
    if s.device == "cuda":
        return Recommendation(
            unlabeled=s.unlabeled,
            preset="fixmatch-gpu" if small else "fixmatch-gpu-photos",
            reasons=(
                f"{facts}: FixMatch leads the published comparisons at few labels per class, or is close behind",
                "a GPU pays for a network of 28 layers or more (published results; not measured here)",
            ),
        )
    few = per_class < FEW_LABELS
    tried = (
        "MixMatch, which needs no confident predictions, reached 52% at 25 labels per class, FixMatch 41%, labels "
        "alone 39%"
        if few
        else "FixMatch reached 74% at 400 labels per class, MixMatch 72%, labels alone 72%"
    )
    return Recommendation(
        unlabeled=s.unlabeled,
        preset=f"mixmatch-{place}" if few else f"fixmatch-{place}",
        reasons=(
            f"{facts}: {tried}, on CIFAR-10 with a small network and ten minutes of training",
            "without CUDA a small network sees more images in the same time",
        ),
    )


def _recommend_features(s: Situation, facts: str) -> Recommendation:
    size, heads = feature_size(s), HEADS if s.unlabeled else ("linear",)
    count = feature_count(s, size)
    tunes = s.timed and s.networks == 1
    known = "a network pretrained on ImageNet does" if s.networks == 1 else f"{s.networks} pretrained networks do"
    passed = "that network once" if s.networks == 1 else "these networks once each"
    return Recommendation(
        unlabeled=s.unlabeled,
        preset=f"{heads[0]}-features",
        image_size=size,
        unlabeled_count=count,
        heads=heads,
        finetune=tunes and world_size() == 1,
        reasons=(
            f"{facts}: {known} much better with so few labels than one trained from scratch",
            f"each image passes {passed}, at {size} pixels, and a head is trained on its features in seconds",
            "which head suits these labels is decided by cross-validation",
            *(
                ("with what is left of the budget the network is fine-tuned, and kept if it is better",)
                if tunes
                else ()
            ),
        ),
    )


def feature_size(s: Situation) -> int:
    """The side in pixels at which photos pass a pretrained network: 224, or less if the budget is short of that.

    Large photos pass EfficientNet-Lites, which were trained at 224 pixels, at 256. Objects look larger in the random
    crops of a training than in the whole image, which a larger size makes up for (arXiv:1906.06423); docs/pretrained.md
    has what that gained here.
    """
    known = (_LITE_SIZE, *FEATURE_SIZES) if s.lite and s.image_size >= FEATURE_SIZES[0] else FEATURE_SIZES
    largest = known[0] if s.image_size >= FEATURE_SIZES[-1] else _SMALL_PHOTO_SIZE
    sizes = [size for size in known if size <= largest]
    within = _pixels_within(s)
    if within is None:
        return sizes[0]
    few = min(s.unlabeled, _FEWEST)
    for pool in (s.unlabeled, few) if s.unlabeled <= ENOUGH else (few,):  # of a large pool, fewer but larger images
        for size in sizes:
            if (s.labeled + pool) * size**2 <= within:
                return size
    return sizes[-1]


def feature_count(s: Situation, size: int) -> int | None:
    """How many of the unlabeled images pass a pretrained network at that size within the budget; None if all do."""
    within = _pixels_within(s)
    most = ENOUGH if within is None else min(ENOUGH, max(int(within / size**2) - s.labeled, _FEWEST))
    return most if most < s.unlabeled else None


def _pixels_within(s: Situation) -> float | None:
    """How many pixels pass the network in the part of the budget that is for this; None without such a limit."""
    if s.budget is None or s.device != "cpu":
        return None
    share = _SHARE_BEFORE_TUNING if s.timed and s.networks == 1 and s.budget >= _LONG else _SHARE_FOR_FEATURES
    return share * s.budget * _PASSES / s.passes


def recommend_for_scans(*, labeled: int, unlabeled: int) -> Recommendation:
    """The preset for these numbers of scans with and without labels, and the reasons."""
    facts = f"{labeled} labeled scans and {unlabeled} unlabeled ones"
    if unlabeled < labeled:
        return Recommendation(
            unlabeled=unlabeled,
            preset="supervised-scan-cpu",
            reasons=(f"{facts}: with fewer unlabeled scans than labeled ones there is little to gain from them",),
        )
    return Recommendation(
        unlabeled=unlabeled,
        preset="mean-teacher-scan-cpu",
        reasons=(
            f"{facts}: a teacher's consistency gained 3 to 4 points of Dice on the left atrium at 8 and 16 labels in "
            "long trainings (published, UA-MT against its supervised V-Net)",
            "in ten minutes without a GPU it gained 0.4 points on hippocampi with 16 labels, and lost 1.7 on left "
            "atria with 4, whose patches are five times as large: use "
            f"{option('baseline', True)} to find out for your scans",
            "UA-MT runs the teacher several more times, so its steps take about twice as long and fewer of them fit "
            "into a budget",
        ),
    )


def recommend_named(cfg: RunConfig, s: Situation) -> Recommendation | None:
    """The preset that a method which was asked for starts from on photos; None if it starts from the defaults."""
    if not s.photos or (s.image_size <= SMALL_IMAGE and not cfg.network.starts_pretrained):
        return None
    trains_all = cfg.given.get("train", {}).get("freeze", "all") != "all" or cfg.train.init_from is not None
    endings = ["gpu-photos", "cpu"] if s.device == "cuda" else ["cpu"]
    frozen = s.pretrained and not trains_all
    names = [f"{cfg.method}-{ending}" for ending in (["features"] if frozen else []) + endings]
    preset = next((name for name in names if name in config.preset_names()), None)
    if preset is None:
        return None
    size = feature_size(s) if preset.endswith("-features") else None
    return Recommendation(
        preset=preset,
        reasons=(f"it is recommended for {cfg.method} on photos; {option('preset', 'none')} starts from the defaults",),
        unlabeled=s.unlabeled,
        image_size=size,
        unlabeled_count=None if size is None else feature_count(s, size),
    )


def recommended(cfg: RunConfig, choice: Recommendation) -> RunConfig:
    """The settings of the recommended preset, below those that were given.

    An unlabeled batch that was not asked for takes no more than there are without a label.
    """
    named = cfg.method != AUTO
    given: dict[str, Any] = config.flat({name: v for name, v in cfg.given.items() if named or name != "method"})
    if choice.image_size is not None:
        given = {"data.image_size": choice.image_size} | given
    if choice.unlabeled_count is not None:
        given = {"data.unlabeled_count": choice.unlabeled_count} | given
    if choice.finetune:
        given = {"train.finetune": True} | given
    full = config.resolve(given, preset=choice.preset)
    enough = full.train.unlabeled_batch <= choice.unlabeled or not method_class(full.method).unlabeled_views
    if enough or "train.unlabeled_ratio" in given:
        return full
    fewer = {"train.unlabeled_ratio": max(choice.unlabeled, 1) / full.train.batch_size}
    return config.resolve(given | fewer, preset=choice.preset)
