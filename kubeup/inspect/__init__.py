"""What is there, whether it works, and what is wrong."""
