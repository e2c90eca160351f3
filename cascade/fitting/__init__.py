"""Weights of witnesses from links, pairs and sperm that outlines tell to be right or wrong: `cs3 fit`."""
