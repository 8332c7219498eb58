# RFC 9051 section 6.4.4: UID with a set, inside of SEARCH by numbers.
include three_messages
C: s0 SEARCH UID 1:2
S: * SEARCH 1 2
S: s0 OK {{.*}}
C: s1 SEARCH UID *
S: * SEARCH 3
S: s1 OK {{.*}}
C: s2 SEARCH UID 99
S: * SEARCH
S: s2 OK {{.*}}
C: s3 SEARCH NOT UID 2
S: * SEARCH 1 3
S: s3 OK {{.*}}
C: s4 SEARCH UID 0
S: s4 BAD {{.*}}
C: s5 SEARCH UID
S: s5 BAD {{.*}}
