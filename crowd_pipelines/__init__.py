"""Community data, whole and clean: members and activities of a community in one PostgreSQL database."""
