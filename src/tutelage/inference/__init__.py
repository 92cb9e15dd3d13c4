"""Use of trained networks: loading, predicting, scoring, embedding, probing."""
