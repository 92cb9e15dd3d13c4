"""How the images of a run are standardized: as the weights that it starts from ask for, or else by their own pixels."""

from __future__ import annotations

import statistics

from tutelage.config import RunConfig
from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.loader import Normalization, pixel_statistics
from tutelage.data.images.streamed import StreamedImages
from tutelage.networks.build import timm_name
from tutelage.networks.timm_network import preparation

_STREAMED = 2_000  # images whose pixels are counted


def choose_normalization(cfg: RunConfig, dataset: ImageDataset) -> Normalization:
    """Statistics of the training images, or those that published weights were trained with."""
    if not cfg.network.starts_pretrained:
        images = dataset.train.images
        if isinstance(images, StreamedImages):  # they are decoded for this alone
            return pixel_statistics(images, most=_STREAMED)
        return pixel_statistics(images)
    prepared = preparation(timm_name(cfg.network.parts[0]))
    if dataset.channels == 3:
        return Normalization(prepared.mean, prepared.std)
    if dataset.channels != 1:
        return pixel_statistics(dataset.train.images, most=_STREAMED)
    return Normalization((statistics.fmean(prepared.mean),), (statistics.fmean(prepared.std),))
