"""One file for each row of the table of the paper and the reports; it registers the row and its two presets."""
