"""View models: what a history, a timeline, a comparison says, as data, for any kind of display.

No I/O, no markup, no terminal: texts are as they were recorded, and who shows them escapes them.
"""
