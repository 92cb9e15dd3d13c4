"""Use of trained segmenters of scans."""
