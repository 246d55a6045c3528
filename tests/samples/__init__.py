"""Values that the tests of several rooms start from."""
