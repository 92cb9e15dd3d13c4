"""What a trained classifier or encoder of images is used for."""
