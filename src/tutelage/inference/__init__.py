"""What a trained network is used for: loading it, predicting, scoring, embedding, probing."""
