"""GitHub over its API, by PyGithub: whole lists, within the rate limits."""
