"""The server: jobs, streams, live play and the page, over HTTP."""
