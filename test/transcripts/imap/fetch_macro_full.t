# RFC 9051 section 6.4.5: FULL has BODY besides.
include three_messages
C: f0 FETCH 1 FULL
S: * 1 FETCH (FLAGS ({{.*}}) INTERNALDATE "{{.*}}" RFC822.SIZE ${length_M1} ENVELOPE ({{.*}}) BODY ({{.*}}))
S: f0 OK {{.*}}
