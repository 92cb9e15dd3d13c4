"""Probes of feature quality: simple classifiers on a frozen encoder, trained on few labels and on all."""
