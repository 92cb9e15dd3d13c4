"""Views of images: random transforms of whole batches, on their device."""
