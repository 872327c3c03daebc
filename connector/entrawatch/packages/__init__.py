"""OUT: rules to trees of files, the same bytes from the same rules; written whole, checked against what is there."""
