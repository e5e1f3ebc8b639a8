"""PostgreSQL: what is remembered, and the rules that hold whoever writes."""
