# RFC 9051 section 6.4.4: NOT takes one key.
include three_messages
C: s0 SEARCH NOT SEEN
S: * SEARCH 2 3
S: s0 OK {{.*}}
C: s1 SEARCH NOT NOT SEEN
S: * SEARCH 1
S: s1 OK {{.*}}
C: s2 SEARCH NOT (SEEN FLAGGED)
S: * SEARCH 1 2 3
S: s2 OK {{.*}}
C: s3 SEARCH NOT
S: s3 BAD {{.*}}
