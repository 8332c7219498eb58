# RFC 9051 section 6.4.4: LARGER and SMALLER are strict.
include three_messages
C: s0 SEARCH LARGER 0
S: * SEARCH 1 2 3
S: s0 OK {{.*}}
C: s1 SEARCH SMALLER 1000000
S: * SEARCH 1 2 3
S: s1 OK {{.*}}
C: s2 SEARCH SMALLER ${length_M1}
S: * SEARCH
S: s2 OK {{.*}}
C: s3 SEARCH LARGER ${length_M3}
S: * SEARCH
S: s3 OK {{.*}}
C: s4 SEARCH NOT SMALLER ${length_M3}
S: * SEARCH 3
S: s4 OK {{.*}}
C: s5 SEARCH NOT LARGER ${length_M1}
S: * SEARCH 1
S: s5 OK {{.*}}
C: s6 SEARCH LARGER x
S: s6 BAD {{.*}}
C: s7 SEARCH LARGER -1
S: s7 BAD {{.*}}
