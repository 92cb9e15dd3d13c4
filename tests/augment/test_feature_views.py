"""Views of cached features."""

from __future__ import annotations

import pytest
import torch

from tutelage.augment.feature_views import FEATURE_VIEWS, FeatureDropout, build_feature_views
from tutelage.augment.view import ImageShape
from tutelage.config.augment import FeatureViewConfig
from tutelage.core.errors import ConfigError

SHAPE = ImageShape(1000, 1, 1)


def seen(view: FeatureDropout, features: torch.Tensor, seed: int = 0) -> torch.Tensor:
    draws = view.draw(len(features), SHAPE, torch.Generator().manual_seed(seed))
    return view.apply(features, draws)


def test_dropout_sets_a_share_to_zero_and_keeps_the_mean() -> None:
    features = torch.ones(8, 1000)
    dropped = seen(FeatureDropout(0.3), features)
    assert 0.25 < float((dropped == 0).float().mean()) < 0.35
    assert dropped[dropped != 0].unique().tolist() == pytest.approx([1 / 0.7])
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.05)
    assert not torch.equal(dropped[0], dropped[1])
    assert torch.equal(features, torch.ones(8, 1000))


def test_what_is_dropped_follows_from_the_seed() -> None:
    features = torch.rand(4, 1000) + 1.0
    assert torch.equal(seen(FeatureDropout(0.3), features), seen(FeatureDropout(0.3), features))
    assert not torch.equal(seen(FeatureDropout(0.3), features), seen(FeatureDropout(0.3), features, seed=1))


def test_without_a_share_features_are_as_they_are() -> None:
    features = torch.rand(4, 1000)
    assert seen(FeatureDropout(0.0), features) is features


def test_each_view_drops_what_the_settings_say() -> None:
    views = build_feature_views(FEATURE_VIEWS, FeatureViewConfig(weak_dropout=0.1, strong_dropout=0.6))
    assert [view.describe({}, 0) for view in views] == ["dropout 0", "dropout 0.1", "dropout 0.6"]


@pytest.mark.parametrize("name", ["contrastive", "probe"])
def test_a_view_of_images_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"have no view '{name}'; they have identity, weak, strong"):
        build_feature_views(("weak", name), FeatureViewConfig())
