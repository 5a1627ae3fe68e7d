"""The roles of those who use a shared store; a server gives each its rights."""

ROLES = {
    "reader": "reads everything",
    "recorder": "puts new blobs, starts runs and extends its own",
    "promoter": "changes releases, on request only those of a pattern of names",
    "eraser": "erases what has to be forgotten, and records it",
    "maintainer": "collects garbage",
    "owner": "changes the schema, the configuration and the policies",
}
"""The rights of each role besides reading, by name."""
