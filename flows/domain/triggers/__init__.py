"""What GitHub's events start: read from their payloads, decided from pipeline, git and ledger; all of it pure."""
