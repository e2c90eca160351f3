"""Where images are segmented: in this process, or on the nodes of a Ray cluster."""
