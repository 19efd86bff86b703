"""Images: what they are made of, what they are called, and how they reach every node."""
