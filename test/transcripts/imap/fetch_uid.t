# RFC 9051 section 6.4.5: UID.
include three_messages
C: f0 FETCH 1:3 (UID)
S: * 1 FETCH (UID 1)
S: * 2 FETCH (UID 2)
S: * 3 FETCH (UID 3)
S: f0 OK {{.*}}
C: f1 FETCH 2 UID
S: * 2 FETCH (UID 2)
S: f1 OK {{.*}}
