"""The report of a benchmark: one HTML page with everything in it, and its tables as CSV and Markdown."""
