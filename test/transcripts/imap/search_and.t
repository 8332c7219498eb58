# RFC 9051 section 6.4.4: several keys are all meant.
include three_messages
C: s0 SEARCH FROM anna SUBJECT pears
S: * SEARCH 3
S: s0 OK {{.*}}
C: s1 SEARCH (FROM anna) UNSEEN
S: * SEARCH 3
S: s1 OK {{.*}}
C: s2 SEARCH FROM anna FLAGGED
S: * SEARCH
S: s2 OK {{.*}}
C: s3 SEARCH (FROM anna (SUBJECT apples (SEEN)))
S: * SEARCH 1
S: s3 OK {{.*}}
