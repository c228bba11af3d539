"""One file for each symptom: it registers a function that takes the Evidence and gives a Finding, or None."""
