"""What `import-weights` asks of each family of files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from tutelage.core.errors import ConfigError
from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.names import class_name_fault
from tutelage.core.regular import read_regular
from tutelage.networks.ports import Ported


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """The options of `import-weights` as they were given; None or "auto" if they were not."""

    form: str = "auto"
    which: str = "auto"
    trained_on: str = "auto"
    classes: Path | None = None
    mean: str | None = None
    std: str | None = None
    image_size: int | None = None
    patch_size: str | None = None
    intensity: str | None = None

    @property
    def flags(self) -> set[str]:
        """The flags of the options that were given."""
        names = {name for name, value in vars(self).items() if value not in (None, "auto")}
        return {"--format" if name == "form" else f"--{name.replace('_', '-')}" for name in names}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A network from a file, with what its run records and what is printed.

    Attributes:
        origin: the code that wrote the file, a value of `--format`.
        facts: of the data, for config.json: size and standardization.
        title: the network in words.
        left_out: the layers that were left out, and why.
        notes: how data are prepared, the classes, and what the run can be used for; one line each.
        settings: sections of settings besides that of the network.
    """

    ported: Ported
    origin: str
    classes: tuple[str, ...]
    facts: Mapping[str, Any]
    title: str
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


class Family(ABC):
    """Files with the same names of tensors.

    Attributes:
        origins: values of `--format` for its files.
        which: values of `--which` besides those of entries in a file.
    """

    origins: ClassVar[tuple[str, ...]]
    which: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def recognizes(self, weights: Mapping[str, Tensor]) -> bool:
        """Whether these tensors have the names of the family."""

    @abstractmethod
    def translate(self, weights: Mapping[str, Tensor], given: ImportOptions, file: Path, out: Path) -> Imported:
        """The network in the tensors of `file`, as the run `out` will have it.

        Raises:
            ConfigError: an option is wrong or not for such files, or what has to be known is not given.
            CheckpointError: it is not a complete network of this family.
        """


def refuse(given: ImportOptions, flags: Iterable[str], purpose: str, contents: str) -> None:
    """Raise `ConfigError` if one of these flags was given, which are for `purpose`; the file has other `contents`."""
    for flag in flags:
        if flag in given.flags:
            raise ConfigError(f"{flag} is for {purpose}, and {contents}")


def by_layer(tensors: Mapping[str, str]) -> dict[str, str]:
    """The layers of some tensors, with what is said of the tensors."""
    return {f"{name.rpartition('.')[0] or name}.*": said for name, said in tensors.items()}


def read_class_names(file: Path, count: int) -> tuple[str, ...]:
    """The class names in a text file, one per line, or in a JSON list, in the order of the outputs.

    Raises:
        ConfigError: the file cannot be read, or does not contain `count` different valid names.
    """
    try:
        text = read_regular(file).decode("utf-8-sig")
        names = parse_json(text) if file.suffix == ".json" else [line.strip() for line in text.splitlines()]
    except OSError as error:
        raise ConfigError(f"--classes {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--classes {file} cannot be read: expected UTF-8 text with one name per line") from None
    except JsonFault as error:
        raise ConfigError(f"--classes {file} is no JSON list of names: {error}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"--classes {file} must be a list of names")
    names = [name for name in names if name]
    if len(names) != count or len(set(names)) != count:
        raise ConfigError(f"--classes {file} must contain {count} different names, got {len(set(names))}")
    if faults := [fault for name in names if (fault := class_name_fault(name))]:
        raise ConfigError(f"--classes {file}: {faults[0]}")
    return tuple(names)


def said_classes(names: tuple[str, ...]) -> str:
    """The line about the classes."""
    return f"classes: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}; --classes renames them"
