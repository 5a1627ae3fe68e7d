"""Implements `aivcs release`: a module per verb.

`rollback` is in `aivcs.policy.enforce`, as the core of `promote` is; `show` is in `history`,
`verify` in `audit`.
"""
