"""The parts of an agent: manifest, files on the disk, checkout."""
