"""What GitHub has to enforce, how it differs from what it enforces, and what relaxing a rule does."""
