# RFC 9051 section 6.4.4: a string may be a literal, of both kinds.
include three_messages
C: a SEARCH SUBJECT {6}
S: + {{.*}}
C: apples
S: * SEARCH 1 3
S: a OK {{.*}}
C: b SEARCH FROM {4+}
C: anna SUBJECT {5+}
C: pears
S: * SEARCH 3
S: b OK {{.*}}
