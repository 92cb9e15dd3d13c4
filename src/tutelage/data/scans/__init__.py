"""Scans to segment: volumes, or slices with PNG masks, generic in the number of axes.

- settings: ScanConfig, the section `scan`
- listing: is_scan_source, list_scans, list_scan_splits; what lies in a source, as Case and ScanListing of cases
- inventory, consistency: take_scan_inventory, all sources of a run with everything that is wrong with them,
  as ScanInventory of parts
- summary: summarize_scans, the same in numbers for a report
- dataset: load_scans and ScanDataset, the rows of both streams and the parts that score
- scan_set: ScanSet and ScanSubset, prepared cases with their labels and the way back to their files
- patches: ScanLoader and ScanStream, the batch of a step
- reading, prepare: read_case, place, prepare, for one case to predict on; Placement is the way back to its file
- formats, masks: read_volume, read_mask, write_mask, write_probabilities, write_label_names
"""
