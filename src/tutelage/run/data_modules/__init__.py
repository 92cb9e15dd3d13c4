"""The data of a run, images or scans, and everything in a run that depends on their kind.

- base: DataModule, what a run asks of its data
- images, scans: the two kinds
- recognize: the module of each kind
- foreign: settings that are refused, since they are for the other kind
- image_checks, scan_checks: what can be known to fail before several runs are started
- image_choice: the settings that follow from the images that were found
- image_framing, image_normalization: how images become what a network takes
- image_scoring: what networks are scored on in a run on images
- image_streams, scan_streams: the streams of a method
- image_views, scan_views: pictures of the views that a method is trained on
"""
