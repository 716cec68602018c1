"""The only seam to sockets: byte streams with deadlines, plain and TLS, and what is built directly on them."""
