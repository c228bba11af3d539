"""Parts that any page may use, and that know no page: pickers, charts, the panel, forms, words, run actions."""
