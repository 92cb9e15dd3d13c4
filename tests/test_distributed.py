from __future__ import annotations

import socket
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from tutelage.distributed import process_group, rank, world_size


def test_processes_wait_for_each_other_through_a_data_check_of_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": "1", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    cpu = torch.device("cpu")
    with process_group(cpu) as device:
        assert (device, rank(), world_size()) == (cpu, 0, 1)
        assert dist.group.WORLD is not None
        assert dist.group.WORLD._get_backend(cpu).options._timeout >= timedelta(hours=24)
    assert not dist.is_initialized()
