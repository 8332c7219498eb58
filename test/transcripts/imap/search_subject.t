# RFC 9051 section 6.4.4: SUBJECT is a substring, whatever the case.
include three_messages
C: s0 SEARCH SUBJECT apples
S: * SEARCH 1 3
S: s0 OK {{.*}}
C: s1 SEARCH SUBJECT PEARS
S: * SEARCH 2 3
S: s1 OK {{.*}}
C: s2 SEARCH SUBJECT "apples and"
S: * SEARCH 3
S: s2 OK {{.*}}
C: s3 SEARCH SUBJECT ""
S: * SEARCH 1 2 3
S: s3 OK {{.*}}
C: s4 SEARCH SUBJECT nosuch
S: * SEARCH
S: s4 OK {{.*}}
C: s5 SEARCH SUBJECT
S: s5 BAD {{.*}}
