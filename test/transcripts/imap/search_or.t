# RFC 9051 section 6.4.4: OR takes two keys.
include three_messages
C: s0 SEARCH OR SEEN FLAGGED
S: * SEARCH 1 2
S: s0 OK {{.*}}
C: s1 SEARCH OR (SEEN) (DELETED)
S: * SEARCH 1 3
S: s1 OK {{.*}}
C: s2 SEARCH OR SEEN OR FLAGGED DELETED
S: * SEARCH 1 2 3
S: s2 OK {{.*}}
C: s3 SEARCH OR SEEN
S: s3 BAD {{.*}}
C: s4 SEARCH OR
S: s4 BAD {{.*}}
