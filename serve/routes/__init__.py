"""What is spoken over HTTP: the routes, the gate before them, what is read of a request and what is answered."""
