"""How many people follow the members that are known from X."""
