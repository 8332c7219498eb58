# RFC 9051 section 6.4.4: a system flag and its contrary split the mailbox.
include three_messages
C: s0 SEARCH ANSWERED
S: * SEARCH 3
S: s0 OK {{.*}}
C: s1 SEARCH UNANSWERED
S: * SEARCH 1 2
S: s1 OK {{.*}}
C: s2 SEARCH DELETED
S: * SEARCH 3
S: s2 OK {{.*}}
C: s3 SEARCH UNDELETED
S: * SEARCH 1 2
S: s3 OK {{.*}}
C: s4 SEARCH DRAFT
S: * SEARCH 3
S: s4 OK {{.*}}
C: s5 SEARCH UNDRAFT
S: * SEARCH 1 2
S: s5 OK {{.*}}
C: s6 SEARCH FLAGGED
S: * SEARCH 2
S: s6 OK {{.*}}
C: s7 SEARCH UNFLAGGED
S: * SEARCH 1 3
S: s7 OK {{.*}}
C: s8 SEARCH SEEN
S: * SEARCH 1
S: s8 OK {{.*}}
C: s9 SEARCH UNSEEN
S: * SEARCH 2 3
S: s9 OK {{.*}}
