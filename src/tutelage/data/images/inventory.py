"""All image sources of a run, with everything that is wrong with them, alone and together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.inputs import user_path
from tutelage.core.names import counted, shown
from tutelage.core.wording import option
from tutelage.data.images.channels import COLOR_16
from tutelage.data.images.copies import are_comparable, check_copies
from tutelage.data.images.folders import CLASS_FOLDERS
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import ImageListing, Item, Unreadable, with_way_out
from tutelage.data.images.parts import LEARNED, ImageInventory, ImagePart, read_parts
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.size import choose_channels, choose_framing, choose_size
from tutelage.data.images.source import find_table, list_image_splits, list_images
from tutelage.data.images.streaming import Wanted, draw_unlabeled, some_headers, to_stream
from tutelage.data.images.survey import ImageLook, Looks

_TINY = 4  # pixels
_IMBALANCE = 10  # ratio of largest to smallest class that causes a warning
ROLES = ("train", "unlabeled", "val", "test")


def take_image_inventory(
    config: DataConfig,
    *,
    reader: ImageReader | None = None,
    needs_labels: bool = True,
    decode: bool = False,
    settled: Callable[[ImageInventory], Wanted] | None = None,
    uses_unlabeled: bool = True,
    similar: bool = False,
    seed: int = 0,
) -> ImageInventory:
    """List all sources of `config`, read every image once, and collect all faults and warnings.

    Args:
        reader: None reads with one thread and without a cache.
        needs_labels: if False, labels are used where they exist, but missing ones are not a fault; see
            `list_image_parts`.
        decode: keep the pixels of the images, so that `load_images` does not decode them again, or stream them. Headers
            are read first, since they determine the size to decode to.
        settled: returns the settings of size, framing and number of images to use instead of those of `config`, and of
            `uses_unlabeled`, given what the headers say; digests are empty there.
        uses_unlabeled: if False, training images without a label are read, but not decoded.
        similar: also warn of copies that are not byte-identical; has no effect together with `decode`.
        seed: of the labels that are kept, where only some of the other images are used.
    """
    reader, listings = reader or ImageReader(), list_image_parts(config, needs_labels=needs_labels)
    if decode:
        wanted = settled or (lambda found: Wanted(config, uses_unlabeled))
        found = _decoded(config, listings, reader, wanted, needs_labels=needs_labels, seed=seed)
        if found is not None:
            return found
    learned = [item for role in LEARNED if role in listings for item in listings[role].items]
    levels = reader.levels(config, learned, reader.headers(learned))
    few = are_comparable(sum(len(listing.items) for listing in listings.values()))
    looks = {
        role: reader.survey(listing.items, levels, thumbnails=similar and few) for role, listing in listings.items()
    }
    inventory = _assemble(config, listings, looks, needs_labels=needs_labels)
    check_copies(inventory, similar=similar and not decode, workers=reader.workers)
    return inventory


def _decoded(
    config: DataConfig,
    listings: Mapping[str, ImageListing],
    reader: ImageReader,
    settled: Callable[[ImageInventory], Wanted],
    *,
    needs_labels: bool,
    seed: int,
) -> ImageInventory | None:
    """The inventory with the pixels of all images, or with a stream of them; None if the headers have faults."""
    listings, notes = draw_unlabeled(listings, config, seed=seed)
    first, headers = _from_headers(config, listings, reader, needs_labels=needs_labels)
    if not first.seen or first.faults:
        return None
    wanted = settled(first)
    if wanted.data.unlabeled_count != config.unlabeled_count:
        listings, notes = draw_unlabeled(listings, wanted.data, seed=seed)
        first, headers = _from_headers(wanted.data, listings, reader, needs_labels=needs_labels)
    decoding = _decoding(wanted.data, first, reader)
    learned = [role for role in LEARNED if role in listings]
    items = [item for role in learned for item in listings[role].items]
    known = [look for role in learned for look in headers[role]]
    streamed, why = to_stream(wanted, items, known, decoding, reader)
    looks, pixels = read_parts(listings, decoding, reader, streamed=streamed, skip=wanted.data.skip_unreadable)
    inventory = _assemble(config, listings, looks, needs_labels=needs_labels)
    check_copies(inventory, workers=reader.workers)
    inventory.notes = [*notes, *why]
    if not inventory.faults:
        inventory.pixels, inventory.decoding = pixels, decoding
    return inventory


def _decoding(config: DataConfig, found: ImageInventory, reader: ImageReader) -> Decoding:
    """What images are decoded to, by their headers."""
    seen = found.seen
    levels = reader.levels(config, found.items_of("train"), found.learned_looks)
    framing = replace(choose_framing(seen, config), levels=levels)
    size, _ = choose_size(seen, config.image_size, framing.mode)
    return Decoding(size, choose_channels(seen, config), framing)


def read_image_headers(
    config: DataConfig, *, reader: ImageReader | None = None, needs_labels: bool = True
) -> ImageInventory:
    """As `take_image_inventory`, but without decoding a pixel: damaged images and copies are not noticed."""
    listings = list_image_parts(config, needs_labels=needs_labels)
    return _from_headers(config, listings, reader or ImageReader(), needs_labels=needs_labels)[0]


def _from_headers(
    config: DataConfig, listings: Mapping[str, ImageListing], reader: ImageReader, *, needs_labels: bool
) -> tuple[ImageInventory, dict[str, Looks]]:
    given = Framing.of(config).levels
    headers = {role: some_headers(listing.items, reader, given) for role, listing in listings.items()}
    return _assemble(config, listings, headers, needs_labels=needs_labels), headers


def _assemble(
    config: DataConfig,
    listings: Mapping[str, ImageListing],
    looks: Mapping[str, Looks],
    *,
    needs_labels: bool,
) -> ImageInventory:
    """The parts of a run and what is wrong with them, except for copies."""
    inventory = ImageInventory()
    for role, listing in listings.items():
        inventory.faults += listing.faults
        inventory.warnings += listing.warnings
        inventory.parts[role] = _part(listing, looks[role], config.skip_unreadable, inventory)
    train = inventory.parts.get("train")
    if train is None:
        inventory.faults.append(f"{shown(config.path)} has no training images: expected a folder or shards 'train'")
    elif train.listing.items:
        if needs_labels:
            check_train_classes(train, inventory, even=config.labeled_sampling == "classes")
        for role in ("val", "test"):
            if role in inventory.parts and inventory.parts[role].listing.items:
                check_scored_classes(role, inventory.parts[role], inventory)
    if not inventory.faults:
        inventory.faults += [
            f"{shown(part.listing.where)} has no {role} images"
            for role, part in inventory.parts.items()
            if not part.items
        ]
    try:
        choose_channels([look for part in inventory.parts.values() for look in part.seen], config)
    except DataError as error:
        inventory.faults += error.faults
    return inventory


def list_image_parts(config: DataConfig, *, needs_labels: bool = True) -> dict[str, ImageListing]:
    """The images of each role in `config`; only names and labels are read.

    Args:
        needs_labels: if False, training images with fewer than two classes are all taken as unlabeled, at any depth of
            the folder, and validation and test images without labels are left out with a warning.
    """
    listings = list_image_splits(config.path, config.labels)
    if not needs_labels:
        listings = _labels_or_images_alone(listings, config)
    if config.val is not None:
        listings["val"] = list_images(config.val, role="val")
    if config.test is not None:
        listings["test"] = list_images(config.test, role="test")
    if config.unlabeled is not None:
        further = list_images(config.unlabeled, role="unlabeled")
        if "unlabeled" in listings:
            further.items = listings["unlabeled"].items + further.items
            further.faults = listings["unlabeled"].faults + further.faults
            further.warnings = listings["unlabeled"].warnings + further.warnings
        listings["unlabeled"] = further
    if not needs_labels:
        _leave_out_useless_scores(listings)
    if "unlabeled" in listings:  # shards and tables may have labels in the split of that name
        unlabeled = listings["unlabeled"]
        unlabeled.items = [_bare(item) for item in unlabeled.items]
    return {role: listings[role] for role in ROLES if role in listings}


def _labels_or_images_alone(listings: dict[str, ImageListing], config: DataConfig) -> dict[str, ImageListing]:
    """The listings unchanged if there are two good classes or more; else all images as unlabeled `train`."""
    train = listings.get("train")
    nested = train is not None and train.kind == CLASS_FOLDERS and bool(train.faults)  # no class folders after all
    if train is not None and len(train.classes) > 1 and not nested:
        return listings
    if train is not None and find_table(user_path(config.path), config.labels) is not None:
        return listings | {"train": replace(train, items=[_bare(item) for item in train.items], classes=())}
    alone = list_images(config.path, role="unlabeled")
    if train is not None:
        alone.flip_ok = train.flip_ok
    if train is not None and nested:
        alone.warnings.append(f"folders are not taken as classes, since {train.faults[0]}")
    return {role: part for role, part in listings.items() if role not in ("train", "unlabeled")} | {"train": alone}


def _leave_out_useless_scores(listings: dict[str, ImageListing]) -> None:
    """Drop validation and test parts without labels, and both if no training image is labeled."""
    train = listings["train"]
    labeled = {role: any(item.label is not None for item in part.items) for role, part in listings.items()}
    for role in ("val", "test"):
        if role in listings and listings[role].items and not (labeled["train"] and labeled[role]):
            part = listings.pop(role)
            train.warnings.append(f"{shown(part.where)}: the {role} images cannot be scored, since labels are missing")


def _bare(item: Item) -> Item:
    return Item(item.name, None, item.store, item.key)


def _part(listing: ImageListing, looks: Looks, skip: bool, inventory: ImageInventory) -> ImagePart:
    looked = list(zip(listing.items, looks, strict=True))
    seen = [(item, look) for item, look in looked if isinstance(look, ImageLook)]
    lost = [f"{shown(item.place)} {look.reason}" for item, look in looked if isinstance(look, Unreadable)]
    part = ImagePart(listing, [item for item, _ in seen], [look for _, look in seen])
    if skip:
        inventory.warnings += [f"left out: {sentence}" for sentence in lost]
    else:
        inventory.faults += with_way_out(lost)
    color_16 = [item for item, look in zip(part.items, part.looks, strict=True) if look.mode == COLOR_16]
    if color_16:
        inventory.warnings.append(
            f"{counted(len(color_16), 'color image')} of 16 bits: only the upper 8 bits are read, so save them with 8 "
            "bits over the range that they use (without alpha, all bits are read if imagecodecs is installed: pip "
            f"install 'tutelage[tiff]') (first: {shown(color_16[0].place)})"
        )
    tiny = [item for item, look in zip(part.items, part.looks, strict=True) if look.seen and min(look.size) < _TINY]
    if tiny:
        inventory.warnings.append(
            f"{len(tiny)} images have a side of less than {_TINY} pixels (first: {shown(tiny[0].place)})"
        )
    return part


def check_train_classes(train: ImagePart, inventory: ImageInventory, *, even: bool = False) -> None:
    """There are two classes or more, and each has labels; a warning where their numbers differ much.

    Args:
        even: whether classes are drawn equally often.
    """
    where, classes, counts = shown(train.listing.where), train.listing.classes, train.class_counts()
    if not classes:
        if not train.listing.faults:
            why = train.listing.no_labels or "expected some of each class"
            inventory.faults.append(f"{where} has no labeled image: {why}")
        return
    if len(classes) == 1:
        inventory.faults.append(f"{where} has only one class ('{shown(classes[0])}'): expected two or more")
    inventory.faults += [
        f"{where}: class '{shown(name)}' has no labeled image: label one or remove the class"
        for name in classes
        if not counts[name]
    ]
    if counts and max(counts.values()) >= _IMBALANCE * min(counts.values()):
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        said = f"{where}: classes are imbalanced: '{shown(most)}' has {many} labels, '{shown(least)}' {few}"
        drawn = f"{option('data.labeled_sampling', 'classes')} draws"
        inventory.warnings.append(f"{said}; {'this run draws' if even else drawn} all classes equally often")


def check_scored_classes(role: str, part: ImagePart, inventory: ImageInventory) -> None:
    """The classes of the images that score are those of the training images."""
    where, counts = shown(part.listing.where), part.class_counts()
    unknown = [name for name in sorted(counts) if name not in inventory.classes]
    for name in unknown:
        first = next(item for item in part.items if item.label == name)
        inventory.faults.append(
            f"{where}: class '{shown(name)}' of the {role} images is not a class of the training images "
            f"({counts[name]} images, first: {shown(first.place)})"
        )
    if not counts:
        why = part.listing.no_labels or "expected class folders or a label table"
        inventory.faults.append(f"{where}: the {role} images have no labels: {why}")
        return
    missing = [shown(name) for name in inventory.classes if not counts[name]]
    if missing:
        inventory.warnings.append(
            f"{where}: no {role} images of {counted(len(missing), 'class', 'classes')}: {', '.join(missing[:10])}"
        )
    without = sum(item.label is None for item in part.items)
    if without:
        inventory.warnings.append(f"{where}: {without} {role} images without a label are not used")
