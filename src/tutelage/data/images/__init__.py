"""Images with one class each: from folders, tables, shards and arrays to batches."""
