# RFC 9051 section 6.4.4: BEFORE, ON and SINCE disregard the time.
include three_messages
C: s0 SEARCH BEFORE 4-Jan-2020
S: * SEARCH 1
S: s0 OK {{.*}}
C: s1 SEARCH ON 4-Jan-2020
S: * SEARCH 2
S: s1 OK {{.*}}
C: s2 SEARCH SINCE 4-Jan-2020
S: * SEARCH 2 3
S: s2 OK {{.*}}
C: s3 SEARCH BEFORE 2-Jan-2020
S: * SEARCH
S: s3 OK {{.*}}
C: s4 SEARCH SINCE 7-Jan-2020
S: * SEARCH
S: s4 OK {{.*}}
C: s5 SEARCH ON "04-Jan-2020"
S: * SEARCH 2
S: s5 OK {{.*}}
