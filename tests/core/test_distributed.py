from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from support.starter import Starter
from tutelage.core.distributed import process_group, rank, world_size

THREADS = """
import atexit, os
from pathlib import Path
import torch
from torch import nn
from tutelage.core.distributed import data_parallel, process_group

def threads():
    return [name for task in Path("/proc/self/task").iterdir() if "gloo" in (name := (task / "comm").read_text())]

def last():
    if threads():
        os._exit(3)

def train(device):
    model = data_parallel(nn.Linear(2, 2), device)
    model.cycle = [model]
    model(torch.ones(1, 2)).sum().backward()
    assert threads()

atexit.register(last)  # what is registered first is called last
with process_group(torch.device("cpu")) as device:
    train(device)
"""


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def processes(count: int) -> dict[str, str]:
    return {"WORLD_SIZE": str(count), "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted where Linux lists them")
def test_no_thread_of_the_group_outlives_the_program(starter: Starter) -> None:
    process = starter.start("-c", THREADS, env={**os.environ, **processes(1)})
    _, error = process.communicate()
    assert process.returncode == 0, error


def test_processes_wait_for_each_other_through_a_data_check_of_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in processes(1).items():
        monkeypatch.setenv(name, value)
    cpu = torch.device("cpu")
    with process_group(cpu) as device:
        assert (device, rank(), world_size()) == (cpu, 0, 1)
        assert dist.group.WORLD is not None
        assert dist.group.WORLD._get_backend(cpu).options._timeout >= timedelta(hours=24)
    assert not dist.is_initialized()
