"""The commands on a whole store (`init`, `status`, `verify`, `gc`, `head`): options, handlers."""
