"""The DNS server that sends workloads to the proxy: question to answer, wire format, sockets, passthrough."""
