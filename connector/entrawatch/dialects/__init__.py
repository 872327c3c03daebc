"""BACK ENDS: a typed rule to the text of one language, exact or refused."""
