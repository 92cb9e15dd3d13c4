"""Scans to segment: volumes, or slices with PNG masks, generic in the number of axes.

- source, items: is_scan_source, list_scans, list_scan_splits; the content of a source as Case and ScanListing
- inventory, parts, consistency: take_scan_inventory, all sources of a run with everything that is wrong with them,
  as ScanInventory of ScanPart
- summary: summarize_scans, the same in numbers for a report
- dataset: load_scans and ScanDataset, the rows of both streams and the parts to score on
- scan_set: ScanSet and ScanSubset, prepared cases with their labels and the mapping back to their files
- loader: ScanLoader and ScanStream, the batch of a step
- reading, prepare: read_case, place, prepare, for one case to predict on; Placement maps back to its file
- formats, masks: read_volume, read_mask, write_mask, write_probabilities, write_label_names
"""
