"""What happens to pull requests by itself: decided from pipeline, GitHub, git and ledger; all of it pure."""
