# RFC 9051 section 6.4.4: SENTBEFORE, SENTON and SENTSINCE look at the Date field.
include three_messages
C: s0 SEARCH SENTBEFORE 3-Jan-2020
S: * SEARCH 1
S: s0 OK {{.*}}
C: s1 SEARCH SENTON 3-Jan-2020
S: * SEARCH 2
S: s1 OK {{.*}}
C: s2 SEARCH SENTSINCE 3-Jan-2020
S: * SEARCH 2 3
S: s2 OK {{.*}}
C: s3 SEARCH SENTSINCE 6-Jan-2020
S: * SEARCH
S: s3 OK {{.*}}
