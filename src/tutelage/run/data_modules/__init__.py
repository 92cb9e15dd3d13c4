"""What a run learns from: images or scans, and all of a run that depends on which.

- base: Material, what a session asks of its data
- images, scans: the two kinds
- recognize: material_of, which decides; nothing else does
- foreign: what is refused, since it is for the other kind
- image_streams: the training of a method on images
- patch_streams, patch_sheet: what a method for scans is shown, and a picture of it
"""
