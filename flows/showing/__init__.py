"""Showing promotions on GitHub: deployments, statuses, comments, releases, the changelog."""
