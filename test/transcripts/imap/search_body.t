# RFC 9051 section 6.4.4: BODY does not look at the header, TEXT does.
include three_messages
C: s0 SEARCH BODY red
S: * SEARCH 1
S: s0 OK {{.*}}
C: s1 SEARCH BODY Second
S: * SEARCH
S: s1 OK {{.*}}
C: s2 SEARCH TEXT Second
S: * SEARCH 2
S: s2 OK {{.*}}
C: s3 SEARCH TEXT "are yellow"
S: * SEARCH 2
S: s3 OK {{.*}}
C: s4 SEARCH TEXT fruit
S: * SEARCH 3
S: s4 OK {{.*}}
C: s5 SEARCH BODY "by far"
S: * SEARCH 3
S: s5 OK {{.*}}
