"""Files as users have them, and why they cannot be trained on: a part of the catalogue of wrong inputs.

Each entry is a function that builds the input in a folder of its own and returns the command, and what the message
must match.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Case = tuple[Callable[[Any], list[str]], str]


def last(*done: Any) -> Any:
    """The last of what was done one after the other: the command."""
    return done[-1]


KINDS: dict[str, Case] = {
    "images in a column of their own, which are not there": (
        lambda w: w.table("image,label\na.png,cat\nb.png,dog\nx.png,cat\n"),
        r"labels.csv line 4: 'x.png' is not a file in .*photos",
    ),
    "ids of images beside their paths": (
        lambda w: w.table("image_id,path,label\n7,a.png,cat\n8,b.png,dog\n9,x.png,cat\n"),
        r"labels.csv line 4: 'x.png' is not a file in .*photos",
    ),
    "a table of paths and two columns of images": (
        lambda w: w.table("image,path,image_id,label\nx.nii,a.png,1,cat\ny.nii,x.png,2,dog\n"),
        r"labels.csv line 3: 'x.png' is not a file in .*photos",
    ),
    "two columns of images and none of paths": (
        lambda w: w.table("image,image_id,label\na.png,1,cat\n"),
        r"labels.csv line 1: no column 'path': expected a header 'path,label', got 'image,image_id,label'",
    ),
    "a table as the data": (
        lambda w: last(w.table("path,label\na.png,cat\n"), ["train", "labels.csv", *w.train[2:]]),
        r"labels.csv is a table alone: name the folder of its images, and the table with --labels .*labels.csv",
    ),
    "a table with images as the data": (
        lambda w: last(w.table("image,label\na.png,cat\n"), ["train", "labels.csv", *w.train[2:]]),
        r"labels.csv is a table alone: name the folder of its images",
    ),
    "folders for scans without any": (
        lambda w: last(w.path("photos/images/x"), w.path("photos/labels/x"), w.train),
        r"photos/images holds no scans \(known suffixes: \.nii",
    ),
    "folders for scans without any, and a method for images": (
        lambda w: last(w.path("photos/images/x"), w.path("photos/labels/x"), [*w.train, "--method", "fixmatch"]),
        r"photos/images holds no scans",
    ),
    "no such folder, and a method for scans": (
        lambda w: [*w.train[:4], "--method", "ua-mt"],
        r"photos: no such file or folder",
    ),
    "a folder without images, and a setting for scans": (
        lambda w: last(w.path("photos/cat/x"), [*w.train, "--scan.spacing", "1,1,1"]),
        r"photos holds no images",
    ),
    "boxes in a folder of labels": (
        lambda w: last(w.image("photos/images/a.jpg"), w.write("photos/labels/a.txt", "0 1 1 2 2"), w.train),
        r"photos: class 'labels' has no labeled image",
    ),
}

USERS_FILES: dict[str, Case] = KINDS
