"""Each fault injected into a real promotion and rollback on the lab, and what survived: `script/faults`."""
