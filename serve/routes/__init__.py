"""The HTTP interface: the routes, the gate before them, reading requests and writing answers."""
