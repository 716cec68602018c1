"""What a transform is, what it is given, and how transforms run one after the other. No sockets here."""
