"""What a run learns from: images or scans, and everything of a run that depends on which.

- base: DataModule, what a run asks of its data
- images, scans: the two kinds
- recognize: module_of, which decides; nothing else does
- foreign: what is refused, since it is for the other kind
- image_checks, scan_checks: what can be known to fail before the first of several runs
- image_streams, scan_streams: the streams of a method
- image_views, scan_views: pictures of what a method is shown
"""
