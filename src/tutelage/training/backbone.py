"""A pretrained backbone that learns more slowly than the head, later, in part, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from tutelage.config.settings import TrainConfig
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Method
from tutelage.networks.timm_network import TimmNetwork


@dataclass
class Backbone:
    """The student's network without its head, and the same part of the teacher.

    While the backbone is frozen, its weights get no step, momentum or decay, and it runs in evaluation mode: batch-norm
    statistics stay as they are, and dropout is off. So the teacher's copy stays equal to it.

    Attributes:
        lr_factor: its learning rate as a multiple of the head's.
        frozen: share of training during which it is frozen; 1 is all of it.
        norms: its batch norms whose statistics stay as they are throughout, in both networks.
    """

    student: list[nn.Module]
    teacher: list[nn.Module]
    lr_factor: float
    frozen: float
    norms: list[nn.Module] = field(default_factory=list)
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
        for norm in self.norms:
            norm.eval()

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

    Raises:
        ConfigError: stages were asked for that the network does not have.
    """
    if train.backbone_lr == 1.0 and train.frozen_share == 0.0 and train.trained_stages is None:
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
    if train.trained_stages is not None:
        first = _untrained(network, train.trained_stages)
        for parameter in (parameter for stage in first for parameter in stage):
            parameter.requires_grad_(False)
        parts = [part for root in (*backbone.student, *backbone.teacher) for part in root.modules()]
        backbone.norms = [part for part in parts if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        for copy in (network, None if teacher is None else teacher.get_submodule(place)):
            if isinstance(copy, TimmNetwork):
                copy.hold_first(len(first))
    return backbone


def _untrained(network: nn.Module, trained: int) -> list[list[nn.Parameter]]:
    """The parameters of each stage but the last `trained` ones.

    Raises:
        ConfigError: the network has no stages, or fewer.
    """
    if not isinstance(network, TimmNetwork):
        raise ConfigError("train.trained_stages is for efficientnet-lite and timm, whose stages have names")
    stages = network.stages()
    if trained > len(stages):
        raise ConfigError(f"train.trained_stages: the network has {len(stages)} stages, got {trained}")
    return stages[: len(stages) - trained]
