-- risk: destructive
-- breaks: INSERT INTO tickets (title, customer_id) VALUES ('a', 7), ('b', 7)
ALTER TABLE tickets ADD CONSTRAINT ex_tickets EXCLUDE USING btree (customer_id WITH =);
