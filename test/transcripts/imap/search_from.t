# RFC 9051 section 6.4.4: FROM looks at names and addresses.
include three_messages
C: s0 SEARCH FROM anna
S: * SEARCH 1 3
S: s0 OK {{.*}}
C: s1 SEARCH FROM example.net
S: * SEARCH 2
S: s1 OK {{.*}}
C: s2 SEARCH FROM carl@example.net
S: * SEARCH 2
S: s2 OK {{.*}}
C: s3 SEARCH FROM bob
S: * SEARCH
S: s3 OK {{.*}}
