"""Output: tables, colour, width of text, times, progress."""
