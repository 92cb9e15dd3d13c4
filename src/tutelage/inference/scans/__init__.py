"""What a trained segmenter of scans is used for."""
