"""Real servers on one machine: a Docker engine, an authenticated registry and SSH hosts with engines of their own."""
