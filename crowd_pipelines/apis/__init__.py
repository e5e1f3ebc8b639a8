"""APIs that several platforms read: endpoints, payloads and sign-in, nothing of crowd."""
