-- risk: additive
ALTER DOMAIN mail_address SET DEFAULT 'nobody@example.com';
