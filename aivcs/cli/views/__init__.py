"""What people see of an answer that takes more than a few lines; a module per noun."""
