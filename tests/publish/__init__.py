"""Step 3 and 7: rows become messages and are sent, and sent again when nobody has confirmed them."""
