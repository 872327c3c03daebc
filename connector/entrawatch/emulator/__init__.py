"""A Graph and a token endpoint on loopback, and a synthetic tenant to fill them."""
