# RFC 3501 section 6.4.4: RECENT, OLD and NEW belong to this session.
include three_messages
C: s0 SEARCH RECENT
S: * SEARCH 1 2 3
S: s0 OK {{.*}}
C: s1 SEARCH OLD
S: * SEARCH
S: s1 OK {{.*}}
C: s2 SEARCH NEW
S: * SEARCH 2 3
S: s2 OK {{.*}}
C: s3 SEARCH NEW SEEN
S: * SEARCH
S: s3 OK {{.*}}
