"""File formats of scans: one file each, and one way to read them all. The packages they need are optional."""
