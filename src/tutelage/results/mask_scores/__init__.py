"""Scores of masks of any tool against reference masks."""
