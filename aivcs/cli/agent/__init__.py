"""What agents call by themselves: the skill, and the server of the Model Context Protocol."""
