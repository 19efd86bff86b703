"""What everything is made of: plans and their rules, the runner, record, lock and processes."""
