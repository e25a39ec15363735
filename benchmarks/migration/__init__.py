"""`hotcold migrate` on a million files, and what it moves."""
