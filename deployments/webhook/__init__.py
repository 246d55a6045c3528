"""The receiver of GitHub's webhooks: takes deliveries in, and turns what they ask for into flow runs."""
