"""Numbered files of a folder: the channels of a case, as nnU-Net writes them, or single scans."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from tutelage.core.names import counted, first_of
from tutelage.data.scans.formats.common import same_name, stem_of

_CHANNEL = re.compile(r"_(\d{4})$")  # case_0000, case_0001
_MOST_CHANNELS = 16
Groups = dict[str, list[Path]]


def group_channels(
    files: Sequence[Path], masks: Collection[str], channels: int | None = None
) -> tuple[Groups, list[str]]:
    """The files of each case, by name, in the order of their channels; and a sentence if numbered files are single.

    The numbers count cases, not channels,

    - if masks have them too, or there are more than there can be channels,
    - if the number of files of a case is known, for each group of another size,
    - if it is not, and no mask is named like a group: if there is one group alone, or groups have several sizes.

    Args:
        masks: names of masks, without suffix; see `same_name`.
        channels: files that a case has: of the training scans, or of the model; None if that is not known.
    """
    numbered = [_CHANNEL.search(stem_of(path)) for path in files]
    if not files or not all(numbered) or not any(match and match[1] == "0000" for match in numbered):
        return _by_stem(files), []
    many = any(match and int(match[1]) >= _MOST_CHANNELS for match in numbered)
    if many or any(same_name(stem_of(path)) in masks for path in files):
        return _by_stem(files), []
    groups: Groups = defaultdict(list)
    for path, match in zip(files, numbered, strict=True):
        assert match is not None
        groups[stem_of(path)[: match.start()]].append(path)
    sizes = {len(group) for group in groups.values()}
    if channels is not None:
        wrong = [name for name, group in groups.items() if len(group) != channels]
        why = f"a case has {counted(channels, 'file')}"
    else:
        unlike = len(sizes) > 1 or (len(groups) == 1 and sizes != {1})
        vague = unlike and not any(same_name(name) in masks for name in groups)
        wrong, why = list(groups) if vague else [], "no mask is named like a group of them"
    single = _by_stem([path for name in wrong for path in groups[name]])
    if not single:
        return dict(groups), []
    listed = first_of([path.name for paths in single.values() for path in paths], 3)
    said = f"{counted(len(single), 'numbered file')} ({listed}) are single scans, not channels, since {why}"
    return {name: group for name, group in groups.items() if name not in wrong} | single, [said]


def _by_stem(files: Sequence[Path]) -> Groups:
    """One case per file; files with the same stem keep their suffix in the name."""
    stems = [stem_of(path) for path in files]
    alike = Counter(map(same_name, stems))
    return {stem if alike[same_name(stem)] == 1 else path.name: [path] for stem, path in zip(stems, files, strict=True)}
