-- risk: additive
-- says: customers is locked for a moment
CREATE TABLE addresses (id SERIAL PRIMARY KEY, customer_id INTEGER NOT NULL, FOREIGN KEY(customer_id) REFERENCES customers (id));
