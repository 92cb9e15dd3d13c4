"""From an unlabeled folder to a sorted one: which images to label, and what is wrong with labels and images."""
