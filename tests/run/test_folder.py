from __future__ import annotations

from pathlib import Path

import pytest

import tutelage

KEY = "0123456789abcdef" * 2


@pytest.mark.parametrize("how", ["resume", "overwrite"])
def test_what_a_killed_process_left_half_written_is_removed(how: str, tmp_path: Path) -> None:
    settings = {"train.steps": 2, "train.batch_size": 2, "data.label_count": 40, "train.workers": 0}
    run = tutelage.train("digits", out=tmp_path / "run", settings=settings).path
    left = [
        run / "config.json.tmp-1",
        run / "checkpoints" / "step-00000001.safetensors.tmp-1",
        run / "cache" / f"{KEY}.npy.tmp-1",
    ]
    (run / "cache").mkdir(exist_ok=True)
    whole = run / "cache" / f"{KEY}.npy"
    for path in (*left, whole):
        path.write_bytes(b"half")
    if how == "resume":
        (run / "result.json").unlink()
        tutelage.train(resume=run)
    else:
        tutelage.train("digits", out=run, overwrite=True, settings=settings)
    assert [path.name for path in left if path.exists()] == []
    assert whole.exists()
    assert (run / "result.json").exists()
