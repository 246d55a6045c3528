-- risk: additive
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) FROM orders GROUP BY customer_id;
CREATE UNIQUE INDEX uq_totals ON totals (customer_id);
