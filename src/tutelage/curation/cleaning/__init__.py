"""Finding what is wrong with a pile of images: copies, wrong labels, and images that do not belong."""
