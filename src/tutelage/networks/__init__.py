"""What is trained: image classifiers with `features(x)`, `head` and `forward(x) == head(features(x))`.

`settings.NetworkConfig` names one, `build.build_network` makes it.
"""
