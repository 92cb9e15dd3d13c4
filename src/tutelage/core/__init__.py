"""Errors, files, devices, random numbers and the parts of a step. Imports nothing from the rest of the package."""
