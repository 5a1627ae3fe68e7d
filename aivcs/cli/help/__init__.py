"""`aivcs help`, and the texts of every `--help`: generated (`_pages`) and examples."""
