# RFC 9051 section 6.4.5: RFC822.SIZE is the length in bytes.
include three_messages
C: f0 FETCH 1:2 RFC822.SIZE
S: * 1 FETCH (RFC822.SIZE ${length_M1})
S: * 2 FETCH (RFC822.SIZE ${length_M2})
S: f0 OK {{.*}}
