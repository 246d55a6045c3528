-- risk: destructive
CREATE POLICY only_own ON orders AS RESTRICTIVE USING (customer_id = 1);
