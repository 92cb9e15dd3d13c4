"""What training gave: verdicts on unlabeled data, comparisons of methods, and reports."""
