"""`inv test`: every check of the project, stage by stage."""
