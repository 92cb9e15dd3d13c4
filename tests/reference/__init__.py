"""Losses and rules as naive float64 loops, written from the formulas of the papers: what the tests compare with."""
