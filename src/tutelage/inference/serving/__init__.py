"""A classifier behind a local page and a JSON endpoint: passes of many requests together, uploads, and the page."""
