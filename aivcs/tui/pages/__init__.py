"""The pages of the browser: what each shows, and what its keys do."""
