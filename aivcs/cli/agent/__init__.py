"""The interfaces for agents: the skill, and the server of the Model Context Protocol."""
