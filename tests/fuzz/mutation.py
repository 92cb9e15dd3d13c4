"""Damage to files: bytes are flipped, set, deleted, doubled, and cut, mostly where headers are."""

from __future__ import annotations

from hypothesis import strategies as st

_INTERESTING = (0x00, 0xFF, 0x7F, 0x80, 0x2D, 0x30, 0x39, 0x3D)  # among them: minus, digits, equals
_MOST = 8  # changes of one file

Change = tuple[str, float, int, int]  # how, where (share of the range), in the first so many bytes, with which value

changes = st.lists(
    st.tuples(
        st.sampled_from(("flip", "set", "delete", "double", "cut", "number")),
        st.floats(0.0, 1.0, exclude_max=True),
        st.sampled_from((64, 512, 4096, 1 << 30)),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=_MOST,
)


def mutated(content: bytes, made: list[Change]) -> bytes:
    """The content after some changes, in their order."""
    data = bytearray(content)
    for how, share, reach, value in made:
        if not data:
            break
        place = int(share * min(reach, len(data)))
        if how == "flip":
            data[place] ^= 1 << value % 8
        elif how == "set":
            data[place] = _INTERESTING[value % len(_INTERESTING)]
        elif how == "delete":
            del data[place : place + 1 + value % 8]
        elif how == "double":
            data[place:place] = data[place : place + 1 + value]
        elif how == "cut":
            del data[place:]
        else:
            data[place : place + 8] = (1 << value % 64).to_bytes(8, "big" if value & 1 else "little")
    return bytes(data)
