"""The modules that write what a report says of one kind of data, by the name of the kind."""

from __future__ import annotations

from typing import Any

from tutelage.data.kinds import IMAGES, SCANS
from tutelage.results.report import image_pages, image_sections, scan_pages, scan_sections

SECTIONS: dict[str, Any] = {IMAGES.name: image_sections, SCANS.name: scan_sections}  # of the report of runs
PAGES: dict[str, Any] = {IMAGES.name: image_pages, SCANS.name: scan_pages}  # of `evaluate` and `predict`
