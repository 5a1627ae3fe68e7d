"""Sessions of agents in the forms in which other programs leave them: one module per format.

A format is a pure reader: bytes in, a session's header, its events and its outcome out
(`aivcs.formats.model`). Nothing here opens a file, looks at a clock or knows of a store.
`aivcs.formats.registry` tells which format some bytes have.
"""
