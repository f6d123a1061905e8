"""What is fetched, to the byte: jars of Cassandra and Java runtimes, as committed JSON. `make.py` writes it."""
