"""What came out: verdicts on unlabeled data, comparisons, and reports."""
