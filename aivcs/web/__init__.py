"""Pages for a browser: the report, one file that is sent to people, and the page on loopback."""
