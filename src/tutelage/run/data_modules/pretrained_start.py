"""How training starts from a pretrained network: a head on its frozen features, or the whole network at such a head."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from tutelage.config import RunConfig
from tutelage.config.settings import BASELINE_SHARE
from tutelage.core.distributed import barrier, from_main, rank
from tutelage.core.errors import ConfigError, NotBetter
from tutelage.core.wording import named
from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.loader import Normalization
from tutelage.networks.base import Network
from tutelage.run.budget import Deadline
from tutelage.run.data_modules.feature_streams import start_of_network
from tutelage.run.data_modules.head_choice import choose_head
from tutelage.run.data_modules.trial import Trial, try_fine_tuning
from tutelage.run.estimate import Estimate
from tutelage.run.frozen import FrozenBackbone
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.held_out import HeldOut
from tutelage.run.method_by_name import method_class


class PretrainedStart:
    """What is known of a pretrained network, and decided on its features, before training starts.

    Attributes:
        heads: the settings of those to choose among, by the name of the method.
        backbone: the frozen networks, if only a head is trained.
        features: (N, D) of the training images, if the backbone is frozen.
        estimate: the score by cross-validation or by the trial, if nothing else will score the run.
        held_out: what the head says of labels that it was trained without.
        trial: of fine-tuning against the head that it starts from, if there was one.
        weights: tensors that the network starts with, if it starts at a head on its features or after a trial.
    """

    def __init__(self, console: Console, device: torch.device) -> None:
        self.console, self.device = console, device
        self.heads: Mapping[str, RunConfig] = MappingProxyType({})
        self.backbone: FrozenNetworks | None = None
        self.features: NDArray[np.float32] | None = None
        self.estimate: Estimate | None = None
        self.held_out: HeldOut | None = None
        self.trial: Trial | None = None
        self.weights: Mapping[str, Tensor] = MappingProxyType({})

    @property
    def widths(self) -> tuple[int, ...]:
        """The columns of `features` of each network."""
        return () if self.backbone is None else self.backbone.widths

    def decide(self, cfg: RunConfig, data: ImageDataset, *, deadline: Deadline | None) -> RunConfig:
        """Compute features, choose a head, and estimate its score; returns the settings with what was decided."""
        self.estimate = self.held_out = None  # of an earlier run on this data
        if data.channels not in (1, 3) and (cfg.frozen or cfg.network.feature_dims is not None):
            raise ConfigError(
                f"a frozen network for photos takes gray or color images, got {data.channels} channels: leave "
                f"{named('preset')} out, so that a network is trained from scratch, or name a network of timm, all of "
                "whose weights are trained"
            )
        if cfg.frozen:
            if self.backbone is None:
                self.freeze(FrozenNetworks.published(cfg, data.image_size, self.device), cfg, data, deadline=deadline)
        elif cfg.network.feature_dims is not None and cfg.train.init_from is None:
            return self._start_at_head(cfg, data)
        if self.features is None:
            return cfg
        if len(self.heads) > 1:
            choice = from_main(choose_head(self.heads, data, self.features, device=self.device, widths=self.widths))
            choice.print(self.console)
            self.estimate, self.held_out = choice.estimate, choice.held_out
            cfg, self.heads = self._without_own_baseline(self.heads[choice.name]), {}
        elif data.val is None and not data.has_test:
            self.estimate = self._cross_validated(cfg, data, self.features)
        return cfg

    def freeze(
        self, backbone: FrozenNetworks, cfg: RunConfig, data: ImageDataset, *, deadline: Deadline | None
    ) -> None:
        """Pass all training images through the frozen networks; rank 0 first, which fills the cache for the others."""
        self.backbone = backbone
        for turn in (True, False):
            if (rank() == 0) == turn:
                raw = backbone.raw_features(data.train.images, self.console, deadline=deadline)
            barrier()
        if not backbone.fitted:
            for name, loaded in backbone.loaded.items():
                self.console.print(f"- the network {name}: {loaded}; it stays frozen")
            backbone.fit_transform(raw, cfg.network.feature_dims)
        self.features = backbone.transformed(raw)

    def save(self, run: Path) -> None:
        """Write the frozen networks, and what they say of held-out labels, into a run folder."""
        if self.backbone is not None:
            self.backbone.save(run)
        if self.held_out is not None:
            self.held_out.save(run)

    def try_fine_tuning(
        self, cfg: RunConfig, data: ImageDataset, network: Network, normalization: Normalization
    ) -> None:
        """Fine-tune on a part of the labels; training then goes on from there.

        Args:
            network: with the weights of the head's run.
            normalization: of its images.

        Raises:
            NotBetter: the head scored no worse on the other labels.
        """
        self.trial, self.weights = try_fine_tuning(cfg, data, network, normalization, self.device, self.console)
        if not self.trial.better:
            raise NotBetter(f"fine-tuning reached {self.trial.said}")
        if data.val is None and not data.has_test:
            self.estimate = self.trial.estimate(cfg.method)
        self.console.print(f"- fine-tuning won the trial: it reached {self.trial.said}; it continues with all labels")

    def _start_at_head(self, cfg: RunConfig, data: ImageDataset) -> RunConfig:
        """Pass all training images once, to start the network at a head on its features; the settings with their D."""
        backbone = FrozenBackbone.published(cfg.network, data.image_size, self.device)
        raw = backbone.raw_features(data.train.images, self.console)
        self.console.print(f"- the network {cfg.network.name}: {backbone.loaded}")
        backbone.fit_transform(raw, cfg.network.feature_dims)
        self.weights = start_of_network(cfg, data, backbone, backbone.transformed(raw))
        return dataclasses.replace(cfg, network=dataclasses.replace(cfg.network, feature_dims=backbone.dims))

    def _cross_validated(self, cfg: RunConfig, data: ImageDataset, features: NDArray[np.float32]) -> Estimate | None:
        """What cross-validation on the labels says of a head that nothing else will score."""
        begin = time.perf_counter()
        choice = from_main(choose_head({cfg.method: cfg}, data, features, device=self.device, widths=self.widths))
        estimate, self.held_out = choice.estimate, choice.held_out
        if estimate is not None:
            seconds = time.perf_counter() - begin
            self.console.print(f"- {cfg.method} was cross-validated on {estimate.labels} labels, in {seconds:.0f} s")
        return estimate

    def _without_own_baseline(self, cfg: RunConfig) -> RunConfig:
        """The settings without a baseline if the chosen head learns from labels alone, and so is its own baseline."""
        if not cfg.train.baseline or method_class(cfg.method).unlabeled_views:
            return cfg
        self.console.print(f"- no baseline is trained: {cfg.method} learns from the labels alone, as a baseline would")
        train = dataclasses.replace(cfg.train, baseline=False, baseline_share=BASELINE_SHARE, baseline_steps=None)
        return dataclasses.replace(cfg, train=train)
