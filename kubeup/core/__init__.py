"""What everything is made of: plans and their rules, the runner, the record, the lock,
processes.
"""
