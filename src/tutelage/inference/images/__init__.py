"""Use of trained image classifiers and encoders."""
