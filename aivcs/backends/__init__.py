"""Where stores can be kept: one package per kind of storage, none of which knows another."""
