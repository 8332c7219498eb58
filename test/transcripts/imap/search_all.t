# RFC 9051 section 6.4.4: ALL, and the default without it.
include three_messages
C: s0 SEARCH ALL
S: * SEARCH 1 2 3
S: s0 OK {{.*}}
C: s1 SEARCH NOT ALL
S: * SEARCH
S: s1 OK {{.*}}
