"""Results as files that other programs open: each module knows one format, `atomic` writes files whole."""
