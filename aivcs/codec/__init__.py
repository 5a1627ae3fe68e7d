"""Text to values and back, without I/O: JSON, canonical JSON, TOML, SHA-256."""
