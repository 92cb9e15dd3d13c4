"""Labeling a pile with a person: a model learns from each answer, asks the next question, and sorts the rest."""
