"""A run in the forms that other programs read: one module per form, without I/O.

Each has `write(run)`, which yields texts to be joined. `Run` holds what a form may say of a run;
its events are read once, as they are written, so memory does not grow with the run.
"""
