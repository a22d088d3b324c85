"""What the demo and the tests need from the machine: PostgreSQL, a broker, free ports, child processes."""
