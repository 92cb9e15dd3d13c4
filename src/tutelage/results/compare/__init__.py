"""Comparing methods on the same labels: the plan, the runs, and the table of results."""
