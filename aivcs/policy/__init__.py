"""Policies: which rules hold for a name, what they ask of a release, and the one way to release.

- `rules/`: one file for each rule; a new rule is a file there and its line in `rules/__init__.py`.
- `proposal`: what a rule looks at, and its verdict.
- `registry`: the rules by name. `select`: the policy that holds for a name.
- `evidence`: reads what a policy asks for. `enforce`: plans, judges, signs and appends a release.
"""
