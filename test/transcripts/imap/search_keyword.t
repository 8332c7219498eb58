# RFC 9051 section 6.4.4: KEYWORD and UNKEYWORD, whatever the case.
include three_messages
C: s0 SEARCH KEYWORD $work
S: * SEARCH 2
S: s0 OK {{.*}}
C: s1 SEARCH KEYWORD $WORK
S: * SEARCH 2
S: s1 OK {{.*}}
C: s2 SEARCH UNKEYWORD $work
S: * SEARCH 1 3
S: s2 OK {{.*}}
C: s3 SEARCH KEYWORD nosuch
S: * SEARCH
S: s3 OK {{.*}}
C: s4 SEARCH UNKEYWORD nosuch
S: * SEARCH 1 2 3
S: s4 OK {{.*}}
C: s5 SEARCH KEYWORD \Seen
S: s5 BAD {{.*}}
