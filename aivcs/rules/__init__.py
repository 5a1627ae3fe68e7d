"""What is decided about agents, runs and releases, by values alone: rules without I/O.

The rules of a chained log are in `aivcs.log`; here are those that commands judge, compare and
describe by. Each module takes values and returns values, so each can be tried without a store.
"""
