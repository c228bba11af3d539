"""What a visitor's session knows, without a widget: the chosen model, caches, jobs, the warm-up."""
