"""What a run learns from: images or scans, and all of a run that depends on which.

- base: Material, what a session asks of its data
- images, scans: the two kinds
- recognize: material_of, which decides; nothing else does
- scan_defaults: the settings that scans start from
"""
