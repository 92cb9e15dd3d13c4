"""What a view of an image is: random transforms of whole batches, on whatever device they lie."""
