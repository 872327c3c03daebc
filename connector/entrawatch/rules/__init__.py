"""FRONT END: Sigma documents become the typed rules that every dialect answers."""
