"""What events mean: tool calls, timelines, secrets in them, and whether their process lives."""
