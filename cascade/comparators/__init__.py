"""Methods to compare CS3 with, behind one small protocol; see `cascade.comparators.protocol`."""
