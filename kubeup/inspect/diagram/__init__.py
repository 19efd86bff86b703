"""A picture of what runs where: read from the cluster, drawn as text, Mermaid or SVG."""
