# RFC 9051 section 6.4.4: TO, CC and BCC.
include three_messages
C: s0 SEARCH TO bob
S: * SEARCH 1 2
S: s0 OK {{.*}}
C: s1 SEARCH TO erik@
S: * SEARCH 3
S: s1 OK {{.*}}
C: s2 SEARCH CC dora
S: * SEARCH 2
S: s2 OK {{.*}}
C: s3 SEARCH BCC fred
S: * SEARCH 3
S: s3 OK {{.*}}
C: s4 SEARCH CC bob
S: * SEARCH
S: s4 OK {{.*}}
C: s5 SEARCH BCC bob
S: * SEARCH
S: s5 OK {{.*}}
