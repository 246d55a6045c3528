"""What a promotion would change, found out and put before people; nothing that runs is touched."""
