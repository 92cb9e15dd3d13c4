"""How good features are: simple classifiers on a frozen encoder, from a few labels and from all."""
