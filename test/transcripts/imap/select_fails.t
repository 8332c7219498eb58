# RFC 9051 section 6.3.2: a SELECT that fails leaves nothing selected.
include three_messages
C: a SELECT Nosuch
S~ a NO {{.*}}
C: b FETCH 1 UID
S: b BAD {{.*}}
