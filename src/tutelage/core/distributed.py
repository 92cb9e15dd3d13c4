"""Communication between the processes of torchrun; with a single process, these functions do nothing."""

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
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from tutelage.core.errors import ConfigError, RunError

T = TypeVar("T")
_RESTARTS = "TORCHELASTIC_RESTART_COUNT"
_PATIENCE = timedelta(hours=24)  # for one process to check or decode the data; a process that died is noticed sooner
_LOST = ("closed by peer", "reset by peer", "pair closure", "Broken pipe")  # in gloo's error when a process died


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0. Rank 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if any; yields the device of this process.

    Gradients are sent with NCCL on GPUs and gloo on CPUs. Control messages always use gloo, so that they never wait for
    a device.

    Raises:
        RunError: another process ended while this one waited for it; its own message says why.
    """
    if "WORLD_SIZE" not in os.environ:
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
    if dist.is_initialized():  # by a caller, who also leaves it
        yield device
        return
    store, own, count = next(iter(rendezvous("env://", timeout=_PATIENCE)))
    if restarted():  # the store may still hold addresses of processes that were lost
        store = dist.PrefixStore(f"restart {os.environ[_RESTARTS]}", store)
    dist.init_process_group(backend, store=store, rank=own, world_size=count, timeout=_PATIENCE)
    try:
        yield device
    except RuntimeError as error:
        if not any(text in str(error) for text in _LOST):
            raise
        raise RunError("another process of this training ended early; its own message says why") from None
    finally:
        leave_group()


def leave_group() -> None:
    """Destroy the process group, and end its threads before the interpreter exits.

    A gloo thread that is still running then may abort the process (pytorch/pytorch#179291). Two things keep a destroyed
    group alive: models wrapped by DDP, which are in reference cycles, and default arguments of torch.distributed.nn if
    DDP is the first to import it.
    """
    dist.destroy_process_group()
    atexit.register(gc.collect)  # not yet: the caller may still hold its models


def restarted() -> bool:
    """Whether torchrun has started the processes again, since one was lost (`--max-restarts`)."""
    return os.environ.get(_RESTARTS, "0") not in ("", "0")


def any_rank(number: int) -> int:
    """The largest `number` of all ranks, so that all see a flag that one rank has set, at the same step."""
    if world_size() == 1:
        return number
    flag = torch.tensor(number)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return int(flag)


def from_main(value: T) -> T:
    """`value` of rank 0."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def to_main(value: T) -> list[T]:
    """`value` of each rank, in order, on rank 0; empty on the others."""
    if world_size() == 1:
        return [value]
    box: list[Any] | None = [None] * world_size() if rank() == 0 else None
    dist.gather_object(value, box)
    return box or []


def of_all_ranks(value: Tensor) -> Tensor:
    """(world_size(), ...) on the CPU: `value` of each rank. Waits for the device."""
    mine = value.detach().cpu().contiguous()
    if world_size() == 1:
        return mine[None]
    parts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(parts, mine)
    return torch.stack(parts)


def mean_of_ranks(value: Tensor) -> Tensor:
    """The mean of `value` over the ranks, on its device: for batch statistics that must be equal on all ranks."""
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
    return torch.stack(parts, 1).flatten(0, 1)  # interleaved, as `local_rows` deals them out


def rows_of_main(value: Tensor) -> Tensor:
    """`value` of rank 0, on the device: for random draws that all ranks share. Its shape is the same on all."""
    if world_size() == 1:
        return value
    shared = value.detach().clone()
    dist.broadcast(shared, src=0)
    return shared


def data_parallel(module: nn.Module, device: torch.device) -> DistributedDataParallel:
    """`module` wrapped by DDP, which averages gradients over the ranks. Buffers are left to `share_statistics`."""
    kept = "forward_sync_buffers"
    if kept not in inspect.signature(DistributedDataParallel).parameters:
        kept = "broadcast_buffers"  # its name in earlier versions of torch
    buffers: dict[str, Any] = {kept: False}
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None, **buffers)


def copy_from_main(values: Sequence[Tensor]) -> None:
    """Overwrite `values` in place with those of rank 0; their shapes are the same on all ranks."""
    if world_size() == 1:
        return
    for dtype in dict.fromkeys(value.dtype for value in values):
        alike = [value for value in values if value.dtype == dtype]
        flat = torch.cat([value.detach().flatten() for value in alike])
        dist.broadcast(flat, src=0)
        for value, part in zip(alike, torch.split(flat, [value.numel() for value in alike]), strict=True):
            value.copy_(part.view_as(value))


def share_statistics(method: nn.Module) -> None:
    """Copy batch-norm statistics from rank 0, whose statistics are the ones in a checkpoint.

    The method's own buffers are left out: they are equal on all ranks already, and some are too large to send at each
    step.
    """
    own = {id(buffer) for buffer in method.buffers(recurse=False)}
    copy_from_main([buffer for buffer in method.buffers() if id(buffer) not in own])


def barrier() -> None:
    """Wait until all ranks have reached this point."""
    if world_size() > 1:
        any_rank(0)


def local_rows(count: int) -> slice:
    """The rows of a global batch of `count` that this rank computes: every `world_size()`-th one.

    Raises:
        ConfigError: the rows cannot be shared equally, so that averaged gradients would differ from those of the batch.
    """
    if count % world_size():
        raise ConfigError(f"a batch of {count} rows cannot be shared equally by {world_size()} processes")
    return slice(rank(), None, world_size())
