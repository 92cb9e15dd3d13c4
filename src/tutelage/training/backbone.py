"""A pretrained backbone that learns more slowly than the head, later, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from tutelage.config.settings import TrainConfig
from tutelage.methods.base import Method


@dataclass
class Backbone:
    """The student's network without its head, and the same part of the teacher.

    While the backbone is frozen, its weights get no step, momentum or decay, and it runs in evaluation mode: batch-norm
    statistics stay as they are, and dropout is off. So the teacher's copy stays equal to it.

    Attributes:
        lr_factor: its learning rate as a multiple of the head's.
        frozen: share of training during which it is frozen; 1 is all of it.
    """

    student: list[nn.Module]
    teacher: list[nn.Module]
    lr_factor: float
    frozen: float
    _held: bool = field(default=False, init=False)

    def is_frozen(self, step: int, total: int) -> bool:
        """Whether it is frozen at `step`."""
        return step < self.frozen * total

    def parameters(self) -> list[Tensor]:
        """The parameters of the student's backbone."""
        return [parameter for module in self.student for parameter in module.parameters()]

    def set_mode(self, method: Method[Any], step: int, total: int) -> None:
        """Called before the forward pass: evaluation mode while frozen; afterwards, the method's own modes again."""
        if self.is_frozen(step, total):
            for module in (*self.student, *self.teacher):
                module.eval()
            self._held = True
        elif self._held:
            method.train()
            self._held = False

    def drop_gradients(self, step: int, total: int) -> None:
        """Called after the backward pass: an optimizer skips parameters that have no gradient.

        The gradients of a backbone that is unfrozen later are computed nevertheless, because DDP decides at the start
        which gradients the processes share.
        """
        if self.is_frozen(step, total):
            for parameter in self.parameters():
                parameter.grad = None


def backbone_of(method: Method[Any], network: nn.Module, train: TrainConfig) -> Backbone | None:
    """The backbone, if the settings freeze it or give it a learning rate of its own; otherwise None.

    Args:
        network: the network with the pretrained weights: the method's student, or a part of it.
    """
    if train.backbone_lr == 1.0 and train.frozen_share == 0.0:
        return None
    place = next(name for name, module in method.student.named_modules() if module is network)
    names = [f"{place}.{name}".lstrip(".") for name, _ in network.named_children() if name != "head"]
    teacher = None if method.teacher is None else method.teacher.network
    backbone = Backbone(
        student=[method.student.get_submodule(name) for name in names],
        teacher=[] if teacher is None else [teacher.get_submodule(name) for name in names],
        lr_factor=train.backbone_lr,
        frozen=train.frozen_share,
    )
    if backbone.frozen == 1.0:
        for parameter in backbone.parameters():
            parameter.requires_grad_(False)  # its gradients are never computed
    return backbone
