"""How good retrieval is on questions whose passages are known."""
