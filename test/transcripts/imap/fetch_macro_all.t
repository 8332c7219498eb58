# RFC 9051 section 6.4.5: ALL has ENVELOPE besides.
include three_messages
C: f0 FETCH 1 ALL
S: * 1 FETCH (FLAGS ({{.*}}) INTERNALDATE "{{.*}}" RFC822.SIZE ${length_M1} ENVELOPE ({{.*}}))
S: f0 OK {{.*}}
