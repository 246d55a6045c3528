"""What keeps the rules on GitHub: compared, applied, relaxed for a while and put back."""
