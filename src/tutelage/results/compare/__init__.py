"""Methods side by side on the same labels: what is run, how it is run, and what came out."""
