"""Plans put together from the parts, and how they are carried out."""
