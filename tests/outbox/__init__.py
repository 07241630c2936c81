"""Step 2: pending, sent, confirmed and gone."""
