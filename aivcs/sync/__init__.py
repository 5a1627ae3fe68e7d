"""Copying between stores: what is missing where (`plan`), and bringing it there (`transfer`)."""
