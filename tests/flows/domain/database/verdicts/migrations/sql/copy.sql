-- risk: opaque
-- live: no
COPY orders TO '/tmp/orders.csv';
