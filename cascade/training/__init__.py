"""Teaching the shipped model: samples, losses, the loop, and the command `cs3 train`."""
