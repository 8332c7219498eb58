# RFC 9051 section 6.4.4: sets of numbers, those that do not exist match nothing.
include three_messages
C: s0 SEARCH 1
S: * SEARCH 1
S: s0 OK {{.*}}
C: s1 SEARCH 1,3
S: * SEARCH 1 3
S: s1 OK {{.*}}
C: s2 SEARCH 2:*
S: * SEARCH 2 3
S: s2 OK {{.*}}
C: s3 SEARCH *
S: * SEARCH 3
S: s3 OK {{.*}}
C: s4 SEARCH 3:1
S: * SEARCH 1 2 3
S: s4 OK {{.*}}
C: s5 SEARCH 7
S: * SEARCH
S: s5 OK {{.*}}
C: s6 SEARCH 2:9
S: * SEARCH 2 3
S: s6 OK {{.*}}
C: s7 SEARCH 1 SEEN
S: * SEARCH 1
S: s7 OK {{.*}}
C: s8 SEARCH 0
S: s8 BAD {{.*}}
