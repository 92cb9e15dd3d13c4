"""The networks to train. Each has `features(x)` and `head`, and `forward(x) == head(features(x))`.

`NetworkConfig` selects a network, and `build.build_network` builds it.
"""
