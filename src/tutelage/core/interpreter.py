"""How a Python process of our own is started."""

from __future__ import annotations

import sys


def interpreter() -> list[str]:
    """The words that start a Python process, before `-m MODULE`.

    The working folder is not on its path, as it is not on that of the command `tutelage`: a user's `timeit.py` must not
    take the place of the module of that name. Own methods and networks are still found there; see `import_named`.
    """
    return [sys.executable, "-P"]
