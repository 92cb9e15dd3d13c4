"""Weights from other code, one file per family: how its files are recognized, translated, and described in a run."""
