"""What onboardings and checks cost: `make bench`. Nothing in production imports this."""
