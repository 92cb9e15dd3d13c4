"""What a process must know of its siblings under torchrun; without them, every function is a cheap no-op."""

from __future__ import annotations

import atexit
import gc
import inspect
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn  # before there is a group: see `leave_group`
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tutelage.core.errors import ConfigError, RunError

T = TypeVar("T")
_PATIENCE = timedelta(hours=24)  # of processes that wait while one checks or decodes the data; one that is gone is seen
_LOST = ("closed by peer", "reset by peer", "pair closure", "Broken pipe")  # what gloo says of a process that is gone


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0; the process 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Joins the processes that torchrun started, if it did; yields the device of this process.

    Gradients travel over NCCL on GPUs and gloo on CPUs; control messages always over gloo, so that they never wait for
    a device.

    Raises:
        RunError: another process ended while this one waited for it; that one says why.
    """
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield device
        return
    backend = "gloo"
    if device.type == "cuda":
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        if local_rank >= torch.cuda.device_count():
            raise ConfigError(f"process {local_rank} has no GPU: this machine has {torch.cuda.device_count()}")
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield device
    except RuntimeError as error:
        if not any(text in str(error) for text in _LOST):
            raise
        raise RunError("another process of this training ended early; its own message says why") from None
    finally:
        leave_group()


def leave_group() -> None:
    """Destroys the process group, and has its threads ended before the interpreter ends.

    A thread of gloo that outlives the interpreter may abort it (pytorch/pytorch#179291). Two things hold a group that
    was destroyed: models wrapped by DDP, which are in cycles, and default arguments of torch.distributed.nn where DDP
    is the first to import that.
    """
    dist.destroy_process_group()
    atexit.register(gc.collect)  # not yet: the caller may still hold its models


def any_rank(number: int) -> int:
    """The largest `number` of all ranks: a flag that one of them raised is seen by all at the same step."""
    if world_size() == 1:
        return number
    flag = torch.tensor(number)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return int(flag)


def from_main(value: T) -> T:
    """The value that rank 0 has."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def of_all_ranks(value: Tensor) -> Tensor:
    """(world_size(), ...) on the CPU: `value` of each rank. Waits for the device."""
    mine = value.detach().cpu().contiguous()
    if world_size() == 1:
        return mine[None]
    parts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(parts, mine)
    return torch.stack(parts)


def mean_of_ranks(value: Tensor) -> Tensor:
    """The mean of `value` over the ranks, on its device: for statistics of a batch that every rank must hold alike."""
    if world_size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def rows_of_all_ranks(value: Tensor) -> Tensor:
    """(B, ...) of this rank to (B * world_size(), ...) of the global batch, in its order and on the same device."""
    if world_size() == 1:
        return value
    mine = value.detach().contiguous()
    parts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(parts, mine)
    return torch.stack(parts, 1).flatten(0, 1)  # `local_rows` deals the rows out in turn


def rows_of_main(value: Tensor) -> Tensor:
    """`value` of rank 0, on the device: for what is drawn once for all ranks. Its shape is the same on each."""
    if world_size() == 1:
        return value
    shared = value.detach().clone()
    dist.broadcast(shared, src=0)
    return shared


def data_parallel(module: nn.Module, device: torch.device) -> DistributedDataParallel:
    """`module` with gradients averaged over the ranks. Buffers stay those of each rank; see `copy_from_main`."""
    kept = "forward_sync_buffers"
    if kept not in inspect.signature(DistributedDataParallel).parameters:
        kept = "broadcast_buffers"  # as it was called in earlier versions of torch
    buffers: dict[str, Any] = {kept: False}
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None, **buffers)


def copy_from_main(values: Sequence[Tensor]) -> None:
    """Put into `values`, in place, what rank 0 has in them; their shapes are the same on each rank."""
    if world_size() == 1:
        return
    for dtype in dict.fromkeys(value.dtype for value in values):
        alike = [value for value in values if value.dtype == dtype]
        flat = torch.cat([value.detach().flatten() for value in alike])
        dist.broadcast(flat, src=0)
        for value, part in zip(alike, flat.split([value.numel() for value in alike]), strict=True):
            value.copy_(part.view_as(value))


def barrier() -> None:
    """Wait until all ranks are here."""
    if world_size() > 1:
        any_rank(0)


def local_rows(count: int) -> slice:
    """The rows of a global batch of `count` that this rank computes: every `world_size()`-th one.

    Raises:
        ConfigError: the ranks would not get equally many, so that averaged gradients would not be the batch's.
    """
    if count % world_size():
        raise ConfigError(f"a batch of {count} rows cannot be shared equally by {world_size()} processes")
    return slice(rank(), None, world_size())
